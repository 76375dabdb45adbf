"""What every way of using the model starts from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.transforms import Transform
from util.errors import UserError


@dataclass(frozen=True)
class Portrait:
    """One person's picture as the generator wants to see it.

    Attributes:
        path: the file it came from; outputs are named after its stem.
        pixels: (H, W, 3) uint8, the face aligned and everything but the person at grey 128.
        parsing: (H, W) uint8, the face-parsing labels (`data.masking.Label`) the mask was made from.
    """

    path: Path
    pixels: np.ndarray
    parsing: np.ndarray

    def at_size(self, transform: Transform, rng: np.random.Generator | None = None) -> np.ndarray:
        """The pixels as they come to the network's size; raises `UserError`, with the path, as the transform does."""
        try:
            return transform(self.pixels, rng)
        except UserError as error:
            raise UserError(f"{self.path}: {error}") from error
