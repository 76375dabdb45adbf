"""Finds the class folders of a data set and their usable pictures (docs/method.md, Data).

Pictures are `<dataroot>/<phase><class>/*.png|jpg|jpeg`; the map of each is `parsings/<stem>.png` in the class folder.
"""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.portrait import parsing_path
from util.errors import UserError
from util.images import visible_files

_SUFFIXES = {".png", ".jpg", ".jpeg"}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassImages:
    """One class of a data set: its name, and its pictures that have a parsing map, sorted."""

    name: str
    paths: tuple[Path, ...]


def find_classes(dataroot: Path, phase: str, names: Sequence[str], most: float = float("inf")) -> list[ClassImages]:
    """The pictures of each class, in the order of `names`, at most `most` of each.

    Raises:
        UserError: the data set or a class folder is missing or has no picture with a parsing map.
    """
    if not dataroot.is_dir():
        raise UserError(
            f"--dataroot {dataroot}: no such folder; check it, or make one with datasets/create_dataset.py"
        )
    return [_find_class(dataroot / f"{phase}{name}", name, most) for name in names]


def class_folders(dataroot: Path, phase: str) -> list[str]:
    """Names of the classes that have a folder, sorted by their first number, then alphabetically."""

    def order(name: str) -> tuple[float, str]:
        number = re.search(r"\d+", name)
        return (int(number[0]) if number else math.inf), name

    folders = dataroot.iterdir() if dataroot.is_dir() else ()
    found = (path.name.removeprefix(phase) for path in folders if path.is_dir() and path.name.startswith(phase))
    return sorted((name for name in found if name), key=order)


def keep_pairs(classes: Sequence[ClassImages]) -> list[ClassImages]:
    """Keeps the pictures whose file name occurs in every class, since equal names mean one person.

    Raises:
        UserError: no file name occurs in every class.
    """
    named = [{path.stem: path for path in images.paths} for images in classes]
    common = set.intersection(*map(set, named))
    if not common:
        raise UserError(
            f"{classes[0].paths[0].parent} and the other class folders share no file name; --paired, --lambda_paired "
            "and --lambda_ssim need one file name for each person, as datasets/synthesize.py --paired writes it"
        )
    return [
        ClassImages(of_class.name, tuple(by_stem[stem] for stem in sorted(common)))
        for of_class, by_stem in zip(classes, named, strict=True)
    ]


def _find_class(folder: Path, name: str, most: float) -> ClassImages:
    if not folder.is_dir():
        raise UserError(f"{folder}: class folder is missing; create it, or remove '{name}' from --sort_order")
    files = visible_files(folder)
    images = [path for path in files if path.suffix.lower() in _SUFFIXES]
    if others := [path.name for path in files if path.suffix.lower() not in _SUFFIXES]:
        logger.warning("%s: %d files are no PNG or JPEG pictures, such as %s", folder, len(others), others[0])
    paths = [path for path in images if parsing_path(path).is_file()]
    if not paths:
        raise UserError(
            f"{folder}: no parsing map for any of {len(images)} PNG or JPEG pictures; add parsings/<name>.png"
        )
    if len(paths) < len(images):
        logger.warning("%s: %d pictures have no parsing map and are left out", folder, len(images) - len(paths))
    return ClassImages(name, tuple(paths[: int(min(most, len(paths)))]))
