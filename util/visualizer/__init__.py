"""Where the figures and pictures of a training run go: sinks behind one small interface."""

import json
import logging
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import visdom
from dominate import tags
from tqdm import tqdm

from util.charts import line_chart
from util.errors import UserError
from util.html import Picture, picture_table, write_page
from util.images import write_image

logger = logging.getLogger(__name__)

_MOST_POINTS = 1000
_REFRESH = 60  # seconds


@dataclass(frozen=True)
class Progress:
    """Where a run stands: the epoch from 1, training pairs done in it and in all, and seconds for one pair."""

    epoch: int
    pairs: int
    total_pairs: int
    seconds: float


class History:
    """The losses of a run so far, also of those parts of it that other processes trained.

    Args:
        path: of the run's `metrics.jsonl`, read if it is there.
    """

    def __init__(self, path: Path) -> None:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self._points = [json.loads(line) for line in lines]

    def add(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Appends the losses of an iteration."""
        self._points.append({**asdict(progress), **losses})

    def series(self) -> dict[str, list[tuple[float, float]]]:
        """Each loss by its name as (training pairs, value), thinned to a thousand points."""
        points = self._points[:: max(1, len(self._points) // _MOST_POINTS)]
        names = [name for name in (self._points[-1] if points else {}) if name.startswith("loss_")]
        return {name: [(p["total_pairs"], p[name]) for p in points if name in p] for name in names}


class Sink(ABC):
    """One destination."""

    @abstractmethod
    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Takes the losses of the last iteration."""


class PictureSink(Sink):
    """A destination of pictures, too.

    Attributes:
        picture_every: training pairs from one showing of pictures to the next.
    """

    picture_every: int

    @abstractmethod
    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        """Takes labelled pictures (H, W, 3) uint8 of the last iteration."""


class LossLog(Sink):
    """The console line of the method, and the same in `loss_log.txt`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "loss_log.txt"

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        head = f"(epoch: {progress.epoch}, iters: {progress.pairs}, time: {progress.seconds:.3f}) "
        line = head + " ".join(f"{name}: {value:.3f}" for name, value in losses.items())
        tqdm.write(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class MetricsLog(Sink):
    """`metrics.jsonl`: one JSON object a line, for programs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        if self.path.is_file():
            # A full disk may have cut the last line off; the next is not to hang on to it.
            content = self.path.read_bytes()
            os.truncate(self.path, content.rfind(b"\n") + 1)

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**asdict(progress), **losses}) + "\n")


class HtmlLog(PictureSink):
    """`web/index.html` with `web/images/`: the loss curves, then the pictures, newest first.

    Args:
        folder: of the experiment.
        title: of the page.
        history: what the curves show.
        picture_every: training pairs.
    """

    def __init__(self, folder: Path, title: str, history: History, picture_every: int) -> None:
        self._page = folder / "web" / "index.html"
        self._title = title
        self._history = history
        self.picture_every = picture_every

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Curves are drawn when pictures come, so that the page is not written at every line of the log."""

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        images = self._page.parent / "images"
        newest = images / f"{progress.total_pairs:09d}_epoch{progress.epoch}"
        for number, (label, pixels) in enumerate(pictures.items()):
            write_image(newest / f"{number}_{_file_name(label)}.png", pixels)
        facts = {"epoch": f"{progress.epoch}", "training pairs": f"{progress.total_pairs:,}"}
        body = [line_chart("Losses over training pairs", self._history.series(), "training pairs", "loss")]
        for folder in sorted(images.glob("[0-9]*_epoch*"), reverse=True):
            pairs, _, epoch = folder.name.partition("_epoch")
            row = [Picture(f"images/{folder.name}/{path.name}", _caption(path)) for path in sorted(folder.iterdir())]
            body += [tags.h2(f"Epoch {epoch}, {int(pairs):,} pairs"), picture_table([], [row])]
        write_page(self._page, self._title, facts, body, refresh=_REFRESH)


class VisdomPlots(PictureSink):
    """Curves and pictures in a visdom server, all windows of an experiment in the environment of its name.

    A server that is not there, or is lost, costs one warning; it is asked again later, and then shown everything.

    Args:
        port: of the server on this machine.
        name: of the experiment.
        window: number that this run's windows begin with.
        columns: pictures in a row; 0 for a window for each.
        width: of a picture's window, pixels.
        history: what the curves show.
        picture_every: training pairs.
        retry_after: seconds from one vain try to the next.
    """

    def __init__(
        self,
        port: int,
        name: str,
        window: int,
        columns: int,
        width: int,
        history: History,
        picture_every: int,
        retry_after: float = 10.0,
    ) -> None:
        self._port, self._env, self._window = port, name, window
        self._columns, self._width = columns, width
        self._history = history
        self.picture_every = picture_every
        self._retry_after = retry_after
        self._server: visdom.Visdom | None = None
        self._next_try = 0.0
        self._warned = False
        # The client reports through its own logger what is reported here.
        logging.getLogger("visdom").setLevel(logging.CRITICAL)

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        series = self._history.series()
        names = list(series)
        x, y = ([[point[axis] for point in series[name]] for name in names] for axis in (0, 1))
        options = {"title": f"{self._env}: losses", "legend": names, "xlabel": "training pairs", "ylabel": "loss"}

        def plot(server: visdom.Visdom) -> None:
            server.line(np.array(y).T.squeeze(), np.array(x).T.squeeze(), win=f"{self._window}_losses", opts=options)

        self._show(plot)

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        def plot(server: visdom.Visdom) -> None:
            if self._columns:
                stack = np.stack([pixels.transpose(2, 0, 1) for pixels in pictures.values()])
                caption = f"epoch {progress.epoch}; " + ", ".join(pictures)
                options = {"title": f"{self._env}: pictures", "caption": caption}
                server.images(stack, nrow=self._columns, win=f"{self._window}_pictures", opts=options)
                return
            for number, (label, pixels) in enumerate(pictures.items()):
                window = {"title": label, "width": self._width, "height": self._width}
                server.image(pixels.transpose(2, 0, 1), win=f"{self._window}_picture{number}", opts=window)

        self._show(plot)

    def _show(self, plot: Callable[[visdom.Visdom], None]) -> None:
        if self._server is None and time.monotonic() < self._next_try:
            return
        try:
            if self._server is None:
                self._server = visdom.Visdom(
                    port=self._port, env=self._env, raise_exceptions=True, use_incoming_socket=False
                )
            plot(self._server)
            if self._warned:
                logger.info("visdom is back: plotting goes on")
                self._warned = False
        except OSError:
            self._server = None
            self._next_try = time.monotonic() + self._retry_after
            if not self._warned:
                logger.warning(
                    "No visdom server on port %d: training goes on without plots. To see them, start one: "
                    "python -m visdom.server -port %d; --display_id 0 does without",
                    self._port,
                    self._port,
                )
                self._warned = True


class Visualizer:
    """Hands everything to every sink; one that fails is dropped with a warning and never stops training."""

    def __init__(self, sinks: Sequence[Sink], history: History) -> None:
        self._sinks = list(sinks)
        self._history = history

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Shows the losses of the last iteration."""
        self._history.add(progress, losses)
        for sink in list(self._sinks):
            self._guard(sink, partial(sink.losses, progress, losses))

    def wants_pictures(self, total_pairs: int, step: int) -> bool:
        """Whether pictures are due somewhere, when the count of pairs has just grown by `step`."""
        return bool(self._due(total_pairs, step))

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray], step: int) -> None:
        """Shows pictures where they are due."""
        for sink in self._due(progress.total_pairs, step):
            self._guard(sink, partial(sink.pictures, progress, pictures))

    def _due(self, total_pairs: int, step: int) -> list[PictureSink]:
        sinks = [sink for sink in self._sinks if isinstance(sink, PictureSink)]
        return [sink for sink in sinks if due(total_pairs, sink.picture_every, step)]

    def _guard(self, sink: Sink, show: Callable[[], None]) -> None:
        try:
            show()
        except Exception as error:  # whatever it is, training is worth more
            foreseen = isinstance(error, OSError | UserError)
            logger.warning("%s stops: %s", type(sink).__name__, error, exc_info=not foreseen)
            self._sinks.remove(sink)


def due(total: int, every: int, step: int) -> bool:
    """Whether a count that grows by `step` has just passed a multiple of `every`."""
    return total % every < step


def _file_name(label: str) -> str:
    return re.sub(r"[^\w-]+", "_", label)


def _caption(path: Path) -> str:
    return path.stem.partition("_")[2].replace("_", " ")
