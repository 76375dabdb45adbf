"""The exception for a user's mistakes, and the frame of every command: messages, exit codes, Ctrl-C."""

import logging
import sys
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

_MOST_LIKE_WARNINGS = 10
_INTERRUPTED = 130  # a shell's exit code for a process that Ctrl-C has ended


class UserError(Exception):
    """A mistake that the user can correct. The message names the file or option and says what to do."""


def run_command(main: Callable[[], int]) -> NoReturn:
    """Runs an entry point and exits with its code.

    A `UserError` becomes one line on stderr and exit code 2; Ctrl-C exits with 130. Any other exception is a bug and
    keeps its traceback. Of warnings that differ only in their values, ten are shown and the others counted.
    """
    handler = logging.StreamHandler(sys.stderr)
    repeats = _RepeatFilter()
    handler.addFilter(repeats)
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
        repeats.report_rest()
    sys.exit(code)


class _RepeatFilter(logging.Filter):
    """Passes the first ten warnings that each line of code emits."""

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

    def report_rest(self) -> None:
        """Writes one line for each kind of warning that was held back."""
        for place, message in self.last.items():
            sys.stderr.write(f"and {self.seen[place] - _MOST_LIKE_WARNINGS} more like this: {message}\n")


def _hide_interrupt_trace(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Hides the traceback of Ctrl-C while modules are being imported, before `run_command` starts."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    elif isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
        # Some libraries that are written in C++, such as dlib, turn it into an error of their own.
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
    else:
        sys.__excepthook__(kind, error, trace)


# Entry points import this module first, so that the hook is in place while the large libraries are imported.
sys.excepthook = _hide_interrupt_trace
