"""Pictures put together into larger ones."""

from collections.abc import Iterable

import numpy as np

_GAP = 10
_WHITE = 255


def row_after_gap(first: np.ndarray, others: Iterable[np.ndarray]) -> np.ndarray:
    """Puts a picture (H, W, 3) uint8, a white gap of 10 pixels, and other pictures side by side."""
    gap = np.full((first.shape[0], _GAP, 3), _WHITE, np.uint8)
    return np.hstack([first, gap, *others])
