"""Makes frames of a person at other ages from a portrait and a generator's weights."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.age_code import make_codes
from models.engines import Engine, EngineName, choose_engine
from models.generator import GeneratorConfig
from models.precision import Precision


@dataclass(frozen=True)
class Series:
    """The frames to make of one portrait.

    Attributes:
        pixels: (H, W, 3) uint8, a masked portrait of the model's size.
        blends: (F, num_classes), weights over the anchors' latents (models/age_code.py).
        seed: seed of the codes' noise, which is drawn once for the whole series.
    """

    pixels: np.ndarray
    blends: Tensor
    seed: int


@dataclass(frozen=True)
class AgeTransformer:
    """A generator in use.

    Attributes:
        engine: runs the generator.
        noise_sigma: standard deviation of the age codes' noise, which the method adds at inference too.
    """

    engine: Engine
    noise_sigma: float

    @classmethod
    def load(
        cls,
        weights: Path,
        config: GeneratorConfig,
        *,
        device: torch.device,
        noise_sigma: float,
        precision: Precision = "fp32",
        engine: EngineName = "auto",
    ) -> "AgeTransformer":
        """Reads the generator's weights; raises `UserError` as `models.engines.choose_engine`."""
        return cls(choose_engine(engine, weights, config, device=device, precision=precision), noise_sigma)

    def frames(self, pixels: np.ndarray, blends: Tensor, seed: int) -> Iterator[np.ndarray]:
        """Yields the frames (H, W, 3) uint8 of one series."""
        return self.stream([Series(pixels, blends, seed)])

    def stream(self, series: Iterable[Series]) -> Iterator[np.ndarray]:
        """Yields the frames (H, W, 3) uint8 of many series in order.

        It makes a few at a time, of more than one series if need be, and takes the next series only when its frames
        are due. So memory grows with neither their number nor their length.
        """
        # Portraits of different sizes do not fit into one batch.
        for _, same_size in groupby(self._prepared(series), key=lambda prepared: prepared[0].shape):
            while batch := list(islice(same_size, self.engine.batch)):
                features, latents = zip(*batch, strict=True)
                yield from self.engine.decode(torch.stack(features), torch.stack(latents))

    def _prepared(self, series: Iterable[Series]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the features and the latent (256,) of each frame."""
        config = self.engine.config
        for each in series:
            rng = torch.Generator().manual_seed(each.seed)
            anchors = torch.arange(config.num_classes)
            codes = make_codes(anchors, config.num_classes, config.dim_per_class, rng, self.noise_sigma)
            latents = self.engine.latents(codes)
            (features,) = self.engine.encode(each.pixels[None])
            for latent in each.blends.to(latents.device) @ latents:
                yield features, latent
