"""Cuts the logs of a run at the position that it is resumed from, so that nothing is logged twice."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from util.files import atomic_path


def cut_logs(folder: Path, *, epoch: int, pairs: int, total_pairs: int) -> None:
    """Drops what was logged after a position; each file is replaced atomically. Call it before the logs are opened.

    Args:
        folder: of the experiment.
        epoch, pairs: the position: the epoch, counted from 1, and the training pairs done in it.
        total_pairs: training pairs done since the run began.
    """

    def metrics(line: str) -> bool:
        try:
            return bool(json.loads(line)["total_pairs"] <= total_pairs)
        except json.JSONDecodeError:  # A crash cut the line short.
            return False

    def loss_log(line: str) -> bool:
        head = re.match(r"\(epoch: (\d+), iters: (\d+),", line)
        return head is None or (int(head[1]), int(head[2])) <= (epoch, pairs)

    def summary(line: str) -> bool:
        count = next(csv.reader([line]))[1]
        return not count.isdigit() or int(count) <= total_pairs

    _keep_lines(folder / "metrics.jsonl", metrics)
    _keep_lines(folder / "loss_log.txt", loss_log)
    _keep_lines(folder / "summary.csv", summary)
    for pictures in (folder / "web" / "images").glob("[0-9]*_epoch*"):
        if int(pictures.name.partition("_")[0]) > total_pairs:
            shutil.rmtree(pictures)
    for sample in (folder / "samples").glob("epoch*.png"):
        # Without a number of pairs it shows the end of the epoch, where the next one begins.
        name = re.fullmatch(r"epoch(\d+)(?:_(\d+))?", sample.stem)
        if name and ((int(name[1]), int(name[2])) if name[2] else (int(name[1]) + 1, 0)) > (epoch, pairs):
            sample.unlink()


def _keep_lines(path: Path, keep: Callable[[str], bool]) -> None:
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines if keep(line)), encoding="utf-8")
