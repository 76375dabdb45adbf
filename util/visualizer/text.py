"""Losses as text: a line for people, and a line for programs."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from util.visualizer.history import Progress
from util.visualizer.sinks import Sink


class LossLog(Sink):
    """A line on the console, which `loss_log.txt` repeats."""

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
            # A full disk may have cut the last line short. The next line must not be appended to its remains.
            content = self.path.read_bytes()
            os.truncate(self.path, content.rfind(b"\n") + 1)

    def losses(self, progress: Progress, losses: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(progress.record(losses)) + "\n")
