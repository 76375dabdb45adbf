"""Makes frames of a person at other ages from a portrait and a generator's weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.age_code import make_codes
from models.checkpoint import load_weights
from models.generator import Generator, GeneratorConfig
from models.precision import Precision, autocast
from util.images import to_pixels, to_tensor

_CHUNK = 4


@dataclass(frozen=True)
class AgeTransformer:
    """A generator in use.

    Attributes:
        generator: on `device` and in evaluation mode.
        device: where the generator runs.
        noise_sigma: standard deviation of the age codes' noise, which the method adds at inference too.
        precision: arithmetic of the networks; latents are blended in float32 in any case.
    """

    generator: Generator
    device: torch.device
    noise_sigma: float
    precision: Precision = "fp32"

    @classmethod
    def load(
        cls,
        weights: Path,
        config: GeneratorConfig,
        *,
        device: torch.device,
        noise_sigma: float,
        precision: Precision = "fp32",
    ) -> "AgeTransformer":
        """Reads the generator's weights; raises `UserError` as `models.checkpoint.load_weights`."""
        generator = Generator(config)
        load_weights(generator, weights)
        return cls(generator.to(device).eval().requires_grad_(False), device, noise_sigma, precision)

    def frames(self, pixels: np.ndarray, blends: Tensor, seed: int) -> Iterator[np.ndarray]:
        """Yields the frames of a series. It makes a few at a time, so that memory does not grow with their number.

        Args:
            pixels: (H, W, 3) uint8, a masked portrait of the model's size.
            blends: (F, num_classes), weights over the anchors' latents (models/age_code.py).
            seed: seed of the codes' noise, which is drawn once for the whole series.

        Yields:
            F frames (H, W, 3) uint8.
        """
        config = self.generator.config
        anchors = torch.arange(config.num_classes)
        rng = torch.Generator().manual_seed(seed)
        codes = make_codes(anchors, config.num_classes, config.dim_per_class, rng, self.noise_sigma)
        image = to_tensor(pixels)[None].to(self.device)
        with torch.inference_mode(), autocast(self.precision, self.device):
            latents = blends.to(self.device) @ self.generator.latents(codes.to(self.device)).float()
            features = self.generator.encode(image)
        for chunk in latents.split(_CHUNK):
            with torch.inference_mode(), autocast(self.precision, self.device):
                frames = to_pixels(self.generator.decode(features.expand(len(chunk), -1, -1, -1), chunk))
            yield from frames
