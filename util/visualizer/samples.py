"""Writes sample pictures of a model in training."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from util.images import row_after_gap, write_image


def write_samples(
    path: Path, *, inputs: Sequence[np.ndarray], render: Callable[[np.ndarray], Iterable[np.ndarray]]
) -> None:
    """Writes a grid with a row for each person: the input, then the person at every age.

    Args:
        path: file of the grid.
        inputs: portraits (H, W, 3) uint8.
        render: makes pictures of a portrait at every age, in its size.
    """
    write_image(path, np.vstack([row_after_gap(pixels, render(pixels)) for pixels in inputs]))
