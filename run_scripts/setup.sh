# shellcheck shell=bash
# The other scripts source this file. It changes to the checkout and finds a Python environment: the active virtual
# environment, or else .venv in the checkout, which prepare_environment creates if it is missing.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

use_environment() {
  if [ -z "${VIRTUAL_ENV:-}" ] && [ -f .venv/bin/activate ]; then
    # shellcheck source=/dev/null
    . .venv/bin/activate
  fi
}

prepare_environment() { # requirements file
  if [ -z "${VIRTUAL_ENV:-}" ]; then
    [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv || {
      echo "error: the virtual environment could not be created; install Python 3.11 or newer with its venv module" >&2
      exit 2
    }
    use_environment
  fi
  # visdom's build needs pkg_resources, which newer setuptools lack. Since 25.3, pip reads the second variable.
  PIP_CONSTRAINT=build-constraints.txt PIP_BUILD_CONSTRAINT=build-constraints.txt \
    python -m pip install --quiet --disable-pip-version-check -r "$1" || {
    echo "error: installing $1 failed (see above); check the network and the Python version (3.11 or newer)" >&2
    exit 2
  }
}

draw_people() { # folder, options of synthesize.py: draws the people unless the folder exists
  [ -d "$1" ] || python datasets/synthesize.py --out "$@"
}
