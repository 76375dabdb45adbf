"""The paper's equations on numbers that can be checked by hand."""

import math

import numpy as np
import pytest
import torch

from evaluation.metrics import ssim
from models.batch import Batch, Codes
from models.generator import TrainingForward
from models.losses import LossWeights, discriminator_losses, generator_losses, ssim_loss

WEIGHTS = LossWeights(rec=2.0, cycle=3.0, identity=5.0, age=7.0, r1=11.0)


@pytest.fixture
def batch():
    """A white and a black picture, of the classes 0 and 1."""
    return Batch(torch.ones(1, 3, 2, 2), -torch.ones(1, 3, 2, 2), torch.tensor([0]), torch.tensor([1]))


def softplus(x):
    return math.log1p(math.exp(x))


def values(losses):
    return {name: loss.item() for name, loss in losses.items()}


def test_the_discriminator_is_scored_by_the_classes_that_pictures_show_and_are_to_show(batch):
    real, fake = torch.tensor([[1.0, 9.0], [9.0, 2.0]]), torch.tensor([[9.0, 3.0], [4.0, 9.0]])
    losses = discriminator_losses(WEIGHTS, batch=batch, real_scores=[real], fake_scores=[fake])
    assert values(losses) == pytest.approx(
        {"loss_D_real": (softplus(-1) + softplus(-2)) / 2, "loss_D_fake": (softplus(3) + softplus(4)) / 2}
    )


def test_losses_average_over_the_scales(batch):
    zeros, ones = torch.zeros(2, 2), torch.ones(2, 2)
    losses = discriminator_losses(WEIGHTS, batch=batch, real_scores=[zeros, ones], fake_scores=[zeros, ones])
    assert losses["loss_D_real"].item() == pytest.approx((softplus(0) + softplus(-1)) / 2)


def test_the_loss_is_taken_at_every_position_and_then_averaged(batch):
    real = torch.tensor([[[[1.0, 2.0]], [[9.0, 9.0]]], [[[9.0, 9.0]], [[3.0, 4.0]]]])
    losses = discriminator_losses(WEIGHTS, batch=batch, real_scores=[real], fake_scores=[real])
    assert losses["loss_D_real"].item() == pytest.approx(sum(softplus(-x) for x in (1, 2, 3, 4)) / 4)


def test_r1_squares_the_gradient_of_the_mean_score(batch):
    reals = batch.reals.requires_grad_()
    scores = reals.sum(dim=(1, 2, 3))[:, None].expand(2, 2)
    losses = discriminator_losses(
        WEIGHTS, batch=batch, real_scores=[scores], fake_scores=[scores], penalised=reals, r1_scale=4.0
    )
    # Each of 2 * 12 values moves the mean by half; the sum of squares is divided by the batch of 2.
    assert losses["loss_D_reg"].item() == pytest.approx(11 * 4 * (24 * 0.5**2) / 2)


def test_the_generator_is_scored_by_pictures_features_and_the_scores_of_the_target_classes(batch):
    ones = torch.ones(2, 4)
    codes = Codes(target=ones, cycle=ones, source=0 * ones)
    made = TrainingForward(
        rec=batch.reals + 0.5,
        gen=batch.partners - 0.25,
        cyc=batch.reals - 1,
        real_id=ones,
        fake_id=3 * ones,
        real_age=0.5 * ones,
        fake_age=ones,
    )
    scores = torch.tensor([[9.0, 1.0], [2.0, 9.0]])
    losses = generator_losses(WEIGHTS, batch=batch, codes=codes, made=made, scores=[scores], iteration=0)
    assert values(losses) == pytest.approx(
        {
            "loss_G_Adv": (softplus(-1) + softplus(-2)) / 2,
            "loss_G_Cycle": 3.0,
            "loss_G_Rec": 2 * 0.5,
            "loss_G_identity_reconst": 5 * 2.0,
            "loss_G_age_reconst": 7 * 0.5,
        }
    )
    paired = LossWeights(paired=8.0, ssim=3.0)
    losses = generator_losses(paired, batch=batch, codes=codes, made=made, scores=[scores], iteration=0)
    assert losses["loss_G_Paired"].item() == pytest.approx(8 * 0.25)
    assert losses["loss_G_SSIM"].item() == pytest.approx(3 * ssim_loss(made.gen, batch.partners).item())


def test_the_identity_weight_warms_up():
    weights = LossWeights(identity=2.0, id_warmup=100)
    assert [weights.identity_at(i) for i in (0, 50, 100, 1000)] == [0.0, 1.0, 2.0, 2.0]
    assert LossWeights(identity=2.0).identity_at(0) == 2.0


@pytest.mark.parametrize("stops", [False, True])
def test_a_stopped_identity_loss_changes_the_result_only(stops):
    batch = Batch(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.tensor([0]), torch.tensor([1]))
    codes = Codes(*(torch.zeros(2, 4) for _ in range(3)))
    target, made_of_it = (torch.full((2, 4), value, requires_grad=True) for value in (1.0, 3.0))
    images, ages = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4)
    made = TrainingForward(images, images, images, real_id=target, real_age=ages, fake_id=made_of_it, fake_age=ages)
    losses = generator_losses(
        LossWeights(id_stop_gradient=stops),
        batch=batch,
        codes=codes,
        made=made,
        scores=[torch.ones(2, 4)],
        iteration=0,
    )
    assert losses["loss_G_identity_reconst"].item() == 2.0
    losses["loss_G_identity_reconst"].backward()
    assert made_of_it.grad.sum() == 1
    assert (target.grad is None) if stops else target.grad.sum() == -1


def test_the_ssim_loss_is_that_of_the_measured_ssim():
    rng = np.random.default_rng(0)
    # What differs lies so far from the borders that it makes no difference how a window goes on beyond them.
    truth, made = np.full((2, 40, 48, 3), 90, np.uint8)
    truth[14:26, 14:34] = rng.integers(0, 256, (12, 20, 1))
    made[14:26, 14:34] = truth[14:26, 14:34] // 2 + rng.integers(0, 99, (12, 20, 1), np.uint8)
    a, b = (torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1 for pixels in (made, truth))
    everywhere = np.ones((40, 48), bool)
    assert ssim_loss(a, b).item() == pytest.approx(1 - ssim(made, truth, everywhere), abs=1e-5)
    assert ssim_loss(b, b).item() == pytest.approx(0, abs=1e-6)
