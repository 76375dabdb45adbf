"""From an upload to the portrait that a model gets, with what was seen on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.in_the_wild.align import align, find_square
from data.in_the_wild.cut_out import Parse, cut_out
from data.in_the_wild.detect import Face, turn_upright
from data.in_the_wild.warnings import portrait_warnings
from data.masking import MASK_COLOR
from data.origin import Origin
from data.portrait import Portrait, read_portrait
from util.errors import UserError
from util.images import read_image, resize

# Photos are reduced to this when they are read. It leaves 240 pixels to a head that is a tenth as high as its photo.
_KEPT_PIXELS = 8_000_000
# A visitor's photo may take this many pixels of memory while it is read.
_MOST_PIXELS = 60_000_000
# The largest faces of a photo that can be chosen.
_MOST_FACES = 12
_PORTRAIT_SIZE = 256
# A visitor's file need not have a name in messages.
_UNNAMED = Path("the photo")

# Tells the age that is seen in (H, W, 3) uint8, or None.
Judge = Callable[[np.ndarray], float | None]


@dataclass(frozen=True)
class Sitting:
    """A portrait and what was detected.

    Attributes:
        portrait: for the model, at the size that its pictures are loaded at.
        pixels: (S, S, 3) uint8, the same at a size that people see well.
        looks: the age in years that is seen in it, or None.
        warnings: sentences.
    """

    portrait: Portrait
    pixels: np.ndarray
    looks: float | None
    warnings: Sequence[str]


@dataclass(frozen=True)
class ReadPhoto:
    """A photo that was read, and its faces from left to right."""

    image: Image.Image
    faces: Sequence[Face]

    @classmethod
    def read(cls, path: Path) -> "ReadPhoto":
        """Reads any photo, and finds its faces.

        Raises:
            UserError: the file is no photo, is too large, or shows no face; the message has no folder.
        """
        try:
            image = read_image(path, MASK_COLOR, most_pixels=_KEPT_PIXELS, refused_pixels=_MOST_PIXELS)
            # Messages about the search may be logged, and a file's name is the visitor's business.
            image, faces = turn_upright(image, str(_UNNAMED))
        except UserError as error:
            # The visitor knows the file's name, and the folder that it was uploaded to is nobody's business.
            raise UserError(str(error).replace(str(path), path.name)) from error
        largest = sorted(faces, key=lambda face: -face.area)[:_MOST_FACES]
        return cls(image, sorted(largest, key=lambda face: face.landmarks[:, 0].mean()))

    @property
    def count(self) -> int:
        """How many faces can be chosen."""
        return len(self.faces)

    @property
    def largest(self) -> int:
        """The number of the largest face, from 0."""
        return max(range(len(self.faces)), key=lambda number: self.faces[number].area)

    def thumbnails(self, size: int) -> list[np.ndarray]:
        """The faces, (size, size, 3) uint8 each."""
        return [align(self.image, find_square(face.landmarks), size) for face in self.faces]

    def sit(self, number: int, *, size: int, parse: Parse, judge: Judge) -> Sitting:
        """The portrait of one face, for a model whose pictures have `size` pixels."""
        landmarks = self.faces[number].landmarks
        square, seen = find_square(landmarks), max(size, _PORTRAIT_SIZE)
        aligned, points = align(self.image, square, seen), square.project(landmarks, seen)
        pixels, labels = cut_out(aligned, points, parse, seen)
        reduced = np.asarray(cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT))
        portrait = Portrait(_UNNAMED, resize(pixels, size), reduced, origin=Origin(self.image, square))
        return Sitting(portrait, pixels, judge(pixels), portrait_warnings(aligned, points, square.side))


@dataclass(frozen=True)
class AlignedPhoto:
    """A sample that shows one aligned face and has a parsing map beside it."""

    path: Path
    count: int = 1
    largest: int = 0

    def thumbnails(self, size: int) -> list[np.ndarray]:
        """The one face, (size, size, 3) uint8."""
        return [resize(np.asarray(read_image(self.path)), size)]

    def sit(self, number: int, *, size: int, parse: Parse, judge: Judge) -> Sitting:
        """The portrait at its own size; as `ReadPhoto.sit`."""
        portrait = read_portrait(self.path)
        return Sitting(portrait, portrait.pixels, judge(portrait.pixels), [])
