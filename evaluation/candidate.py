"""The model that is evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from torch import Tensor

from data.transforms import Transform
from models.transformer import AgeTransformer


@dataclass(frozen=True)
class Candidate:
    """The model that is evaluated, and everything its pictures depend on.

    Attributes:
        name: the model's name, which is also its row in the table.
        epoch: which of its weights are used.
        transformer: makes its pictures.
        to_model_size: brings portraits to its size.
        ages: its classes, and their centres in years.
        seed: seed of the age codes' noise.
    """

    name: str
    epoch: str
    transformer: AgeTransformer
    to_model_size: Transform
    ages: Mapping[str, float]
    seed: int

    def frames(self, pixels: np.ndarray, blends: Tensor, key: tuple[int, ...]) -> np.ndarray:
        """A series made of one portrait, (H, W, 3) uint8 -> (F, H, W, 3) uint8.

        Each key draws its own noise. With the same noise for everybody, all figures would depend on that one draw.
        """
        (seed,) = np.random.SeedSequence((self.seed, *key)).generate_state(1)
        return np.stack(list(self.transformer.frames(pixels, blends, int(seed))))

    def facts(self, source: Path) -> dict[str, object]:
        """What a report on the pictures of `source` says at its top."""
        return {
            "model": self.name,
            "epoch": self.epoch,
            "data set": str(source),
            "classes": list(self.ages),
            "seed": self.seed,
            "date": date.today().isoformat(),
        }
