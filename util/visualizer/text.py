"""Writes losses as text: lines for people, lines for programs, and a table with a row for each epoch."""

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from util.files import atomic_path
from util.visualizer.history import History, Progress
from util.visualizer.sinks import Sink


class LossLog(Sink):
    """Writes each line to the console and to `loss_log.txt`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "loss_log.txt"

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        head = f"(epoch: {progress.epoch}, iters: {progress.pairs}, time: {progress.seconds:.3f}) "
        self._write(head, {**losses, **progress.telemetry})

    def end_epoch(self, progress: Progress, scores: Mapping[str, float]) -> None:
        if scores:
            self._write(f"(epoch: {progress.epoch}, iters: {progress.pairs}, end) ", scores)

    def _write(self, head: str, values: Mapping[str, float]) -> None:
        line = head + " ".join(f"{name}: {value:.3f}" for name, value in values.items())
        tqdm.write(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class MetricsLog(Sink):
    """`metrics.jsonl`: one JSON object a line, for programs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.jsonl"
        if self.path.is_file():
            # A full disk may have cut the last line short. Its remains are removed before the next line is appended.
            content = self.path.read_bytes()
            # A whole file is not touched, because a dry run may look at the folder of a run that appends to it.
            if not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(progress.record(losses)) + "\n")


class Summary(Sink):
    """`summary.csv`: a row for each epoch with total training pairs, mean losses, pairs per second, and scores."""

    def __init__(self, folder: Path, history: History) -> None:
        self._path = folder / "summary.csv"
        self._history = history

    def end_epoch(self, progress: Progress, scores: Mapping[str, float]) -> None:
        values = {**self._history.epoch_means(progress.epoch), **scores}
        row = {"epoch": str(progress.epoch), "total_pairs": str(progress.total_pairs)}
        row |= {name: f"{value:.6g}" for name, value in values.items()}
        rows = [*(old for old in self._rows() if old["epoch"] != row["epoch"]), row]
        # A resumed run may have losses that earlier epochs lack, so all rows are rewritten under the new columns.
        columns = dict.fromkeys(name for line in rows for name in line)
        with atomic_path(self._path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def _rows(self) -> list[dict[str, str]]:
        if not self._path.is_file():
            return []
        with self._path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
