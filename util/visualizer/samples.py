"""Pictures of what a model makes while it trains."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.age_code import anchor_blends
from models.batch import Batch
from models.generator import TrainingForward
from models.transformer import AgeTransformer
from util.images import to_pixels, write_image
from util.sheets import column, row_after_gap


def first_pictures(batch: Batch, made: TrainingForward, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The first pair of a batch and what was made of it, (H, W, 3) uint8 each, by labels that tell the ages."""
    pictures: dict[str, np.ndarray] = {}
    for side, first in (("A", 0), ("B", len(batch.A))):
        source, target = names[int(batch.source[first])], names[int(batch.target[first])]
        pictures |= {
            f"{side} real {source}": to_pixels(batch.reals[first]),
            f"{side} synthesised {target}": to_pixels(made.gen[first]),
            f"{side} reconstructed {source}": to_pixels(made.rec[first]),
            f"{side} cycled {source}": to_pixels(made.cyc[first]),
        }
    return pictures


class SampleGrid:
    """One person of each class at every age; always the same people and codes.

    Args:
        transformer: the model, which may go on training.
        inputs: a portrait of each class, (H, W, 3) uint8 of the model's size.
    """

    def __init__(self, transformer: AgeTransformer, inputs: Sequence[np.ndarray]) -> None:
        self._transformer = transformer
        self._inputs = inputs

    def write(self, path: Path) -> None:
        """Draws the grid: each input, then its ages."""
        blends = anchor_blends(len(self._inputs))
        rows = []
        for pixels in self._inputs:
            rows.append(row_after_gap(pixels, self._transformer.frames(pixels, blends, seed=0)))
        write_image(path, column(rows))
