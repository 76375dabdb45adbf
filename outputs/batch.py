"""Makes the outputs of many photos: while the model makes frames, other threads write those of the photos before."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore

import numpy as np
import torch

from models.transformer import AgeTransformer, Series
from outputs.plan import Output
from outputs.preparation import PreparedFace, Task
from util.errors import UserError
from util.files import FolderError, replace, staging
from util.images import resize
from util.metadata import Facts
from util.progress import progress
from util.provenance import Manifest
from util.workers import Outcome, usable_cores

logger = logging.getLogger(__name__)

# Encoders have threads of their own, so a few photos at a time keep all cores busy.
_MOST_WRITERS = 4
# Bytes of frames that wait for a thread to write them; more would not be faster.
_MOST_WAITING = 64 << 20
_LEAST_FRAMES_WAITING = 8


@dataclass(frozen=True)
class Maker:
    """How outputs are made of a portrait.

    Attributes:
        outputs: what to make.
        transformer: makes the frames; None if no output has any.
        seed: draws the seed of a portrait's age codes.
        size: that pictures are scaled to; None leaves them as they are.
        about: what the files say about themselves; None means nothing.
    """

    outputs: Sequence[Output]
    transformer: AgeTransformer | None
    seed: Callable[[], int]
    size: int | None
    about: Facts | None


@dataclass
class _Work:
    """A photo whose outputs are being made, with a job that writes those of each face so far."""

    task: Task
    outcome: Outcome[list[PreparedFace]]
    jobs: list[Future[float]] = field(default_factory=list)

    @property
    def faces(self) -> list[PreparedFace]:
        return self.outcome.result or []

    @property
    def ended(self) -> bool:
        return len(self.jobs) == len(self.faces) and all(job.done() for job in self.jobs)


@dataclass(frozen=True)
class _Portrait:
    """A face whose frames are made, and the seed of its age codes."""

    work: _Work
    face: PreparedFace
    seed: int


class Batch:
    """Makes the outputs of photos, in order.

    A photo's outputs are written to a folder beside the results. When all of them are there, the manifest gets a line
    and they get their places, so an interrupted batch leaves no result without a line.

    Args:
        maker: makes the outputs.
        folder: of the results.
        manifest: of that folder.
        silent: whether another process shows the progress.
    """

    def __init__(self, maker: Maker, folder: Path, manifest: Manifest, *, silent: bool) -> None:
        self._maker, self._folder, self._manifest, self._silent = maker, folder, manifest, silent
        self._blends = torch.cat([output.blends for output in maker.outputs])
        self._pending: deque[_Work] = deque()
        self.failed = 0

    def run(self, tasks: Sequence[Task], outcomes: Iterable[Outcome[list[PreparedFace]]]) -> None:
        """Makes the outputs of prepared photos; `failed` counts those that could not be used or written.

        Raises:
            FolderError: the folder cannot be written, or the disk is full.
        """
        writers = ThreadPoolExecutor(min(_MOST_WRITERS, usable_cores()))
        bar = progress(total=len(tasks), unit="photo", disable=self._silent)
        with staging(self._folder) as staged, bar, writers:

            def commit() -> None:
                while self._pending and self._pending[0].ended:
                    self._commit(self._pending.popleft(), staged)
                    bar.update()

            def portraits() -> Iterator[_Portrait]:
                for task, outcome in zip(tasks, outcomes, strict=True):
                    self._pending.append(work := _Work(task, outcome))
                    yield from (_Portrait(work, face, self._maker.seed()) for face in work.faces)
                    commit()

            try:
                for portrait, frames in self._with_frames(portraits()):
                    feed = _Feed(max(_LEAST_FRAMES_WAITING, _MOST_WAITING // portrait.face.pixels.nbytes))
                    portrait.work.jobs.append(writers.submit(_write, self._maker, portrait, feed, staged))
                    shown = {"total": len(self._blends), "unit": "frame", "leave": False, "disable": self._silent}
                    feed.send(progress(frames, **shown))
                    commit()
                writers.shutdown()
                commit()
            except (KeyboardInterrupt, SystemExit):
                writers.shutdown(cancel_futures=True)
                for work in self._pending:
                    failed = work.outcome.error or any(job.cancelled() or job.exception() for job in work.jobs)
                    if work.ended and not failed:
                        self._commit(work, staged)
                raise

    def _with_frames(self, portraits: Iterator[_Portrait]) -> Iterator[tuple[_Portrait, Iterator[np.ndarray]]]:
        """Each portrait with its frames (H, W, 3) uint8, all of which must be taken before the next portrait."""
        if self._maker.transformer is None:
            yield from ((portrait, iter(())) for portrait in portraits)
            return
        due: deque[_Portrait] = deque()

        def series() -> Iterator[Series]:
            for portrait in portraits:
                due.append(portrait)
                yield Series(portrait.face.pixels, self._blends, portrait.seed)

        frames = self._maker.transformer.stream(series())
        for first in frames:
            yield due.popleft(), chain([first], islice(frames, len(self._blends) - 1))

    def _commit(self, work: _Work, staged: Path) -> None:
        """Gives the outputs of a photo their places, and the manifest its line."""
        source, errors = work.task.source, [work.outcome.error] if work.outcome.error else []
        made: list[tuple[Path, Path]] = []
        settings: dict[Path, Mapping[str, str]] = {}
        seconds = work.outcome.seconds
        for face, job in zip(work.faces, work.jobs, strict=True):
            try:
                seconds += job.result()
                for output in self._maker.outputs:
                    paths = output.made_paths(self._folder, face.name)
                    self._manifest.check(paths, source, output.settings)
                    made += zip(output.made_paths(staged, face.name), paths, strict=True)
                    settings |= dict.fromkeys(paths, output.settings)
            except FolderError:
                raise
            except UserError as mistake:
                errors.append(str(mistake))
        error = errors[0].removeprefix(f"{source.path}: ") if errors else None
        self._manifest.add_photo(
            source,
            settings,
            looks={face.name: face.looks for face in work.faces},
            warnings=work.outcome.warnings,
            error=error,
            seconds=round(seconds, 2),
            made_by=work.task.made_by,
        )
        for new, target in made:
            replace(new, target)
        if error:
            self.failed += 1
            logger.error("skipped: %s: %s", source.path, error)


class _StoppedError(Exception):
    """The frames of a portrait end too early."""


class _Feed:
    """The frames of a portrait on their way to the thread that writes them, of which few may wait."""

    def __init__(self, most_waiting: int) -> None:
        self._free = BoundedSemaphore(most_waiting)
        self._queue: SimpleQueue[np.ndarray | _StoppedError | None] = SimpleQueue()

    def send(self, frames: Iterable[np.ndarray]) -> None:
        """Sends all frames, and waits as long as too many wait at the other end."""
        end: _StoppedError | None = _StoppedError()
        try:
            for frame in frames:
                self._free.acquire()
                self._queue.put(frame)
            end = None
        finally:
            self._queue.put(end)

    def frames(self) -> Iterator[np.ndarray]:
        """Yields the frames in the thread that writes them; raises `_StoppedError` if the sender has failed."""
        while (frame := self._queue.get()) is not None:
            if isinstance(frame, _StoppedError):
                raise frame
            self._free.release()
            yield frame


def _write(maker: Maker, portrait: _Portrait, feed: _Feed, folder: Path) -> float:
    """Writes the outputs of a portrait; returns the seconds that it took."""
    start, frames, face = time.perf_counter(), feed.frames(), portrait.face
    told = maker.about and {**maker.about, "seed": str(portrait.seed)}
    try:
        pixels = resize(face.pixels, maker.size)
        for output in maker.outputs:
            scaled = (resize(frame, maker.size) for frame in islice(frames, len(output.blends)))
            output.make(folder, face.name, portrait=pixels, frames=scaled, facts=told)
    finally:
        # The sender must not wait for a writer that has failed.
        for _ in frames:
            pass
    return time.perf_counter() - start
