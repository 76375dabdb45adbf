"""A photo from the wild -> a portrait: find the face, align it, cut the person out (docs/method.md, Photos)."""

import logging
from pathlib import Path

from data.in_the_wild.align import align, find_square
from data.in_the_wild.cut_out import Parse, cut_out
from data.in_the_wild.detect import find_landmarks
from data.masking import MASK_COLOR
from data.portrait import Portrait
from util.images import read_image

logger = logging.getLogger(__name__)

# Smaller portraits are cut out at this size and then reduced: parsers see little in fewer pixels.
_SMALLEST_PARSED = 256
# Larger photos are reduced while they are read.
_MOST_PIXELS = 50_000_000


class PortraitMaker:
    """Makes portraits of one size.

    Args:
        size: of the portraits, pixels.
        parse: the face parser that the person is cut out by.
    """

    def __init__(self, size: int, parse: Parse) -> None:
        self.size = size
        self.parse = parse

    def __call__(self, photo: Path) -> Portrait:
        """The portrait of the largest face.

        Raises:
            UserError: the photo cannot be read or shows no face.
        """
        image = read_image(photo, MASK_COLOR, _MOST_PIXELS)
        landmarks = find_landmarks(image, str(photo))
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
        return Portrait(photo, masked, parsing)
