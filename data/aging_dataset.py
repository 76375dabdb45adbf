"""Training pairs of pictures (docs/method.md, Data)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from data.augmentation import Augmentation
from data.classes import ClassImages
from data.portrait import read_portrait
from data.transforms import Transform
from util.errors import UserError


class PairIndex(NamedTuple):
    """The two pictures of a training item, and the seeds of their crops and flips."""

    a_class: int
    a_image: int
    b_class: int
    b_image: int
    a_seed: int
    b_seed: int


class PairItem(NamedTuple):
    """A, B: (H, W, 3) uint8, their classes, messages about pictures that were replaced, and what the generator gets.

    `inputs` are A and B changed by augmentation, or empty without it.
    """

    A: np.ndarray
    B: np.ndarray
    A_class: int
    B_class: int
    faults: tuple[str, ...]
    inputs: tuple[np.ndarray, ...] = ()


class AgingDataset(Dataset[PairItem]):
    """Training pairs of two different classes. Stateless: an item depends on its `PairIndex` only.

    Args:
        classes: the pictures of each class.
        transform: resizes, crops and flips each picture.
        paired: whether both pictures of an item show one person, so that they must be replaced together.
        augmentation: changes the generator's inputs.

    Attributes:
        samples: the first usable picture of each class, (H, W, 3) uint8. All pictures must have the first one's size.

    Raises:
        UserError: no picture of a class can be used.
    """

    def __init__(
        self,
        classes: Sequence[ClassImages],
        transform: Transform,
        paired: bool = False,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.classes = classes
        self.transform = transform
        self.paired = paired
        self.augmentation = augmentation
        self.samples: list[np.ndarray] = []
        for number in range(len(classes)):
            self.samples.append(self._usable(number, 0, None, [])[0])

    def __getitem__(self, index: PairIndex) -> PairItem:
        """Two pictures. If one cannot be used, the next one of its class replaces it.

        Raises:
            UserError: no picture of a class can be used.
        """
        faults: list[str] = []
        a, a_image = self._usable(index.a_class, index.a_image, index.a_seed, faults)
        b, b_image = self._usable(index.b_class, a_image if self.paired else index.b_image, index.b_seed, faults)
        for _ in self.classes[index.a_class].paths:
            if not self.paired or a_image == b_image:
                inputs = self._inputs(a, b, index)
                return PairItem(a, b, index.a_class, index.b_class, tuple(faults), inputs)
            a, a_image = self._usable(index.a_class, b_image, index.a_seed, faults)
            b, b_image = self._usable(index.b_class, a_image, index.b_seed, faults)
        raise UserError(
            f"--lambda_paired, --lambda_ssim: no person has usable pictures in both classes; last error: {faults[-1]}"
        )

    def _inputs(self, a: np.ndarray, b: np.ndarray, index: PairIndex) -> tuple[np.ndarray, ...]:
        if self.augmentation is None:
            return ()
        # The pictures of one person share their seed, but are changed in different ways.
        rng = np.random.default_rng((index.a_seed, index.b_seed))
        return self.augmentation(a, rng), self.augmentation(b, rng)

    def _usable(
        self, class_index: int, image_index: int, seed: int | None, faults: list[str]
    ) -> tuple[np.ndarray, int]:
        """The first usable picture from `image_index` on, and its index."""
        paths = self.classes[class_index].paths
        for attempt in range(len(paths)):
            found = (image_index + attempt) % len(paths)
            rng = None if seed is None else np.random.default_rng(seed)
            try:
                return self._read(paths[found], rng), found
            except UserError as error:
                faults.append(str(error))
        raise UserError(f"{paths[0].parent}: none of its {len(paths)} pictures can be used; last error: {faults[-1]}")

    def _read(self, path: Path, rng: np.random.Generator | None) -> np.ndarray:
        pixels = read_portrait(path).at_size(self.transform, rng)
        if self.samples and pixels.shape != self.samples[0].shape:
            (height, width), (first_height, first_width) = pixels.shape[:2], self.samples[0].shape[:2]
            raise UserError(
                f"{path}: has {width}x{height} pixels after resizing, but the first of "
                f"{self.classes[0].paths[0].parent} has {first_width}x{first_height}; "
                "give pictures of equal proportions, or another --resize_or_crop"
            )
        return pixels
