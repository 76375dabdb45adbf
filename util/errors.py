"""The one exception for a user's mistakes, and how a command ends."""

import logging
import sys
from collections.abc import Callable
from typing import NoReturn


class UserError(Exception):
    """A mistake the user can mend. The message names the file or option and says what to do."""


def run_command(main: Callable[[], int]) -> NoReturn:
    """Runs an entry point and exits with its code.

    A `UserError` becomes one line on stderr and exit code 2; Ctrl-C exits with 130. Anything else is a bug and keeps
    its traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code = main()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        code = 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = 130
    sys.exit(code)
