"""A photo from the wild -> portraits: find the faces, align them, cut the people out (docs/method.md, Photos)."""

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from data.in_the_wild.align import align, find_square
from data.in_the_wild.cut_out import Parse, cut_out
from data.in_the_wild.detect import FaceChoice, choose_faces, turn_upright
from data.masking import MASK_COLOR
from data.portrait import Portrait
from util.images import read_image

logger = logging.getLogger(__name__)

# Smaller portraits are cut out at this size and then reduced: parsers see little in fewer pixels.
_SMALLEST_PARSED = 256
# Larger photos are reduced while they are read.
_MOST_PIXELS = 50_000_000


class PhotoReader:
    """Reads portraits out of photos.

    Args:
        size: of the portraits, pixels.
        parse: the face parser that the person is cut out by.
        face: which faces of a photo become portraits.
    """

    def __init__(self, size: int, parse: Parse, face: FaceChoice = "largest") -> None:
        self.size = size
        self.parse = parse
        self.face = face

    def __call__(self, photo: Path) -> list[Portrait]:
        """The portraits of the chosen faces, from left to right.

        Raises:
            UserError: the photo cannot be read, or does not show the face.
        """
        return self.portraits(read_image(photo, MASK_COLOR, _MOST_PIXELS), photo)

    def portraits(self, image: Image.Image, photo: Path) -> list[Portrait]:
        """The same for a photo that was read before, RGB; `photo` is what messages call it."""
        image, faces = turn_upright(image, str(photo))
        chosen = choose_faces(faces, self.face, str(photo))
        numbered = self.face == "all"
        return [self._portrait(photo, image, face.landmarks, number if numbered else None) for number, face in chosen]

    def _portrait(self, photo: Path, image: Image.Image, landmarks: np.ndarray, number: int | None) -> Portrait:
        square = find_square(landmarks)
        if 2 * square.side < self.size:
            logger.warning(
                "%s: the face is tiny: %d pixels are enlarged to %d and will look blurred; give a larger photo",
                photo,
                square.side,
                self.size,
            )
        parsed_size = max(self.size, _SMALLEST_PARSED)
        pixels = align(image, square, parsed_size)
        masked, parsing = cut_out(pixels, square.project(landmarks, parsed_size), self.parse, self.size)
        return Portrait(photo, masked, parsing, number)
