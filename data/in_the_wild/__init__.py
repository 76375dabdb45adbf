"""A photo from the wild -> portraits: find the faces, align them, cut the people out (docs/method.md, Photos)."""

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from data.in_the_wild.align import align, find_square
from data.in_the_wild.cut_out import Parse, cut_out
from data.in_the_wild.detect import FaceChoice, choose_faces, find_upright
from data.origin import Origin, Square, read_photo
from data.portrait import Portrait

logger = logging.getLogger(__name__)

# Smaller portraits are cut out at this size and then reduced: parsers see little in fewer pixels.
_SMALLEST_PARSED = 256


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
        return self._portraits(read_photo(photo), photo, photo)

    def portraits(self, image: Image.Image, photo: Path) -> list[Portrait]:
        """The same for a photo that was read before, RGB; `photo` is what messages call it."""
        return self._portraits(image, photo, image)

    def _portraits(self, image: Image.Image, photo: Path, source: Path | Image.Image) -> list[Portrait]:
        turn, faces = find_upright(image, str(photo))
        if turn is not None:
            image = image.transpose(turn)
        found = []
        for number, face in choose_faces(faces, self.face, str(photo)):
            origin = Origin(source, find_square(face.landmarks), turn)
            masked, parsing = self._cut_out(photo, image, face.landmarks, origin.square)
            found.append(Portrait(photo, masked, parsing, number if self.face == "all" else None, origin))
        return found

    def _cut_out(
        self, photo: Path, image: Image.Image, landmarks: np.ndarray, square: Square
    ) -> tuple[np.ndarray, np.ndarray]:
        if 2 * square.side < self.size:
            logger.warning(
                "%s: the face is tiny: %d pixels are enlarged to %d and will look blurred; give a larger photo",
                photo,
                square.side,
                self.size,
            )
        parsed_size = max(self.size, _SMALLEST_PARSED)
        pixels = align(image, square, parsed_size)
        return cut_out(pixels, square.project(landmarks, parsed_size), self.parse, self.size)
