"""An aligned picture -> the person alone, everything else grey (docs/method.md, Photos)."""

from collections.abc import Callable

import cv2
import numpy as np

from data.masking import mask
from util.images import resize

# Aligned pixels (S, S, 3) uint8 and their landmarks (68, 2) -> face-parsing labels (S, S) uint8.
Parse = Callable[[np.ndarray, np.ndarray], np.ndarray]


def cut_out(pixels: np.ndarray, landmarks: np.ndarray, parse: Parse, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts the person out, then reduces the picture.

    Args:
        pixels: (S, S, 3) uint8, aligned.
        landmarks: (68, 2) in pixels of it.
        parse: the face parser.
        size: of the results, at most S.

    Returns:
        The masked picture (size, size, 3) uint8, and its labels (size, size) uint8.
    """
    labels = parse(pixels, landmarks)
    reduced: np.ndarray = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return resize(mask(pixels, labels), size), reduced
