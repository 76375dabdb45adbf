"""Shows the progress of a loop, and runs a pool of workers that can be stopped."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from tqdm import tqdm

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 10.0
_BATCH = 128
_LINE = "{desc}{n_fmt} of {total_fmt}, {elapsed} gone, {remaining} to go, {rate_fmt}{postfix}"


def progress(items: Iterable[Any] | None = None, **settings: Any) -> "tqdm[Any]":
    """The items with a progress bar on stderr; takes the settings of tqdm.

    If stderr is not a terminal, a bar would fill the file with control characters. A plain line every ten seconds
    and one at the end replace it; a loop shorter than that writes nothing.
    """
    if sys.stderr.isatty():
        return tqdm(items, dynamic_ncols=True, **settings)
    return _Lines(items, **settings | {"leave": False, "bar_format": _LINE})


def run_all(pool: Executor, work: Callable[[Item], None], items: Sequence[Item], *, unit: str) -> None:
    """Does the work for all items in a pool, with progress.

    After the first error or Ctrl-C the pool ends soon, because it never holds more than one batch of items.
    """
    with progress(total=len(items), unit=unit) as bar:
        for start in range(0, len(items), _BATCH):
            for _ in pool.map(work, items[start : start + _BATCH]):
                bar.update()


def leave_signals_to_parent() -> None:
    """Initializes a process of a pool: Ctrl-C reaches all processes, but only the parent should handle it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Lines(tqdm):
    """A tqdm that writes a whole line at long intervals."""

    # Its own set keeps tqdm from redrawing these lines, as it does with the bars of a terminal, for each message.
    _instances: ClassVar[WeakSet["_Lines"]] = WeakSet()

    def __init__(self, items: Any, desc: str = "", **settings: Any) -> None:
        self.written: float | None = None  # the count in the last line
        self.waits_since = time.monotonic()
        super().__init__(items, desc=f"{desc}: " if desc else "", **settings)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Called by tqdm whenever a bar would be drawn, and with an empty message when it ends."""
        now, ends = time.monotonic(), msg == ""
        due = self.written is not None if ends else now - self.waits_since >= _SECONDS_BETWEEN_LINES
        if due and self.written != self.n:
            self.fp.write(f"{self}\n")
            self.fp.flush()
            self.written, self.waits_since = self.n, now
