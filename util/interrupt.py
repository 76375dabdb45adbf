"""Ctrl-C and SIGTERM as a request that a loop honours when it suits."""

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
        """What a shell expects of a process that a signal ended."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_requests(patient: bool = False) -> Iterator[StopRequest]:
    """Within it, the first Ctrl-C or SIGTERM is noted; a second one acts at once.

    Args:
        patient: further ones are noted, too: torchrun hands on to its processes what they may have had already.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        if not patient:
            restore()

    for number in _SIGNALS:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
