"""Lets Ctrl-C and SIGTERM end a command in good order: as a request that a loop checks, or as an exception."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a signal asked the loop to stop, and which one."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """The exit code by which a shell knows that a signal ended the process."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_requests(*, repeated: bool = False) -> Iterator[StopRequest]:
    """Within it, the first Ctrl-C or SIGTERM becomes a request; a second one ends the process at once.

    Args:
        repeated: treat further signals as the same request, because torchrun may send a signal a second time.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request_stop(number: int, frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        if not repeated:
            restore()

    for number in _SIGNALS:
        signal.signal(number, request_stop)
    try:
        yield request
    finally:
        restore()


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within it, SIGTERM ends the command as Ctrl-C does: by an exception, after which everything is cleared away."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
