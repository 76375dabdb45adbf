"""Ctrl-C and SIGTERM as a request that a loop honours at its next good moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The code that a shell expects of a process that a signal ended."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_requests(*, repeated: bool = False) -> Iterator[StopRequest]:
    """Within it, the first Ctrl-C or SIGTERM is noted; a second one ends the process at once.

    Args:
        repeated: note further signals, too. torchrun passes signals on to processes that may already have had them.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        if not repeated:
            restore()

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
