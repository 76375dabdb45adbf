"""Pictures put together into larger ones."""

from collections.abc import Iterable

import numpy as np

GAP = 10
_WHITE = 255


def row(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Puts pictures (H, W, 3) uint8 side by side."""
    return np.concatenate(list(pictures), axis=1)


def row_after_gap(first: np.ndarray, others: Iterable[np.ndarray]) -> np.ndarray:
    """Puts a picture (H, W, 3) uint8, a white gap of 10 pixels, and other pictures side by side."""
    gap = np.full((first.shape[0], GAP, 3), _WHITE, np.uint8)
    return row([first, gap, *others])


def column(rows: Iterable[np.ndarray]) -> np.ndarray:
    """Puts pictures (H, W, 3) uint8 of one width above each other."""
    return np.concatenate(list(rows), axis=0)
