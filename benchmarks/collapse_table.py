"""The rows of benchmarks/collapse.py: a variant of training, and what it shows after an iteration."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from models.precision import Precision


@dataclass(frozen=True)
class Variant:
    """What is trained; the names are those of the options, and 1 means true (see `train.py --help`)."""

    size: int
    ngf: int
    pairs: int
    lr: float
    loss: str
    precision: Precision
    norm: str
    init: str
    styles: str
    lambda_adv: float
    warmup: int
    id_stop_gradient: int
    steady_start: int
    seed: int


@dataclass(frozen=True)
class Row:
    """What a variant shows after an iteration (see the top of this file), and the seconds that it took so far."""

    iteration: int
    error: float
    spread: float
    variation: float
    age_accuracy: float
    identity: float
    seconds: float


COLUMNS = [field.name for part in (Variant, Row) for field in fields(part)]


def finished(path: Path | None) -> set[tuple[str, ...]]:
    """The variants and iterations that a file holds, as text."""
    if path is None or not path.is_file():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {tuple(row[: len(fields(Variant)) + 1]) for row in csv.reader(file)}


def append(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Appends rows to a file, which gets the names of the columns first if it is new."""
    new = not path.is_file()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows] if new else rows)
