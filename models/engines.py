"""The engines that run a generator in use: PyTorch on every device, OpenVINO (models/openvino_engine.py) on CPUs."""

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import load_weights
from models.generator import Generator, GeneratorConfig
from models.precision import Precision, autocast
from util.device import limit_threads
from util.errors import UserError
from util.images import to_pixels, to_tensor

EngineName = Literal["auto", "torch", "openvino"]

logger = logging.getLogger(__name__)


class Engine(ABC):
    """Runs the parts of a generator.

    Attributes:
        config: the generator's sizes.
        batch: how many frames are best decoded at once; `decode` takes any number.
    """

    config: GeneratorConfig
    batch: int

    @abstractmethod
    def encode(self, pixels: np.ndarray) -> Tensor:
        """Identity features, a row for each portrait, of masked portraits (B, H, W, 3) uint8 of one size."""

    @abstractmethod
    def latents(self, codes: Tensor) -> Tensor:
        """Latents W (B, 256) float32 of age codes (B, code_dim), on the device of the features."""

    @abstractmethod
    def decode(self, features: Tensor, latents: Tensor) -> np.ndarray:
        """Frames (B, H, W, 3) uint8 of identity features and latents, one latent for each row of features."""


class TorchEngine(Engine):
    """Runs the generator itself, with the weights that it has at each call.

    Args:
        generator: on `device` and in evaluation mode.
        device: where the generator runs.
        precision: arithmetic of the networks; latents are returned in float32 in any case.
        compile: whether torch.compile compiles the decoder when it first runs. If that fails, it runs as it is.
    """

    batch = 4

    def __init__(
        self, generator: Generator, device: torch.device, precision: Precision = "fp32", *, compile: bool = False
    ) -> None:
        self.generator, self.config = generator, generator.config
        self._device, self._precision = device, precision
        self._decode = torch.compile(generator.decode) if compile else generator.decode

    @torch.inference_mode()
    def encode(self, pixels: np.ndarray) -> Tensor:
        with autocast(self._precision, self._device):
            return self.generator.encode(to_tensor(pixels).to(self._device))

    @torch.inference_mode()
    def latents(self, codes: Tensor) -> Tensor:
        with autocast(self._precision, self._device):
            return self.generator.latents(codes.to(self._device)).float()

    @torch.inference_mode()
    def decode(self, features: Tensor, latents: Tensor) -> np.ndarray:
        with autocast(self._precision, self._device):
            try:
                images = self._decode(features, latents)
            except RuntimeError as error:
                if self._decode == self.generator.decode:
                    raise
                logger.warning("torch.compile failed (%s). The decoder runs without it.", reason_of(error))
                self._decode = self.generator.decode
                images = self._decode(features, latents)
        return to_pixels(images)


def choose_engine(
    name: EngineName,
    weights: Path,
    config: GeneratorConfig,
    *,
    device: torch.device,
    precision: Precision,
    compile: bool = False,
) -> Engine:
    """The engine that the user asks for, with a file's weights.

    `auto` takes OpenVINO on CPUs if it is installed and can run the network, otherwise PyTorch; with `compile`, which
    is a matter of PyTorch, it takes PyTorch.

    Raises:
        UserError: the weights cannot be loaded, or the engine that the user asks for cannot be used.
    """

    def load() -> Generator:
        generator = Generator(config)
        load_weights(generator, weights)
        return generator.to(device).eval().requires_grad_(False)

    limit_threads()
    if name == "openvino" and compile:
        raise UserError("--compile: has no effect on --engine openvino; leave one of them out")
    if name == "openvino" and device.type != "cpu":
        raise UserError("--engine openvino: runs on CPUs only; add --gpu_ids -1, or leave --engine out")
    if name != "torch" and device.type == "cpu" and not compile:
        try:
            # OpenVINO is not available for every system.
            from models.openvino_engine import OpenVinoEngine, load_networks

            return OpenVinoEngine(load_networks(weights, config, load), config, precision)
        except ImportError as error:
            if name == "openvino":
                raise UserError(
                    f"--engine openvino: cannot be imported ({error}); pip install openvino, or leave --engine out"
                ) from error
        except RuntimeError as error:
            reason = reason_of(error)
            if name == "openvino":
                raise UserError(
                    f"--engine openvino: cannot run this network ({reason}); leave --engine out"
                ) from error
            logger.warning("OpenVINO cannot run this network (%s). PyTorch runs it instead, more slowly.", reason)
    return TorchEngine(load(), device, precision, compile=compile)


def reason_of(error: RuntimeError) -> str:
    """The last line of a message, where both libraries name the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
