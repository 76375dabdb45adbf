"""How the networks' weights begin (docs/training_notes.md)."""

import torch
from torch import nn

from models.generator import Generator


def initialize_centered(generator: Generator) -> None:
    """The initialisation that keeps training from collapsing into a flat picture (docs/training_notes.md)."""
    center_kernels(generator.id_encoder)
    center_kernels(generator.decoder)
    shrink_head(generator)


@torch.no_grad()
def center_kernels(part: nn.Module) -> None:
    """Takes from every kernel its mean over its inputs.

    The large constant part of rectified features then does not drown their variation over space.
    """
    for parameter in part.parameters():
        if parameter.dim() == 4 and parameter.shape[2:] != (1, 1):
            parameter.sub_(parameter.mean(dim=(1, 2, 3), keepdim=True))


@torch.no_grad()
def shrink_head(generator: Generator, scale: float = 0.05) -> None:
    """Starts the RGB head small, where tanh is not yet saturated."""
    for parameter in generator.decoder.conv_img.parameters():
        parameter.mul_(scale)
