"""Sorts FFHQ-Aging's raw pictures into training folders (docs/method.md, Data)."""

import sys
from pathlib import Path

# Python looks for modules in the folder of the file it runs; the project's modules are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from util.errors import UserError, run_command

# isort: split
import argparse
import logging
import math
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from data.age_classes import ANCHORS, age_range
from datasets import ffhq_aging
from datasets.ffhq_aging import DateError, Labels, RowError
from options.types import integer, path
from util.files import atomic_folder
from util.progress import run_all

logger = logging.getLogger(__name__)

GENDERS = ("male", "female")
_UNKNOWN = "?"


@dataclass(frozen=True)
class SelectedPicture:
    """A picture for training or test: its file, its gender, and its path below that gender's folder."""

    source: Path
    gender: str
    relative_path: Path


# How many pictures of a class and gender had an outcome: a phase, or a reason to leave them out.
Tally = Counter[tuple[str, str, str]]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Sort FFHQ-Aging's pictures by gender and age into males/ and females/.", allow_abbrev=False
    )
    parser.add_argument(
        "--folder", type=path, required=True, help=f"the raw data: {ffhq_aging.FOLDER}, or the folder that holds it"
    )
    parser.add_argument("--labels_file", type=path, required=True, metavar="CSV", help="FFHQ-Aging's labels")
    parser.add_argument(
        "--train_split", type=int, default=69000, help="number of the first test picture (default: 69000)"
    )
    parser.add_argument(
        "--classes", nargs="+", default=ANCHORS, metavar="CLASS", help=f"age groups to keep: {', '.join(ANCHORS)}"
    )
    parser.add_argument("--out", type=path, default=Path(), help="where males/ and females/ go (default: here)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing males/ and females/")
    parser.add_argument(
        "--link",
        action="store_true",
        help="make hard links instead of copies: they take no space, but work only within one disk",
    )
    parser.add_argument("--workers", type=integer(1, 1024), default=8, help="files copied at a time (default: 8)")
    return parser


def main() -> int:
    options = parser().parse_args()
    unknown = [name for name in options.classes if name not in ffhq_aging.CLUSTERS]
    if unknown:
        raise UserError(f"--classes {unknown[0]}: no such class; choose among {', '.join(ffhq_aging.CLUSTERS)}")
    raw = options.folder / ffhq_aging.FOLDER
    raw = raw if raw.is_dir() else options.folder
    if not raw.is_dir():
        raise UserError(f"--folder {options.folder}: no such folder; give the one that holds {ffhq_aging.FOLDER}")
    with ExitStack() as stack:
        folders = {
            gender: stack.enter_context(atomic_folder(options.out / f"{gender}s", overwrite=options.overwrite))
            for gender in GENDERS
        }
        tally = Tally()
        labels = read_labels(options.labels_file, tally)
        most = max([ffhq_aging.PICTURES, *(number + 1 for number in labels)])
        if not 0 <= options.train_split <= most:
            raise UserError(f"--train_split {options.train_split}: must be from 0 to {most}")
        selected = sort_pictures(raw, labels, options.train_split, options.classes, tally)
        if not selected:
            raise UserError(
                f"--folder {raw}: no picture of {options.labels_file} can be used. The reasons:\n{tally_table(tally)}"
            )
        with ThreadPoolExecutor(options.workers) as pool:
            run_all(pool, partial(copy_picture, folders=folders, link=options.link), selected, unit="picture")
    logger.info("%s", tally_table(tally))
    return 0


def read_labels(labels_file: Path, tally: Tally) -> dict[int, Labels]:
    """The labels of each picture, by its number; a row that cannot be used is reported and counted.

    If rows repeat a picture, the first one counts. If they contradict each other in gender or age group, it is
    unknown which one is right, so the picture is left out.
    """
    found: dict[int, Labels] = {}
    contradicted: set[int] = set()
    dates: list[str] = []
    for line, row in ffhq_aging.read_rows(labels_file):
        try:
            labels = ffhq_aging.parse_row(row)
        except RowError as error:
            tally[_UNKNOWN, _UNKNOWN, "faulty row"] += 1
            if isinstance(error, DateError):
                dates.append(f"{error} in line {line}")
            else:
                logger.warning("%s, line %d: %s; left out", labels_file, line, error)
            continue
        number = labels.image
        first = found.setdefault(number, labels)
        if (first.gender, first.cluster) != (labels.gender, labels.cluster):
            contradicted.add(number)
            logger.warning(
                "%s, line %d: picture %d has another gender or age group in an earlier line; left out",
                labels_file,
                line,
                number,
            )
        elif first is not labels:
            logger.warning("%s, line %d: repeats picture %d; its first line counts", labels_file, line, number)
    for number in contradicted:
        tally[_UNKNOWN, _UNKNOWN, "contradictory rows"] += 1
        del found[number]
    if dates:
        logger.warning(
            "%s: a spreadsheet has changed values into dates in %d lines, such as %s; they are left out. Get the "
            "published file again, and do not save it with a spreadsheet",
            labels_file,
            len(dates),
            dates[0],
        )
    return found


def sort_pictures(
    raw: Path, labels: Mapping[int, Labels], train_split: int, classes: Sequence[str], tally: Tally
) -> list[SelectedPicture]:
    """Chooses phase and class of every picture, or leaves it out; counts each choice."""
    selected = []
    for number, of_picture in labels.items():
        source = raw / ffhq_aging.image_path(number)
        outcome = reason_to_leave_out(of_picture, source, classes) or ("train" if number < train_split else "test")
        tally[of_picture.cluster, of_picture.gender, outcome] += 1
        if outcome in ("train", "test"):
            selected.append(
                SelectedPicture(source, of_picture.gender, Path(f"{outcome}{of_picture.cluster}") / source.name)
            )
    return selected


def reason_to_leave_out(labels: Labels, source: Path, classes: Sequence[str]) -> str | None:
    """Why a picture is left out; None if it is used."""
    if labels.cluster not in classes:
        return "other class"
    dropped = ffhq_aging.reason_to_drop(labels)
    if dropped:
        return dropped
    if not source.is_file():
        return "picture missing"
    return None if (source.parent / "parsings" / source.name).is_file() else "map missing"


def copy_picture(selected: SelectedPicture, folders: Mapping[str, Path], *, link: bool) -> None:
    """Copies or links a picture and its map below the folder of its gender."""
    target = folders[selected.gender] / selected.relative_path
    maps = target.parent / "parsings"
    maps.mkdir(parents=True, exist_ok=True)
    for source, copy in (
        (selected.source.parent / "parsings" / selected.source.name, maps / target.name),
        (selected.source, target),
    ):
        if not link:
            shutil.copyfile(source, copy)
            continue
        try:
            os.link(source, copy)
        except OSError as error:
            raise UserError(f"--link: {source} cannot be linked ({error.strerror}); leave --link out") from error


def tally_table(tally: Tally) -> str:
    """A row for each class and gender; columns for the phases, then the reasons."""
    phases = ["train", "test"]
    outcomes = phases + sorted({outcome for _, _, outcome in tally} - set(phases))
    rows = sorted({key[:2] for key in tally}, key=_order)
    body = [[*row, *(str(tally[*row, outcome]) for outcome in outcomes)] for row in rows]
    total = [str(sum(tally[*row, outcome] for row in rows)) for outcome in outcomes]
    lines = [["class", "gender", *outcomes], *body, ["all", "", *total]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _order(row: tuple[str, str]) -> tuple[float, str]:
    """The key that sorts by age, then gender; unknown ones come last."""
    cluster, gender = row
    return (math.inf if cluster == _UNKNOWN else age_range(cluster)[0]), gender


if __name__ == "__main__":
    run_command(main)
