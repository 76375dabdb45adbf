"""Sorts FFHQ-Aging's raw pictures into training folders (spec/cli.md, spec/method.md section 6)."""

import argparse
import logging
import math
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# Run as a file, Python looks for modules beside it; the project's lie one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from data.age_classes import ANCHORS, age_range
from datasets import ffhq_aging
from datasets.ffhq_aging import Labels, RowError
from util.errors import UserError, run_command
from util.files import atomic_path

logger = logging.getLogger(__name__)

GENDERS = ("male", "female")
_UNKNOWN = "?"


@dataclass(frozen=True)
class Job:
    """A picture to bring from the raw folder to a class folder, with its map."""

    source: Path
    target: Path


class Tally:
    """How many pictures of each class and gender were kept in each phase, or dropped for which reason."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, cluster: str, gender: str, outcome: str) -> None:
        """Counts a picture; the outcome is a phase or a reason."""
        self.counts[cluster, gender, outcome] += 1

    def table(self) -> str:
        """Rows of class and gender; columns of phases, then reasons."""
        phases = ["train", "test"]
        reasons = sorted({outcome for _, _, outcome in self.counts} - set(phases))
        rows = sorted({key[:2] for key in self.counts}, key=_order)
        head = ["class", "gender", *phases, *reasons]
        body = [[*row, *(str(self.counts[*row, outcome]) for outcome in phases + reasons)] for row in rows]
        total = [str(sum(self.counts[*row, outcome] for row in rows)) for outcome in phases + reasons]
        lines = [head, *body, ["all", "", *total]]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
        )


def _order(row: tuple[str, str]) -> tuple[float, str]:
    """Classes by age, then genders; what is unknown comes last."""
    cluster, gender = row
    return (math.inf if cluster == _UNKNOWN else age_range(cluster)[0]), gender


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Sort FFHQ-Aging's pictures by gender and age into males/ and females/.", allow_abbrev=False
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help=f"the raw data: {ffhq_aging.FOLDER}, or the folder that holds it"
    )
    parser.add_argument("--labels_file", type=Path, required=True, metavar="CSV", help="FFHQ-Aging's labels")
    parser.add_argument(
        "--train_split", type=int, default=69000, help="pictures from this number on are for test (default: 69000)"
    )
    parser.add_argument(
        "--classes", nargs="+", default=ANCHORS, metavar="CLASS", help=f"age groups to keep: {', '.join(ANCHORS)}"
    )
    parser.add_argument("--out", type=Path, default=Path(), help="where males/ and females/ go (default: here)")
    parser.add_argument("--link", action="store_true", help="hard links instead of copies: no space, same disk only")
    parser.add_argument("--workers", type=int, default=8, help="files copied at a time (default: 8)")
    return parser


def main() -> int:
    options = parser().parse_args()
    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: must be 1 or more")
    unknown = [name for name in options.classes if name not in ffhq_aging.CLUSTERS]
    if unknown:
        raise UserError(f"--classes {unknown[0]}: none of {', '.join(ffhq_aging.CLUSTERS)}")
    raw = options.folder / ffhq_aging.FOLDER
    raw = raw if raw.is_dir() else options.folder
    if not raw.is_dir():
        raise UserError(f"--folder {options.folder}: no such folder")
    tally = Tally()
    jobs = sort_pictures(raw, options.labels_file, options.train_split, options.classes, options.out, tally)
    if not jobs:
        raise UserError(f"--folder {raw}: none of the pictures of {options.labels_file} can be used\n{tally.table()}")
    with ThreadPoolExecutor(options.workers) as pool:
        work = pool.map(partial(bring, link=options.link), jobs)
        for _ in tqdm(work, total=len(jobs), unit="picture"):
            pass
    warn_of_others(jobs, options.out)
    logger.info("%s", tally.table())
    return 0


def sort_pictures(
    raw: Path, labels_file: Path, train_split: int, classes: Sequence[str], out: Path, tally: Tally
) -> list[Job]:
    """Decides about every row of the labels, and counts it."""
    jobs = []
    for line, row in ffhq_aging.read_rows(labels_file):
        try:
            labels = ffhq_aging.parse_row(row)
        except RowError as error:
            logger.warning("%s, line %d: %s; left out", labels_file, line, error)
            tally.add(_UNKNOWN, _UNKNOWN, "faulty row")
            continue
        source = raw / ffhq_aging.image_path(labels.image)
        outcome = reason(labels, source, classes) or ("train" if labels.image < train_split else "test")
        tally.add(labels.cluster, labels.gender, outcome)
        if outcome in ("train", "test"):
            jobs.append(Job(source, out / f"{labels.gender}s" / f"{outcome}{labels.cluster}" / source.name))
    return jobs


def reason(labels: Labels, source: Path, classes: Sequence[str]) -> str | None:
    """Why a picture is dropped; None if it is kept."""
    if labels.cluster not in classes:
        return "other class"
    dropped = ffhq_aging.reason_to_drop(labels)
    if dropped:
        return dropped
    if not source.is_file():
        return "picture missing"
    return None if (source.parent / "parsings" / source.name).is_file() else "map missing"


def bring(job: Job, link: bool) -> None:
    """Copies or links a picture and, before it, its map, atomically; what is there already is replaced."""
    maps = job.source.parent / "parsings", job.target.parent / "parsings"
    for source, target in ((maps[0] / job.source.name, maps[1] / job.target.name), (job.source, job.target)):
        if target.exists() and source.samefile(target):
            continue
        if link:
            _link(source, target)
        else:
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)


def _link(source: Path, target: Path) -> None:
    temporary = target.with_name(f".linking-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise UserError(f"--link: {target} cannot be linked ({error.strerror}); leave --link out to copy") from error


def warn_of_others(jobs: Sequence[Job], out: Path) -> None:
    """Pictures of earlier runs with other settings stay, and would be trained on."""
    mine = {job.target for job in jobs}
    folders = [out / f"{gender}s" for gender in GENDERS]
    others = [path for folder in folders for path in folder.glob("t*/*.png") if path not in mine]
    if others:
        logger.warning(
            "%d pictures that this run did not write lie in %s and %s, such as %s; remove them unless you want them",
            len(others),
            *folders,
            others[0],
        )


if __name__ == "__main__":
    run_command(main)
