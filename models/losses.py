"""The losses, one function each (spec/method.md section 5).

Scores are lists over the discriminator's scales of (B, num_classes); every loss averages over the scales.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def _class_scores(scores: list[Tensor], classes: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of `of` over the scores of each sample's own class; classes (B,) int64."""
    return torch.stack([of(score.gather(1, classes[:, None])).mean() for score in scores]).mean()


def real_loss(scores: list[Tensor], classes: Tensor) -> Tensor:
    """Non-saturating logistic loss of what should be taken for real; for the generator's pictures too."""
    return _class_scores(scores, classes, lambda score: F.softplus(-score))


def fake_loss(scores: list[Tensor], classes: Tensor) -> Tensor:
    """Non-saturating logistic loss of what should be taken for fake."""
    return _class_scores(scores, classes, F.softplus)


def r1_penalty(scores: list[Tensor], reals: Tensor) -> Tensor:
    """R1 of the published code: squares of d mean(scores) / d reals, summed and divided by the batch.

    The mean runs over all outputs and samples, unlike Mescheder et al. (2018). `reals` must require gradients.
    """
    output = torch.stack([score.mean() for score in scores]).mean()
    (gradient,) = torch.autograd.grad(output, reals, create_graph=True)
    return gradient.square().sum() / reals.shape[0]


def l1_loss(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over all elements; gradients flow into both."""
    return (a - b).abs().mean()
