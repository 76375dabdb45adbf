"""Draws synthetic people (datasets/renderer) into a data set: training folders, or the raw layout of FFHQ-Aging."""

import sys
from pathlib import Path

# Python looks for modules in the folder of the file it runs; the project's modules are one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from util.errors import UserError, run_command

# isort: split
import argparse
import csv
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from datasets import ffhq_aging
from datasets.population import class_jobs, raw_jobs, raw_labels, write_portrait
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from options.types import integer, path, positive_int
from util.files import atomic_folder
from util.images import write_image
from util.progress import leave_signals_to_parent, run_all

logger = logging.getLogger(__name__)

SHEET_AGES = (1, 4, 8, 13, 18, 33, 50, 70)
SHEET_PEOPLE = 10
_SMALLEST, _LARGEST = 8, 4096  # pixels


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Draw synthetic people, each at many ages, with their parsing maps.", allow_abbrev=False
    )
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="new folder to write to")
    parser.add_argument("--overwrite", action="store_true", help="replace the data set that --out holds")
    parser.add_argument("--identities", type=positive_int, default=100, metavar="N", help="people (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="number of the population, from 0 (default: 0)")
    parser.add_argument("--size", type=positive_int, default=256, help="width and height in pixels (default: 256)")
    parser.add_argument(
        "--layout",
        choices=("classes", "raw"),
        default="classes",
        help="classes: training folders males/train0-2/... (default); raw: FFHQ-Aging's folders and CSV, which "
        "datasets/create_dataset.py turns into training folders",
    )
    parser.add_argument("--together", action="store_true", help="put both genders into one data set (layout classes)")
    parser.add_argument(
        "--pictures_per_class",
        type=positive_int,
        default=1,
        metavar="K",
        help="pictures of each person in each class (default: 1)",
    )
    parser.add_argument(
        "--paired",
        action="store_true",
        help="a person's training pictures differ by age alone, as the test pictures do (layout classes)",
    )
    parser.add_argument(
        "--test_fraction",
        type=_share,
        default=0.1,
        metavar="F",
        help="share of the people kept for test (default: 0.1)",
    )
    parser.add_argument(
        "--workers", type=integer(1, 1024), default=os.cpu_count() or 1, help="processes (default: one for each core)"
    )
    parser.add_argument(
        "--contact_sheet",
        action="store_true",
        help=f"also write contact_sheet.jpg, {SHEET_PEOPLE} people at all ages",
    )
    return parser


def main() -> int:
    options = parser().parse_args()
    if options.seed < 0:
        raise UserError(f"--seed {options.seed}: give 0 or more")
    if not _SMALLEST <= options.size <= _LARGEST:
        raise UserError(f"--size {options.size}: must be from {_SMALLEST} to {_LARGEST}")
    for name in ("together", "paired", "test_fraction"):
        if options.layout == "raw" and getattr(options, name) != parser().get_default(name):
            raise UserError(f"--{name}: has no effect on --layout raw, which has no training folders; leave it out")
    with atomic_folder(options.out, overwrite=options.overwrite) as folder:
        draw_population(options, folder)
    logger.info("done: %s", options.out)
    return 0


def draw_population(options: argparse.Namespace, folder: Path) -> None:
    """Draws all portraits, and writes the label file or the contact sheet if the options ask for them."""
    people = {"identities": options.identities, "seed": options.seed, "pictures": options.pictures_per_class}
    if options.layout == "raw":
        jobs = raw_jobs(folder / ffhq_aging.FOLDER, **people)
        _write_csv(folder / ffhq_aging.LABELS_FILE, raw_labels(jobs, options.seed))
    else:
        jobs = class_jobs(
            folder,
            **people,
            test_fraction=options.test_fraction,
            together=options.together,
            paired=options.paired,
        )
    logger.info("drawing %d portraits of %d people for %s", len(jobs), options.identities, options.out)
    with ProcessPoolExecutor(options.workers, initializer=leave_signals_to_parent) as pool:
        run_all(pool, partial(write_portrait, seed=options.seed, size=options.size), jobs, unit="portrait")
    if options.contact_sheet:
        write_image(folder / "contact_sheet.jpg", contact_sheet(options.seed, options.size))


def contact_sheet(seed: int, size: int) -> np.ndarray:
    """The first people of a population in rows, the ages of `SHEET_AGES` in columns: (rows, columns, 3) uint8."""
    people = [sample_identity(seed, index) for index in range(SHEET_PEOPLE)]
    return np.vstack([np.hstack([draw(person, age, size)[0] for age in SHEET_AGES]) for person in people])


def _write_csv(path: Path, rows: Iterable[list[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ffhq_aging.COLUMNS)
        writer.writerows(rows)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share from 0 to 1")
    return share


if __name__ == "__main__":
    run_command(main)
