"""Initial weights of the networks (docs/training_notes.md)."""

import torch
from torch import Tensor, nn

from models.generator import Generator
from models.layers import EqualizedLinear, StyledConvBlock


def initialize_centered(generator: Generator) -> None:
    """Initialises the generator so that training leaves its flat picture sooner."""
    center_kernels(generator.id_encoder)
    center_kernels(generator.decoder)
    shrink_head(generator)
    even_styles(generator)


def kernels(network: nn.Module) -> list[nn.Parameter]:
    """The kernels of a network's convolutions that are larger than 1x1."""
    return [weight for weight in network.parameters() if weight.dim() == 4 and max(weight.shape[2:]) > 1]


def mean_over_inputs(kernel: Tensor) -> Tensor:
    """A kernel's mean for each output channel: (out, in, h, w) -> (out, 1, 1, 1)."""
    return kernel.mean(dim=(1, 2, 3), keepdim=True)


@torch.no_grad()
def center_kernels(part: nn.Module) -> None:
    """Subtracts from every kernel its mean over its inputs.

    Otherwise the large constant part of rectified features drowns their variation over space.
    """
    for kernel in kernels(part):
        kernel.sub_(mean_over_inputs(kernel))


@torch.no_grad()
def even_styles(generator: Generator, scale: float = 0.3) -> None:
    """Lets each style branch begin near the same style for all channels.

    With random styles every layer of the decoder scales its channels at random, and few get through all layers.
    """
    for block in generator.decoder.children():
        if isinstance(block, StyledConvBlock):
            for conv in (block.conv0, block.conv1):
                branch = next(part for part in conv.mlp_class_std.modules() if isinstance(part, EqualizedLinear))
                branch.linear.weight_orig.mul_(scale)
                branch.linear.bias.fill_(1)


@torch.no_grad()
def shrink_head(generator: Generator, scale: float = 0.05) -> None:
    """Makes the RGB layer's initial weights small, so that tanh is not saturated at the start."""
    for parameter in generator.decoder.conv_img.parameters():
        parameter.mul_(scale)
