#!/usr/bin/env bash
# Installs what the tests need and runs all of them: bash run_scripts/run_tests.sh [pytest arguments]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements-dev.txt
python -m pytest "$@"
