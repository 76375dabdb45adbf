"""Writes data sets of synthetic people (datasets/people): training folders, or the raw layout of FFHQ-Aging."""

import argparse
import csv
import io
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# Run as a file, Python looks for modules beside it; the project's lie one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
from tqdm import tqdm

from data.age_classes import ANCHORS, CLUSTERS, age_range, centre
from datasets import ffhq_aging
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from util.errors import UserError, run_command
from util.files import atomic_path
from util.images import write_image

logger = logging.getLogger(__name__)

OLDEST_DRAWN = 75
SHEET_AGES = (1, 4, 8, 13, 18, 33, 50, 70)
SHEET_PEOPLE = 10


@dataclass(frozen=True)
class Job:
    """One portrait to draw: who, at what age (years), which of that person's pictures, and where it goes."""

    identity: int
    age: float
    picture: int
    path: Path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Draw synthetic people, each at many ages, with their parsing maps.", allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--identities", type=_from_one, default=100, metavar="N", help="people (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="which population (default: 0)")
    parser.add_argument("--size", type=_from_one, default=256, help="pixels (default: 256)")
    parser.add_argument(
        "--layout",
        choices=("classes", "raw"),
        default="classes",
        help="classes: training folders males/train0-2/... (default); raw: FFHQ-Aging's folders and CSV, which "
        "datasets/create_dataset.py turns into training folders",
    )
    parser.add_argument("--together", action="store_true", help="both genders in one data set (layout classes)")
    parser.add_argument(
        "--pictures_per_class", type=_from_one, default=1, metavar="K", help="of each person and class (default: 1)"
    )
    parser.add_argument(
        "--paired",
        action="store_true",
        help="a person's training pictures differ by age alone, as those for test do (layout classes)",
    )
    parser.add_argument(
        "--test_fraction",
        type=_share,
        default=0.1,
        metavar="F",
        help="share of the people kept for test (default: 0.1)",
    )
    parser.add_argument(
        "--workers", type=_from_one, default=os.cpu_count() or 1, help="processes (default: one for each core)"
    )
    parser.add_argument(
        "--contact_sheet",
        action="store_true",
        help=f"also write contact_sheet.jpg: {SHEET_PEOPLE} people at all ages",
    )
    return parser


def main() -> int:
    options = parser().parse_args()
    if options.seed < 0:
        raise UserError(f"--seed {options.seed}: must be 0 or more")
    if options.layout == "raw":
        jobs = raw_jobs(options.identities, options.seed, options.pictures_per_class, options.out / ffhq_aging.FOLDER)
        labels = raw_labels(jobs, options.seed)
        _write_csv(options.out / ffhq_aging.LABELS_FILE, ffhq_aging.COLUMNS, labels)
    else:
        jobs = class_jobs(
            options.identities,
            options.seed,
            options.pictures_per_class,
            options.test_fraction,
            options.out,
            options.together,
            options.paired,
        )
    logger.info("drawing %d portraits of %d people in %s", len(jobs), options.identities, options.out)
    with ProcessPoolExecutor(options.workers) as pool:
        work = pool.map(partial(write_portrait, seed=options.seed, size=options.size), jobs, chunksize=8)
        for _ in tqdm(work, total=len(jobs), unit="portrait"):
            pass
    if options.contact_sheet:
        write_image(options.out / "contact_sheet.jpg", contact_sheet(options.seed, options.size))
    return 0


def write_portrait(job: Job, seed: int, size: int) -> None:
    """Draws a portrait and writes it with its parsing map, `parsings/<stem>.png` beside it."""
    # The processes share the cores already.
    cv2.setNumThreads(1)
    pixels, labels = draw(sample_identity(seed, job.identity), job.age, size, job.picture)
    write_image(job.path, pixels)
    write_image(job.path.parent / "parsings" / job.path.name, labels)


def class_jobs(
    identities: int, seed: int, pictures: int, test_fraction: float, out: Path, together: bool, paired: bool = False
) -> list[Job]:
    """Portraits for the training layout: `pictures` of each person in each anchor class.

    The last people of the population are for test and are in no training picture. Training pictures differ in pose,
    light, clothes and age within the class; a test person's pictures of the same number differ by age alone, which is
    the class's centre, so that they are each other's truth. With `paired` so do those for training. File names say
    who: `<identity>_<number>.png`.
    """
    first_test = identities - round(identities * test_fraction)
    jobs = []
    for identity in range(identities):
        rng = np.random.default_rng((seed, identity, 0xA6E5))
        gender = sample_identity(seed, identity).gender
        root = out if together else out / f"{gender}s"
        for index, name in enumerate(ANCHORS):
            low, high = age_range(name)
            for number in range(pictures):
                age = rng.uniform(low, high + 1)
                path = Path(name) / f"{identity:05d}_{number}.png"
                if identity < first_test and not paired:
                    picture = index * pictures + number
                    jobs.append(Job(identity, age, picture, root / f"train{path}"))
                else:
                    phase = "train" if identity < first_test else "test"
                    jobs.append(Job(identity, centre(name), number, root / f"{phase}{path}"))
    return jobs


def raw_jobs(identities: int, seed: int, pictures: int, out: Path) -> list[Job]:
    """Portraits for FFHQ-Aging's layout, `00000/00012.png`: each person in each of the ten age clusters.

    Numbers run person by person, so that a split by number parts the people, too.
    """
    jobs: list[Job] = []
    for identity in range(identities):
        rng = np.random.default_rng((seed, identity, 0xFF))
        for index, name in enumerate(CLUSTERS):
            low, high = age_range(name)
            for number in range(pictures):
                image = len(jobs)
                age = rng.uniform(low, min(high + 1, OLDEST_DRAWN))
                path = out / ffhq_aging.image_path(image)
                jobs.append(Job(identity, age, index * pictures + number, path))
    return jobs


def raw_labels(jobs: list[Job], seed: int) -> Iterator[list[object]]:
    """FFHQ-Aging's row for each portrait. About a quarter have values that create_dataset drops pictures for."""
    for image, job in enumerate(jobs):
        rng = np.random.default_rng((seed, image, 0xC5))
        cluster = next(name for name in CLUSTERS if age_range(name)[0] <= job.age < age_range(name)[1] + 1)
        sure, certain = rng.uniform(0.55, 1), rng.uniform(0.64, 1)
        row: list[object] = [
            image,
            cluster,
            f"{sure:.4f}",
            sample_identity(seed, job.identity).gender,
            f"{certain:.4f}",
        ]
        if rng.random() < 0.05:
            # What the real file holds where no face attributes were found.
            yield [*row, *[-1] * 5, -1]
            continue
        pitch, roll, yaw = rng.normal(0, (13, 4, 17))
        left, right = rng.uniform(0, 30, 2) + np.where(rng.random(2) < 0.05, 65, 0)
        glasses = str(rng.choice(("None", "Normal", "Dark"), p=(0.8, 0.17, 0.03)))
        yield [*row, *(f"{value:.2f}" for value in (pitch, roll, yaw, left, right)), glasses]


def contact_sheet(seed: int, size: int) -> np.ndarray:
    """The first people of a population in rows, the ages of `SHEET_AGES` in columns: (rows, columns, 3) uint8."""
    people = [sample_identity(seed, index) for index in range(SHEET_PEOPLE)]
    return np.vstack([np.hstack([draw(person, age, size)[0] for age in SHEET_AGES]) for person in people])


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterator[list[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")


def _from_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number above 0")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no share from 0 to 1")
    return share


if __name__ == "__main__":
    run_command(main)
