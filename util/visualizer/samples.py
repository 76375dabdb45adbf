"""Pictures of what a model makes while it trains."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from util.images import write_image
from util.sheets import row_after_gap


def write_samples(
    path: Path, *, inputs: Sequence[np.ndarray], render: Callable[[np.ndarray], Iterable[np.ndarray]]
) -> None:
    """Writes a grid with a row for each person: the input, then the person at every age.

    Args:
        path: of the picture.
        inputs: portraits (H, W, 3) uint8.
        render: makes the ages of a portrait, pictures of its size.
    """
    write_image(path, np.vstack([row_after_gap(pixels, render(pixels)) for pixels in inputs]))
