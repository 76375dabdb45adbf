#!/usr/bin/env bash
# Installs what the tests need and runs all of them: bash run_scripts/run_tests.sh [pytest arguments]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
prepare_environment requirements-dev.txt
# Some tests open pages in a browser.
if ! command -v chromium chromium-browser google-chrome > /dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -q > /dev/null && apt-get install -q -y chromium > /dev/null
  else
    echo "error: the tests of pages need Chromium, which is not installed; install the package chromium" >&2
    exit 2
  fi
fi
python -m pytest "$@"
