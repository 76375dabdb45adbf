"""Age codes, and blends of them in the latent space W (docs/method.md, Ages)."""

import numpy as np
import torch
from torch import Tensor

NOISE_SIGMA = 0.2


def make_codes(
    classes: Tensor, num_classes: int, dim_per_class: int, rng: torch.Generator, sigma: float = NOISE_SIGMA
) -> Tensor:
    """Age codes of the anchor classes (B,) int64: (B, num_classes * dim_per_class) float32 on the CPU.

    A code is Gaussian noise plus 1 on the entries of the class's own block. The noise comes from a CPU generator, so
    that a seed gives the same codes on every device.
    """
    noise = torch.randn(len(classes), num_classes * dim_per_class, generator=rng) * sigma
    blocks = torch.nn.functional.one_hot(classes.cpu(), num_classes).repeat_interleave(dim_per_class, dim=1)
    return noise + blocks


def anchor_blends(num_classes: int) -> Tensor:
    """The blends that show each anchor by itself: (num_classes, num_classes).

    A blend is a row of weights over the anchors' latents; the rows of (F, num_classes) are the frames of a series.
    """
    return torch.eye(num_classes)


def traversal_blends(num_classes: int, step: float) -> Tensor:
    """The blends of a traversal, (F, num_classes). Between neighbours, the first weight falls by `step` a frame."""
    legs = [path_blends(num_classes, start=index, end=index + 1, step=step)[:-1] for index in range(num_classes - 1)]
    return torch.cat([*legs, anchor_blends(num_classes)[-1:]])


def path_blends(num_classes: int, start: int, end: int, step: float) -> Tensor:
    """The blends on a straight line from one anchor to another, including both: (F, num_classes)."""
    alphas = torch.from_numpy(np.append(np.arange(1, 0, -step), 0.0)).float()
    blends = torch.zeros(len(alphas), num_classes)
    blends[:, start] = alphas
    blends[:, end] = 1 - alphas
    return blends


def position_blends(num_classes: int, positions: list[float]) -> Tensor:
    """Blends at positions between the anchors, from 0 for the first to num_classes - 1: (F, num_classes)."""
    index = torch.arange(num_classes)
    return (1 - (torch.tensor(positions)[:, None] - index).abs()).clamp(min=0)
