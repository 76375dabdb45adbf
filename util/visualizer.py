"""Where the figures and pictures of a training run go: sinks behind one small interface."""

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where a run stands: the epoch from 1, training pairs done in it and in all, and seconds for one pair."""

    epoch: int
    pairs: int
    total_pairs: int
    seconds: float


class Sink(ABC):
    """One destination."""

    @abstractmethod
    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Takes the losses of the last iteration."""


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
        self._path = folder / "metrics.jsonl"

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**asdict(progress), **losses}) + "\n")


class Visualizer:
    """Hands everything to every sink; one that fails is dropped with a warning and never stops training."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Shows the losses of the last iteration."""
        for sink in list(self._sinks):
            try:
                sink.losses(progress, losses)
            except OSError as error:
                logger.warning("%s stops: %s", type(sink).__name__, error)
                self._sinks.remove(sink)
