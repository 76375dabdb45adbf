#!/usr/bin/env bash
# Installs what the page needs and serves it at http://127.0.0.1:7860: bash run_scripts/app.sh [options of app.py]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements-app.txt
exec python app.py "$@"
