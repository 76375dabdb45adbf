"""The losses of the method (docs/method.md, Losses; the paper's section 3.3) as functions of tensors.

Scores are lists over the discriminator's scales of (B, num_classes, h, w). Every loss is taken at each position, and
then averaged over positions, samples and scales.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.batch import Batch, Codes
from models.generator import TrainingForward


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses.

    Attributes:
        adv: weight of the generator's adversarial loss, 1 in the paper; with 0 there is no discriminator.
        id_warmup: iterations over which the identity weight rises from 0 to its value. A constant encoder satisfies
            that loss, and training can fall into it while pictures are still flat (docs/training_notes.md).
        id_stop_gradient: whether the identity loss pulls the features of a synthesised picture to the input's and not
            vice versa. Then it does not reward a constant encoder. The paper's loss pulls both to each other.
        paired: weight of the difference to the partner's picture, where a pair is one person. The paper has no such
            pairs, so its value is 0.
        ssim: weight of the structural dissimilarity to that picture, 0 in the paper.
    """

    adv: float = 1.0
    rec: float = 10.0
    cycle: float = 10.0
    identity: float = 1.0
    age: float = 1.0
    r1: float = 10.0
    id_warmup: int = 0
    id_stop_gradient: bool = False
    paired: float = 0.0
    ssim: float = 0.0

    @property
    def of_target_only(self) -> bool:
        """Whether all losses are of the pictures at the target age, so that nothing else has to be made."""
        return not (self.rec or self.cycle or self.identity or self.age)

    def identity_at(self, iteration: int) -> float:
        """The identity weight after `iteration` iterations."""
        return self.identity * min(1.0, iteration / self.id_warmup) if self.id_warmup else self.identity


def discriminator_losses(
    weights: LossWeights,
    *,
    batch: Batch,
    real_scores: Sequence[Tensor],
    fake_scores: Sequence[Tensor],
    penalised: Tensor | None = None,
    r1_scale: float = 1.0,
) -> dict[str, Tensor]:
    """The discriminator's weighted losses by their logged names.

    R1 is left out unless `penalised` holds the pictures of `real_scores`, with gradients; `r1_scale` multiplies it.
    """
    losses = {
        "loss_D_real": real_loss(_float(real_scores), batch.source),
        "loss_D_fake": fake_loss(_float(fake_scores), batch.target),
    }
    if penalised is not None:
        losses["loss_D_reg"] = weights.r1 * r1_scale * r1_penalty(real_scores, penalised)
    return losses


def generator_losses(
    weights: LossWeights,
    *,
    batch: Batch,
    codes: Codes,
    made: TrainingForward,
    scores: Sequence[Tensor],
    iteration: int,
) -> dict[str, Tensor]:
    """The generator's weighted losses by their logged names; `scores` are the discriminator's of `made.gen`."""
    made, reals = made.map(Tensor.float), batch.reals
    age = l1_loss(made.fake_age, codes.target) + l1_loss(made.real_age, codes.source)
    real_id = made.real_id.detach() if weights.id_stop_gradient else made.real_id
    return {
        **target_losses(weights, batch=batch, gen=made.gen, scores=scores),
        "loss_G_Cycle": weights.cycle * l1_loss(made.cyc, reals),
        "loss_G_Rec": weights.rec * l1_loss(made.rec, reals),
        "loss_G_identity_reconst": weights.identity_at(iteration) * l1_loss(made.fake_id, real_id),
        "loss_G_age_reconst": weights.age * age,
    }


def target_losses(weights: LossWeights, *, batch: Batch, gen: Tensor, scores: Sequence[Tensor]) -> dict[str, Tensor]:
    """The generator's weighted losses that see only `gen`, its pictures at the target age (2B, 3, H, W) in [-1, 1].

    A loss of weight 0 is left out. `scores` are the discriminator's of `gen`; without an adversarial loss they may be
    empty.
    """
    losses = {}
    if weights.adv:
        losses["loss_G_Adv"] = weights.adv * real_loss(_float(scores), batch.target)
    if weights.paired:
        losses["loss_G_Paired"] = weights.paired * l1_loss(gen.float(), batch.partners)
    if weights.ssim:
        losses["loss_G_SSIM"] = weights.ssim * ssim_loss(gen.float(), batch.partners)
    return losses


def real_loss(scores: Sequence[Tensor], classes: Tensor) -> Tensor:
    """Non-saturating logistic loss that pulls scores towards "real". The generator minimises it on its pictures."""
    return _class_scores(scores, classes, lambda score: F.softplus(-score))


def fake_loss(scores: Sequence[Tensor], classes: Tensor) -> Tensor:
    """Non-saturating logistic loss that pulls scores towards "fake"."""
    return _class_scores(scores, classes, F.softplus)


def r1_penalty(scores: Sequence[Tensor], reals: Tensor) -> Tensor:
    """R1 as in the published code: squares of d mean(scores) / d reals, summed and divided by the batch.

    The mean runs over all outputs and samples, unlike in Mescheder et al. (2018). `reals` must require gradients.
    """
    output = torch.stack([score.mean() for score in scores]).mean()
    (gradient,) = torch.autograd.grad(output, reals, create_graph=True)
    return gradient.square().sum() / reals.shape[0]


def l1_loss(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over all elements; gradients flow into both."""
    return (a - b).abs().mean()


def ssim_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 minus the mean structural similarity of images (B, C, H, W) in [-1, 1], for each channel.

    SSIM of Wang et al. (2004): Gaussian windows of 11x11 pixels, sigma 1.5; at the borders they are cut off. Where a
    generator is not sure, the mean difference rewards a blur; this also compares contrasts (Zhao et al. 2017).
    """
    a, b = (a + 1) / 2, (b + 1) / 2
    moments = torch.stack([a, b, a * a, b * b, a * b])
    down, across = (_window_means(size, a.device) for size in a.shape[2:])
    mean_a, mean_b, square_a, square_b, product = down @ moments @ across.T
    c1, c2 = 0.01**2, 0.03**2
    means, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    similarity = (2 * means + c1) * (2 * (product - means) + c2)
    return 1 - (similarity / ((squares + c1) * (square_a + square_b - squares + c2))).mean()


def _window_means(size: int, device: torch.device) -> Tensor:
    """The matrix (size, size) that replaces each of `size` values by the mean in the Gaussian window around it."""
    places = torch.arange(size, device=device)
    distances = places[:, None] - places
    window = torch.exp(distances**2 / (-2 * 1.5**2)) * (distances.abs() <= 5)
    return window / window.sum(dim=1, keepdim=True)


def _class_scores(scores: Sequence[Tensor], classes: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean loss over the scores of each sample's own class; classes (B,) int64."""

    def of_class(score: Tensor) -> Tensor:
        rest = score.shape[2:]
        return score.gather(1, classes.view(-1, 1, *(1 for _ in rest)).expand(-1, 1, *rest))

    return torch.stack([loss(of_class(score)).mean() for score in scores]).mean()


def _float(scores: Sequence[Tensor]) -> list[Tensor]:
    """Scores from bfloat16 arithmetic in float32, where the losses are computed."""
    return [score.float() for score in scores]
