"""Truncates a run's logs at the position where it is resumed, so that nothing is logged twice."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from util.files import atomic_path


def truncate_logs(folder: Path, *, epoch: int, pairs: int, total_pairs: int) -> None:
    """Removes log entries after a position, and replaces each file atomically. Call it before logs are opened.

    Args:
        folder: the run's folder.
        epoch, pairs: the position: its epoch, counted from 1, and the training pairs done in that epoch.
        total_pairs: the position as training pairs since the run began.
    """

    def keep_metrics(line: str) -> bool:
        try:
            return bool(json.loads(line)["total_pairs"] <= total_pairs)
        except json.JSONDecodeError:  # A crash cut the line short.
            return False

    def keep_loss(line: str) -> bool:
        head = re.match(r"\(epoch: (\d+), iters: (\d+),", line)
        return head is None or (int(head[1]), int(head[2])) <= (epoch, pairs)

    def keep_epoch(line: str) -> bool:
        count = next(csv.reader([line]))[1]
        return not count.isdigit() or int(count) <= total_pairs

    _keep_lines(folder / "metrics.jsonl", keep_metrics)
    _keep_lines(folder / "loss_log.txt", keep_loss)
    _keep_lines(folder / "summary.csv", keep_epoch)
    for pictures in (folder / "web" / "images").glob("[0-9]*_epoch*"):
        if int(pictures.name.partition("_")[0]) > total_pairs:
            shutil.rmtree(pictures)
    for sample in (folder / "samples").glob("epoch*.png"):
        # A name without a number of pairs means the end of the epoch, which is the beginning of the next one.
        name = re.fullmatch(r"epoch(\d+)(?:_(\d+))?", sample.stem)
        if name and ((int(name[1]), int(name[2])) if name[2] else (int(name[1]) + 1, 0)) > (epoch, pairs):
            sample.unlink()


def _keep_lines(path: Path, keep: Callable[[str], bool]) -> None:
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines if keep(line)), encoding="utf-8")
