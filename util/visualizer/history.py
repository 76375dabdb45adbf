"""The progress of a run, and its losses so far."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

_MOST_POINTS = 1000


@dataclass(frozen=True)
class Progress:
    """The position of a run, its speed and its memory.

    Attributes:
        epoch: counted from 1.
        pairs, total_pairs: training pairs done in this epoch, and since the run began.
        seconds: time for one pair, averaged since the previous line of the log; 0 before the first line.
        peak_memory: peak memory in GiB since the process began; None if unknown.
    """

    epoch: int
    pairs: int
    total_pairs: int
    seconds: float
    peak_memory: float | None = None

    @property
    def telemetry(self) -> dict[str, float]:
        """Speed and memory, if known, by their names in the logs."""
        values = {
            "pairs_per_second": 1 / self.seconds if self.seconds else None,
            "peak_memory_GiB": self.peak_memory,
        }
        return {name: value for name, value in values.items() if value is not None}

    def record(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The losses of an iteration with its position and telemetry: a line of `metrics.jsonl`."""
        position = {name: getattr(self, name) for name in ("epoch", "pairs", "total_pairs", "seconds")}
        return {**position, **self.telemetry, **losses}


class History:
    """The losses of a run so far, including those logged before it was resumed.

    Args:
        path: the run's `metrics.jsonl`, which is read if it exists.
    """

    def __init__(self, path: Path) -> None:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self._points = [json.loads(line) for line in lines]

    @property
    def total_pairs(self) -> int:
        """Training pairs done when the last losses were added."""
        return int(self._points[-1]["total_pairs"]) if self._points else 0

    def add(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Appends the losses of an iteration."""
        self._points.append(progress.record(losses))

    def series(self) -> dict[str, list[tuple[float, float]]]:
        """Each loss by its name as (training pairs, value), reduced to about a thousand points.

        All series have the same points; a loss that was not measured at a point is NaN.
        """
        points = self._points[:: max(1, len(self._points) // _MOST_POINTS)]
        names = [name for name in (self._points[-1] if points else {}) if name.startswith("loss_")]
        return {name: [(point["total_pairs"], point.get(name, math.nan)) for point in points] for name in names}

    def epoch_means(self, epoch: int) -> dict[str, float]:
        """The means of each loss and of the pairs per second over an epoch."""
        points = [point for point in self._points if point["epoch"] == epoch]
        speeds = [1 / max(point["seconds"], 1e-9) for point in points]
        names = dict.fromkeys(name for point in points for name in point if name.startswith("loss_"))
        means = {name: mean(point[name] for point in points if name in point) for name in names}
        return {**means, "pairs_per_second": mean(speeds)} if speeds else {}
