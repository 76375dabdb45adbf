"""The 19 face-parsing labels, and the mask that greys out everything but the person (docs/method.md, Data)."""

from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Face-parsing labels in the CelebAMask-HQ order."""

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    GLASSES = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    LEFT_BROW = 6
    RIGHT_BROW = 7
    LEFT_EAR = 8
    RIGHT_EAR = 9
    MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18


MASKED_LABELS = (Label.BACKGROUND, Label.HAT, Label.EARRING, Label.NECKLACE, Label.CLOTH)
MASK_COLOR = 128

_IS_MASKED = np.zeros(256, dtype=bool)
_IS_MASKED[list(MASKED_LABELS)] = True


def mask(image: np.ndarray, parsing: np.ndarray) -> np.ndarray:
    """Greys out the background, hats, jewellery and clothes.

    Args:
        image: (H, W, 3) uint8.
        parsing: (H, W) uint8 of `Label` values.

    Returns:
        A copy of the image, (H, W, 3) uint8, with the masked pixels at 128.
    """
    return np.where(head_mask(parsing)[..., None], image, np.uint8(MASK_COLOR))


def head_mask(parsing: np.ndarray) -> np.ndarray:
    """What the mask leaves of the person, (H, W) bool, from (H, W) uint8 of `Label` values."""
    kept: np.ndarray = ~_IS_MASKED[parsing]
    return kept
