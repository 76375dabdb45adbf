"""Makes the outputs of many photos: while the model makes frames, other threads write those of the photos before."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore

import numpy as np
import torch

from models.transformer import AgeTransformer, Series
from outputs.plan import Output
from outputs.preparation import Prepared, Task
from outputs.views import View
from util.errors import UserError
from util.files import FolderError, replace, staging
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
        view: what the outputs of people show.
        about: what the files say about themselves; None means nothing.
    """

    outputs: Sequence[Output]
    transformer: AgeTransformer | None
    seed: Callable[[], int]
    view: Callable[[Prepared], View]
    about: Facts | None


@dataclass
class _Work:
    """A photo whose outputs are being made, with a job for each part of them so far."""

    task: Task
    outcome: Outcome[list[Prepared]]
    jobs: list[Future[float]] = field(default_factory=list)

    @property
    def people(self) -> list[Prepared]:
        return self.outcome.result or []

    @property
    def ended(self) -> bool:
        return len(self.jobs) == len(self.people) and all(job.done() for job in self.jobs)


@dataclass(frozen=True)
class _Part:
    """Those of a photo's outputs that show the same people, and the seed of the age codes."""

    work: _Work
    people: Prepared
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

    def run(self, tasks: Sequence[Task], outcomes: Iterable[Outcome[list[Prepared]]]) -> None:
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

            def parts() -> Iterator[_Part]:
                for task, outcome in zip(tasks, outcomes, strict=True):
                    self._pending.append(work := _Work(task, outcome))
                    yield from (_Part(work, people, self._maker.seed()) for people in work.people)
                    commit()

            try:
                for part, frames in self._with_frames(parts()):
                    pixels = part.people.pixels
                    total = len(pixels) * len(self._blends)
                    shown = {"total": total, "unit": "frame", "leave": False, "disable": self._silent}
                    with _Feed(max(_LEAST_FRAMES_WAITING, _MOST_WAITING // pixels[0].nbytes)) as feed:
                        part.work.jobs.append(writers.submit(_write, self._maker, part, feed, staged))
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

    def _with_frames(self, parts: Iterator[_Part]) -> Iterator[tuple[_Part, Iterator[np.ndarray]]]:
        """Each part with its frames (H, W, 3) uint8, one person's after the other's.

        All of them must be taken before the next part.
        """
        if self._maker.transformer is None:
            yield from ((part, iter(())) for part in parts)
            return
        due: deque[_Part] = deque()

        def series() -> Iterator[Series]:
            for part in parts:
                due.append(part)
                yield from (Series(pixels, self._blends, part.seed) for pixels in part.people.pixels)

        frames = self._maker.transformer.stream(series())
        for first in frames:
            part = due.popleft()
            yield part, chain([first], islice(frames, len(part.people.pixels) * len(self._blends) - 1))

    def _commit(self, work: _Work, staged: Path) -> None:
        """Gives the outputs of a photo their places, and the manifest its line."""
        source, errors = work.task.source, [work.outcome.error] if work.outcome.error else []
        made: list[tuple[Path, Path]] = []
        settings: dict[Path, Mapping[str, str]] = {}
        seconds = work.outcome.seconds
        for people, job in zip(work.people, work.jobs, strict=True):
            try:
                seconds += job.result()
                for output in self._maker.outputs:
                    paths = output.made_paths(self._folder, people.name)
                    self._manifest.check(paths, source, output.settings)
                    made += zip(output.made_paths(staged, people.name), paths, strict=True)
                    settings |= dict.fromkeys(paths, output.settings)
            except FolderError:
                raise
            except UserError as mistake:
                errors.append(str(mistake))
        error = errors[0].removeprefix(f"{source.path}: ") if errors else None
        self._manifest.add_photo(
            source,
            settings,
            looks={name: age for people in work.people for name, age in people.looks.items()},
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
    """The frames of a portrait on their way to the thread that writes them, of which few may wait.

    It is a context manager, whose end is the end of the frames, so that the thread never waits for a sender that has
    failed or was interrupted.
    """

    def __init__(self, most_waiting: int) -> None:
        self._free = BoundedSemaphore(most_waiting)
        self._queue: SimpleQueue[np.ndarray | _StoppedError | None] = SimpleQueue()

    def __enter__(self) -> "_Feed":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._queue.put(_StoppedError() if kind else None)

    def send(self, frames: Iterable[np.ndarray]) -> None:
        """Sends all frames, and waits as long as too many wait at the other end."""
        for frame in frames:
            self._free.acquire()
            self._queue.put(frame)

    def frames(self) -> Iterator[np.ndarray]:
        """Yields the frames in the thread that writes them; raises `_StoppedError` if the sender has failed."""
        while (frame := self._queue.get()) is not None:
            if isinstance(frame, _StoppedError):
                raise frame
            self._free.release()
            yield frame


def _write(maker: Maker, part: _Part, feed: _Feed, folder: Path) -> float:
    """Writes a part of the outputs; returns the seconds that it took."""
    start, frames, people = time.perf_counter(), feed.frames(), part.people
    told = maker.about and {**maker.about, "seed": str(part.seed)}
    try:
        view, count = maker.view(people), sum(len(output.blends) for output in maker.outputs)
        # Everybody's first frame is shown with everybody's, so all but the last person's frames are kept.
        others = [list(islice(frames, count)) for _ in people.pixels[1:]]
        ages = zip(*others, frames, strict=True)
        for output in maker.outputs:
            pictures = map(partial(view.shown, output), islice(ages, len(output.blends)))
            output.make(folder, people.name, portrait=view.input(output), frames=pictures, facts=told)
    finally:
        # The sender must not wait for a writer that has failed.
        for _ in frames:
            pass
    return time.perf_counter() - start
