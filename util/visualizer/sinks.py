"""The visualizer, and the interface of the sinks that it passes everything to."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby

import numpy as np

from util.errors import UserError
from util.visualizer.history import History, Progress

logger = logging.getLogger(__name__)


class Sink:
    """Shows or stores losses."""

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Shows the losses of the last iteration."""

    def end_epoch(self, progress: Progress, scores: Mapping[str, float]) -> None:
        """Called when an epoch is complete, with the model's scores if they were computed."""


class PictureSink(Sink, ABC):
    """Shows or stores pictures as well.

    Attributes:
        picture_every: training pairs between two displays of pictures.
    """

    picture_every: int

    @abstractmethod
    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        """Shows pictures (H, W, 3) uint8 of the last iteration. The first word of each label is the side, A or B."""


class Visualizer:
    """Passes everything to every sink. A sink that fails is dropped with a warning, and training goes on."""

    def __init__(self, sinks: Sequence[Sink], history: History) -> None:
        self._sinks = list(sinks)
        self._history = history

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Shows the losses of the last iteration."""
        self._history.add(progress, losses)
        for sink in list(self._sinks):
            self._guard(sink, partial(sink.losses, progress, losses))

    def end_epoch(self, progress: Progress, scores: Mapping[str, float]) -> None:
        """Ends an epoch in every sink, with the model's scores by name, such as fid."""
        for sink in list(self._sinks):
            self._guard(sink, partial(sink.end_epoch, progress, scores))

    def wants_pictures(self, total_pairs: int, step: int) -> bool:
        """Whether a sink is due to show pictures, now that the count of pairs has grown by `step`."""
        return bool(self._due(total_pairs, step))

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray], step: int) -> None:
        """Shows pictures in the sinks that are due."""
        for sink in self._due(progress.total_pairs, step):
            self._guard(sink, partial(sink.pictures, progress, pictures))

    def _due(self, total_pairs: int, step: int) -> list[PictureSink]:
        sinks = [sink for sink in self._sinks if isinstance(sink, PictureSink)]
        return [sink for sink in sinks if due(total_pairs, sink.picture_every, step)]

    def _guard(self, sink: Sink, show: Callable[[], None]) -> None:
        try:
            show()
        except Exception as error:  # No fault of a sink may stop the training run.
            expected = isinstance(error, OSError | UserError)
            logger.warning("%s stops: %s", type(sink).__name__, error, exc_info=not expected)
            self._sinks.remove(sink)


def due(total: int, every: int, step: int) -> bool:
    """Whether a count that has grown by `step` has just passed a multiple of `every`."""
    return total % every < step


def by_side(labels: Iterable[str]) -> list[list[str]]:
    """The labels of pictures in rows, one row for each side of the pair."""
    return [list(row) for _, row in groupby(labels, key=lambda label: label.partition(" ")[0])]
