"""Where a run stands, and its losses so far."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_MOST_POINTS = 1000


@dataclass(frozen=True)
class Progress:
    """Where a run stands: the epoch from 1, training pairs done in it and in all, and seconds for one pair."""

    epoch: int
    pairs: int
    total_pairs: int
    seconds: float

    def record(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The losses of an iteration and where they were measured: a line of `metrics.jsonl`."""
        return {**asdict(self), **losses}


class History:
    """The losses of a run so far, with those of the processes that it was resumed from.

    Args:
        path: the run's `metrics.jsonl`, which is read if it exists.
    """

    def __init__(self, path: Path) -> None:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        self._points = [json.loads(line) for line in lines]

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
