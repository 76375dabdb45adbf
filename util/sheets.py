"""Pictures made of pictures."""

from collections.abc import Iterable

import numpy as np

GAP = 10
_WHITE = 255


def row(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Pictures (H, W, 3) uint8 side by side."""
    return np.concatenate(list(pictures), axis=1)


def row_after_gap(first: np.ndarray, others: Iterable[np.ndarray]) -> np.ndarray:
    """One picture (H, W, 3) uint8, a white gap of 10 pixels, then the others side by side."""
    gap = np.full((first.shape[0], GAP, 3), _WHITE, np.uint8)
    return row([first, gap, *others])


def column(rows: Iterable[np.ndarray]) -> np.ndarray:
    """Pictures (H, W, 3) uint8 of one width above each other."""
    return np.concatenate(list(rows), axis=0)
