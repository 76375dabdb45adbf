"""Where a run stands, and its losses so far."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

_MOST_POINTS = 1000


@dataclass(frozen=True)
class Progress:
    """Where a run stands, and how fast it is.

    Attributes:
        epoch: counted from 1.
        pairs, total_pairs: training pairs done in this epoch, and since the run began.
        seconds: for one pair, since the last line of the log; 0 if there was none.
        peak_memory: most GiB that were in use since the run began; None if unknown.
    """

    epoch: int
    pairs: int
    total_pairs: int
    seconds: float
    peak_memory: float | None = None

    @property
    def telemetry(self) -> dict[str, float]:
        """Speed and memory by their names in the logs, as far as they are known."""
        values = {
            "pairs_per_second": 1 / self.seconds if self.seconds else None,
            "peak_memory_GiB": self.peak_memory,
        }
        return {name: value for name, value in values.items() if value is not None}

    def record(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The losses of an iteration and where they were measured: a line of `metrics.jsonl`."""
        where = {name: getattr(self, name) for name in ("epoch", "pairs", "total_pairs", "seconds")}
        return {**where, **self.telemetry, **losses}


class History:
    """The losses of a run so far, with those of the processes that it was resumed from.

    Args:
        path: the run's `metrics.jsonl`, which is read if it exists.
    """

    def __init__(self, path: Path) -> None:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self._points = [json.loads(line) for line in lines]

    @property
    def total_pairs(self) -> int:
        """Training pairs done up to the last losses."""
        return int(self._points[-1]["total_pairs"]) if self._points else 0

    def add(self, progress: Progress, losses: Mapping[str, float]) -> None:
        """Appends the losses of an iteration."""
        self._points.append(progress.record(losses))

    def series(self) -> dict[str, list[tuple[float, float]]]:
        """Each loss by its name as (training pairs, value), thinned to a thousand points.

        All series have the same points; a loss that was not measured at one of them is NaN there.
        """
        points = self._points[:: max(1, len(self._points) // _MOST_POINTS)]
        names = [name for name in (self._points[-1] if points else {}) if name.startswith("loss_")]
        return {name: [(point["total_pairs"], point.get(name, math.nan)) for point in points] for name in names}

    def epoch_means(self, epoch: int) -> dict[str, float]:
        """The mean of each loss over an epoch, and of the pairs per second."""
        points = [point for point in self._points if point["epoch"] == epoch]
        speeds = [1 / max(point["seconds"], 1e-9) for point in points]
        names = dict.fromkeys(name for point in points for name in point if name.startswith("loss_"))
        means = {name: mean(point[name] for point in points if name in point) for name in names}
        return {**means, "pairs_per_second": mean(speeds)} if speeds else {}
