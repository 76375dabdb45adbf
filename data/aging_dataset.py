"""Pictures with parsing maps: training pairs, and single portraits (spec/method.md section 6).

Layout: `<dataroot>/<phase><class>/*.png|jpg|jpeg`, and in each class folder `parsings/<stem>.png`.
"""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from data.masking import Label, mask
from data.portrait import Portrait
from data.transforms import Transform
from util.errors import UserError
from util.images import read_image, to_tensor

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
        raise UserError(f"--dataroot {dataroot}: no such folder; make one with datasets/create_dataset.py")
    return [_find_class(dataroot / f"{phase}{name}", name, most) for name in names]


def class_folders(dataroot: Path, phase: str) -> list[str]:
    """Names of the classes that have a folder, in the order of their first number, then of the alphabet."""

    def order(name: str) -> tuple[float, str]:
        number = re.search(r"\d+", name)
        return (int(number[0]) if number else math.inf), name

    folders = dataroot.iterdir() if dataroot.is_dir() else ()
    found = (path.name.removeprefix(phase) for path in folders if path.is_dir() and path.name.startswith(phase))
    return sorted((name for name in found if name), key=order)


def check_all_listed(dataroot: Path, phase: str, names: Sequence[str]) -> None:
    """Raises UserError if there is a class folder that is not among `names`: training would silently leave it out."""
    for name in class_folders(dataroot, phase):
        if name not in names:
            raise UserError(
                f"{dataroot / (phase + name)}: class '{name}' is not in --sort_order {','.join(names)}; "
                "add it there, or move the folder away"
            )


def keep_pairs(classes: Sequence[ClassImages]) -> list[ClassImages]:
    """The pictures that every class has one of the same file name for: the same person, by agreement.

    Raises:
        UserError: there are none.
    """
    named = [{path.stem: path for path in images.paths} for images in classes]
    common = set.intersection(*map(set, named))
    if not common:
        raise UserError(
            f"{classes[0].paths[0].parent} and its sister folders share no file name; --paired and --lambda_paired "
            "want one person's pictures to have the same one at every age, as datasets/synthesize.py --paired writes"
        )
    return [
        ClassImages(of_class.name, tuple(by_stem[stem] for stem in sorted(common)))
        for of_class, by_stem in zip(classes, named, strict=True)
    ]


def _find_class(folder: Path, name: str, most: float) -> ClassImages:
    if not folder.is_dir():
        raise UserError(f"{folder}: class folder missing; create it or take '{name}' out of --sort_order")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    paths = [path for path in images if parsing_path(path).is_file()]
    if not paths:
        raise UserError(
            f"{folder}: no PNG or JPEG picture with a map parsings/<name>.png among {len(images)} pictures"
        )
    if len(paths) < len(images):
        logger.warning("%s: %d pictures without a parsing map are left out", folder, len(images) - len(paths))
    return ClassImages(name, tuple(paths[: int(min(most, len(paths)))]))


def parsing_path(image: Path) -> Path:
    """Where the parsing map of a picture lies."""
    return image.parent / "parsings" / f"{image.stem}.png"


def read_portrait(path: Path) -> Portrait:
    """An aligned picture by its path, masked by the parsing map beside it.

    Raises:
        UserError: picture or map is missing, unreadable, or of another size, or the map holds unknown labels.
    """
    pixels = np.asarray(read_image(path))
    map_path = parsing_path(path)
    if not map_path.is_file():
        raise UserError(f"{path}: no parsing map {map_path}; use --in_the_wild for photos that have none")
    try:
        with Image.open(map_path) as image:
            parsing = np.asarray(image if image.mode in ("L", "P") else image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{map_path}: not a readable parsing map ({error})") from error
    if parsing.shape != pixels.shape[:2]:
        raise UserError(f"{map_path}: {parsing.shape[::-1]} pixels, but its picture has {pixels.shape[1::-1]}")
    if parsing.max() >= len(Label):
        raise UserError(f"{map_path}: label {parsing.max()} is none of the {len(Label)} of spec/method.md section 6")
    return Portrait(path, mask(pixels, parsing), parsing)


class PairIndex(NamedTuple):
    """Which two pictures make a training item, and the seeds of their crops and flips."""

    a_class: int
    a_image: int
    b_class: int
    b_image: int
    a_seed: int
    b_seed: int


class PairItem(NamedTuple):
    """A, B: (3, H, W) float32 in [-1, 1], their classes, and what was wrong with pictures that were passed over."""

    A: Tensor
    B: Tensor
    A_class: int
    B_class: int
    faults: tuple[str, ...]


class AgingDataset(Dataset[PairItem]):
    """Training pairs of two different classes. Stateless: an item depends on its `PairIndex` only.

    Args:
        classes: the pictures.
        transform: what is done to each.
        paired: the pictures of an item are of one person, so that one passed over takes its partner along.

    Attributes:
        samples: the first usable picture of each class, (H, W, 3) uint8. All must come to the size of the first.

    Raises:
        UserError: no picture of a class can be used.
    """

    def __init__(self, classes: Sequence[ClassImages], transform: Transform, paired: bool = False) -> None:
        self.classes = classes
        self.transform = transform
        self.paired = paired
        self.samples: list[np.ndarray] = []
        for number in range(len(classes)):
            self.samples.append(self._usable(number, 0, None, [])[0])

    def __getitem__(self, index: PairIndex) -> PairItem:
        """Two pictures; one that cannot be used is replaced by the next of its class.

        Raises:
            UserError: no picture of a class can be used.
        """
        faults: list[str] = []
        a, a_image = self._image(index.a_class, index.a_image, index.a_seed, faults)
        b, b_image = self._image(index.b_class, a_image if self.paired else index.b_image, index.b_seed, faults)
        for _ in self.classes[index.a_class].paths:
            if not self.paired or a_image == b_image:
                return PairItem(a, b, index.a_class, index.b_class, tuple(faults))
            a, a_image = self._image(index.a_class, b_image, index.a_seed, faults)
            b, b_image = self._image(index.b_class, a_image, index.b_seed, faults)
        raise UserError(f"--lambda_paired: no person has a usable picture in two classes; the last: {faults[-1]}")

    def _image(self, class_index: int, image_index: int, seed: int, faults: list[str]) -> tuple[Tensor, int]:
        pixels, found = self._usable(class_index, image_index, seed, faults)
        return to_tensor(pixels), found

    def _usable(
        self, class_index: int, image_index: int, seed: int | None, faults: list[str]
    ) -> tuple[np.ndarray, int]:
        """The first picture from `image_index` on that can be used, and its index."""
        paths = self.classes[class_index].paths
        for attempt in range(len(paths)):
            found = (image_index + attempt) % len(paths)
            rng = None if seed is None else np.random.default_rng(seed)
            try:
                return self._read(paths[found], rng), found
            except UserError as error:
                faults.append(str(error))
        raise UserError(f"{paths[0].parent}: none of its {len(paths)} pictures can be used; the last: {faults[-1]}")

    def _read(self, path: Path, rng: np.random.Generator | None) -> np.ndarray:
        pixels = read_portrait(path).at_size(self.transform, rng)
        if self.samples and pixels.shape != self.samples[0].shape:
            (height, width), (first_height, first_width) = pixels.shape[:2], self.samples[0].shape[:2]
            raise UserError(
                f"{path}: comes to {width}x{height} pixels, but the first of {self.classes[0].paths[0].parent} to "
                f"{first_width}x{first_height}; give pictures of the same proportions, or another --resize_or_crop"
            )
        return pixels
