"""Where in a photo a portrait lies, and how the photo is read again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.masking import MASK_COLOR
from util.images import read_image

# Larger photos are reduced while they are read.
_MOST_PIXELS = 50_000_000


@dataclass(frozen=True)
class Square:
    """The part of a photo that becomes the aligned picture; vectors (2,) in pixels of the photo.

    Attributes:
        center: its centre.
        right: from the centre to the middle of the right side.
    """

    center: np.ndarray
    right: np.ndarray

    @property
    def down(self) -> np.ndarray:
        """From the centre to the middle of the lower side."""
        return np.array([-self.right[1], self.right[0]])

    @property
    def side(self) -> float:
        """Length of a side, in pixels of the photo."""
        return 2 * float(np.hypot(*self.right))

    @property
    def corners(self) -> np.ndarray:
        """(4, 2): top left, bottom left, bottom right, top right."""
        x, y = self.right, self.down
        return np.stack([-x - y, -x + y, x + y, x - y]) + self.center

    def project(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points (N, 2) of the photo -> pixels of an aligned picture of `size`."""
        axes = np.stack([self.right, self.down]) / (self.right @ self.right)
        projected: np.ndarray = ((points - self.center) @ axes.T + 1) * size / 2
        return projected

    def to_photo(self, size: int) -> np.ndarray:
        """(2, 3): the affine map from the pixels of an aligned picture of `size` to those of the photo."""
        axes = np.stack([self.right, self.down], axis=1) * 2 / size
        # The middle of the first pixel lies half a pixel from the corner.
        return np.column_stack([axes, self.center + axes @ (0.5 - size / 2, 0.5 - size / 2)])

    def part(self, start: float, stop: float) -> "Square":
        """The square that begins and ends at these shares of the sides, both ways."""
        return Square(self.center + (start + stop - 1) * (self.right + self.down), self.right * (stop - start))

    def scaled(self, scale: float) -> "Square":
        """The same square in the photo at another scale."""
        return Square((self.center + 0.5) * scale - 0.5, self.right * scale)


@dataclass(frozen=True)
class Origin:
    """The photo that a portrait comes from. A file is read again when it is needed, because photos are large.

    Attributes:
        photo: the file, or the picture itself if it has none.
        turn: the quarter turns that brought the face upright, if any.
        square: the portrait's place in the photo after the turns.
    """

    photo: Path | Image.Image
    square: Square
    turn: Image.Transpose | None = None

    def read(self) -> Image.Image:
        """The photo, RGB and upright; raises UserError if it cannot be read any more."""
        image = read_photo(self.photo) if isinstance(self.photo, Path) else self.photo
        return image if self.turn is None else image.transpose(self.turn)


def whole_square(size: int) -> Square:
    """All of a square picture of that size."""
    return Square(np.full(2, (size - 1) / 2), np.array([size / 2, 0.0]))


def read_photo(path: Path) -> Image.Image:
    """Reads a photo as RGB, with at most 50 million pixels; raises UserError if it cannot be read."""
    return read_image(path, MASK_COLOR, _MOST_PIXELS)
