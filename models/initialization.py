"""Initial weights of the networks (docs/training_notes.md)."""

import torch
from torch import nn

from models.generator import Generator


def initialize_centered(generator: Generator) -> None:
    """Initialises the generator so that training does not collapse into a flat picture."""
    center_kernels(generator.id_encoder)
    center_kernels(generator.decoder)
    shrink_head(generator)


@torch.no_grad()
def center_kernels(part: nn.Module) -> None:
    """Subtracts from every kernel its mean over its inputs.

    Otherwise the large constant part of rectified features drowns their variation over space.
    """
    for parameter in part.parameters():
        if parameter.dim() == 4 and parameter.shape[2:] != (1, 1):
            parameter.sub_(parameter.mean(dim=(1, 2, 3), keepdim=True))


@torch.no_grad()
def shrink_head(generator: Generator, scale: float = 0.05) -> None:
    """Makes the RGB layer's initial weights small, so that tanh is not saturated at the start."""
    for parameter in generator.decoder.conv_img.parameters():
        parameter.mul_(scale)
