"""Does work on many items in processes of its own, in order, and survives bad items and lost processes."""

import atexit
import logging
import logging.handlers
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import cv2
import torch

from util.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results that wait for an earlier one, and items that are worked on, for each worker. More would only take memory.
_AHEAD = 3
_END_TIMEOUT = 5.0
_NICENESS = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of an item.

    Attributes:
        result: None if it failed.
        error: why it failed; None if it did not.
        records: what was logged meanwhile.
        seconds: that the work took.
    """

    result: Result | None
    error: str | None = None
    records: list[logging.LogRecord] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def warnings(self) -> list[str]:
        """The messages of its warnings."""
        return [record.getMessage() for record in self.records if record.levelno >= logging.WARNING]


class OrderedWorkers(Generic[Item, Result]):
    """Yields the outcome of each item, in order. It is a context manager, whose end kills the workers.

    The workers begin when the context does. They hold few results ahead of the one that is due, so that memory does
    not grow with the number of items. What they log is logged by this process, in the order of the items.

    Args:
        work: done for each item. An exception, or the loss of the worker, makes its item's outcome an error.
        items: taken one by one, as workers become free.
        count: number of processes; with 0, this process works when an outcome is asked for.
        what: names a lost worker's work in the message.
    """

    def __init__(self, work: Callable[[Item], Result], items: Iterable[Item], count: int, what: str) -> None:
        self._work, self._count, self._what = work, count, what
        self._items = enumerate(items)
        self._due = 0
        self._idle: list[tuple[BaseProcess, Connection]] = []
        self._busy: dict[Connection, tuple[BaseProcess, int]] = {}
        self._done: dict[int, Outcome[Result]] = {}

    def __enter__(self) -> "OrderedWorkers[Item, Result]":
        self._idle = [start_worker(_serve, self._work) for _ in range(self._count)]
        self._assign()
        return self

    def __exit__(self, *_error: object) -> None:
        workers = [*self._idle, *((process, connection) for connection, (process, _) in self._busy.items())]
        # A worker has nothing to save.
        for process, _ in workers:
            process.kill()
        for process, connection in workers:
            process.join(_END_TIMEOUT)
            connection.close()

    def __iter__(self) -> Iterator[Outcome[Result]]:
        if not self._count:
            yield from (_outcome(self._work, item) for _, item in self._items)
            return
        while self._done or self._busy:
            while self._due not in self._done:
                for connection in wait(list(self._busy)):
                    assert isinstance(connection, Connection)
                    self._receive(connection)
                self._assign()
            outcome = self._done.pop(self._due)
            self._due += 1
            self._assign()
            for record in outcome.records:
                logging.getLogger(record.name).handle(record)
            yield outcome

    def _assign(self) -> None:
        """Gives each idle worker an item, as long as few results wait."""
        while self._idle and len(self._busy) + len(self._done) < _AHEAD * self._count:
            if (numbered := next(self._items, None)) is None:
                return
            number, item = numbered
            process, connection = self._idle.pop()
            self._busy[connection] = process, number
            # `_receive` will notice that it has died in the meantime.
            with suppress(OSError):
                connection.send(item)

    def _receive(self, connection: Connection) -> None:
        process, number = self._busy.pop(connection)
        try:
            self._done[number] = connection.recv()
            self._idle.append((process, connection))
        except (EOFError, OSError):
            self._done[number] = Outcome(None, f"the process that {self._what} it {how_it_ended(process)}")
            connection.close()
            self._idle.append(start_worker(_serve, self._work))


def usable_cores() -> int:
    """How many cores this process may use: a container or a batch system may allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_worker(serve: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Starts a process that calls `serve` with the arguments and one end of a pipe; returns it with the other end."""
    # OpenCV's threads do not survive a fork, and a worker that used or ended them would wait for ever.
    cv2.setNumThreads(1)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(*arguments, theirs), daemon=True)
    with _signals_held():
        process.start()
        # Python ends its processes by SIGTERM, which workers ignore, and then waits for them. Ctrl-C may come before
        # the caller has noted this one.
        atexit.register(process.kill)
    # Now only the worker holds this end, so that its death closes the pipe.
    theirs.close()
    return process, ours


def become_worker() -> None:
    """Makes this new process one of several that work for their parent."""
    # Terminals and torchrun signal all processes, but only the parent decides when workers end.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # If the parent is killed, it cannot end its workers; they must notice it.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A fork does not copy the libraries' threads, and each core has a worker.
    torch.set_num_threads(1)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Within it, signals wait, so that none ends a worker that does not ignore them yet."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(process: BaseProcess) -> str:
    """What ended a process that closed its pipe."""
    process.join(_END_TIMEOUT)
    code = process.exitcode
    return f"was killed ({signal.Signals(-code).name})" if code and code < 0 else f"ended with exit code {code}"


class _Collector(logging.handlers.QueueHandler):
    """Keeps what one thread logs, in a form that can be sent to another process."""

    def __init__(self) -> None:
        super().__init__(queue=None)  # type: ignore[arg-type]
        self.records: list[logging.LogRecord] = []
        self._thread = threading.get_ident()

    def enqueue(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.records.append(record)


def _outcome(work: Callable[[Item], Result], item: Item) -> Outcome[Result]:
    collector, root, start = _Collector(), logging.getLogger(), time.perf_counter()
    result, error = None, None
    root.addHandler(collector)
    try:
        result = work(item)
    except UserError as mistake:
        error = str(mistake)
    # One item of many must not end the others, whatever is wrong with it.
    except Exception as fault:
        error = f"{type(fault).__name__}: {fault}"
    finally:
        root.removeHandler(collector)
    return Outcome(result, error, collector.records, time.perf_counter() - start)


def _serve(work: Callable[[Any], Any], connection: Connection) -> None:
    """The loop of a worker until it is killed."""
    become_worker()
    # The parent's threads wait for one another, so a worker that takes the core of one of them delays all.
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # The parent writes the messages.
    logging.getLogger().handlers.clear()
    while True:
        connection.send(_outcome(work, connection.recv()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
