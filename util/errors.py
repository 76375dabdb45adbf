"""The one exception for a user's mistakes, and how a command begins and ends."""

import logging
import sys
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

_MOST_LIKE_WARNINGS = 10
_INTERRUPTED = 130  # what a shell reports of a process that Ctrl-C has ended


class UserError(Exception):
    """A mistake the user can mend. The message names the file or option and says what to do."""


def run_command(main: Callable[[], int]) -> NoReturn:
    """Runs an entry point and exits with its code.

    A `UserError` becomes one line on stderr and exit code 2; Ctrl-C exits with 130. Anything else is a bug and keeps
    its traceback. Of warnings that differ only in their values, ten are shown and the rest are counted.
    """
    handler = logging.StreamHandler(sys.stderr)
    few = _FewAlike()
    handler.addFilter(few)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    try:
        code = main()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        code = 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = _INTERRUPTED
    finally:
        few.tell_rest()
    sys.exit(code)


class _FewAlike(logging.Filter):
    """Lets the first ten warnings of each line of code through."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[str, int]] = Counter()
        self.last: dict[tuple[str, int], str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        place = record.pathname, record.lineno
        self.seen[place] += 1
        if self.seen[place] <= _MOST_LIKE_WARNINGS:
            return True
        self.last[place] = record.getMessage()
        return False

    def tell_rest(self) -> None:
        """One line for each kind of warning that was held back."""
        for place, message in self.last.items():
            sys.stderr.write(f"and {self.seen[place] - _MOST_LIKE_WARNINGS} more like this: {message}\n")


def _end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while modules are imported, before `run_command`, should not show a traceback."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


# Entry points import this module before the large libraries, so that the hook is in place while those are imported.
sys.excepthook = _end_quietly
