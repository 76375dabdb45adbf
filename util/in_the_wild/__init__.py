"""A photo from the wild -> a portrait: find the face, align it, cut the person out (spec/method.md section 7)."""

import logging
from pathlib import Path

import cv2
import numpy as np
import torch

from data.masking import mask
from data.portrait import Portrait
from util.images import read_image, resize
from util.in_the_wild.align import align, find_square
from util.in_the_wild.detect import find_landmarks
from util.in_the_wild.parse import ParserName, choose_parser

logger = logging.getLogger(__name__)

# Smaller portraits are cut out at this size and then reduced: parsers see little in fewer pixels.
_SMALLEST_PARSED = 256
# Larger photos are reduced while they are read.
_MOST_PIXELS = 50_000_000


class PortraitMaker:
    """Makes portraits of one size.

    Args:
        size: of the portraits, pixels.
        parser: what cuts the person out; "auto" takes DeepLab if its weights are there, and GrabCut otherwise.
        device: where DeepLab runs.

    Raises:
        UserError: DeepLab is asked for and its weights are missing or damaged.
    """

    def __init__(self, size: int, parser: ParserName, device: torch.device) -> None:
        self.size = size
        self.parse = choose_parser(parser, device)

    def __call__(self, photo: Path) -> Portrait:
        """The portrait of the largest face.

        Raises:
            UserError: the photo cannot be read or shows no face.
        """
        image = read_image(photo, _MOST_PIXELS)
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
        parsing = self.parse(pixels, square.project(landmarks, parsed_size))
        small: np.ndarray = cv2.resize(parsing, (self.size, self.size), interpolation=cv2.INTER_NEAREST_EXACT)
        return Portrait(photo, resize(mask(pixels, parsing), self.size), small)
