"""One training iteration against the golden numbers."""

import copy
import json
from dataclasses import replace

import pytest
import torch

from models.batch import Batch, Codes, first_pictures
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.ema import update_average
from models.execution import Execution
from models.generator import Generator, GeneratorConfig
from models.loss_record import DivergedError
from models.losses import LossWeights
from models.optimizers import OptimizerConfig
from models.trainer import Trainer
from tests.golden_weights import GOLDEN, fill_from_names, golden_code, golden_input
from util.distributed import SINGLE_PROCESS

PAIRED_ONLY = LossWeights(adv=0, rec=0, cycle=0, identity=0, age=0, paired=3.0)


def make_trainer(execution, processes=SINGLE_PROCESS, *, weights=None, moving_average=True, outer_levels=0):
    generator = fill_from_names(Generator(GeneratorConfig(ngf=8, dim_per_class=4)))
    if outer_levels:
        generator.freeze_inner(outer_levels)
    return Trainer(
        generator,
        fill_from_names(MultiScaleDiscriminator(DiscriminatorConfig(ndf=8, layers=4))),
        weights=weights or LossWeights(),
        optimizer=OptimizerConfig(),
        rng=torch.Generator().manual_seed(0),
        noise_sigma=0.2,
        execution=execution,
        processes=processes,
        moving_average=moving_average,
    )


@pytest.fixture
def trainer():
    return make_trainer(Execution())


@pytest.fixture
def batch():
    return Batch(
        golden_input("A", (2, 3, 64, 64)),
        golden_input("B", (2, 3, 64, 64)),
        torch.tensor([0, 3]),
        torch.tensor([2, 5]),
    )


def golden_codes(step: str) -> Codes:
    def code(name, classes):
        return golden_code(f"{step}:{name}", classes, 6, 4)

    a_gen, b_gen = code("A_gen", [2, 5]), code("B_gen", [0, 3])
    source = torch.cat([code("A_orig", [0, 3]), code("B_orig", [2, 5])])
    return Codes(torch.cat([a_gen, b_gen]), torch.cat([b_gen, a_gen]), source)


def sums(module):
    return {name: [p.sum().item(), p.abs().sum().item()] for name, p in module.named_parameters()}


def moved_by_a_step(trainer, batch):
    """The parameters that an iteration changes, as pairs of network and name."""
    before = copy.deepcopy(trainer.networks)
    trainer.step(batch)
    return {
        (network, name)
        for network, module in trainer.networks.items()
        for name, parameter in module.named_parameters()
        if not torch.equal(parameter, before[network].get_parameter(name))
    }


def norms(module):
    return {name: p.grad.norm().item() for name, p in module.named_parameters() if p.grad is not None}


def test_the_golden_iteration(trainer, batch):
    golden = json.loads((GOLDEN / "small.json").read_text())
    near = lambda values, rel=1e-3: {name: pytest.approx(value, rel=rel) for name, value in values.items()}  # noqa: E731

    losses = trainer.discriminator_step(batch, golden_codes("d"))
    assert {n: v.item() for n, v in losses.items()} == near(golden["loss_D"]) | {
        "loss_D_reg": pytest.approx(golden["loss_D"]["loss_D_reg"], rel=2e-3)
    }
    assert norms(trainer.discriminator) == near(golden["grad_norm_D"])
    assert all(p.grad is None for p in trainer.generator.parameters())
    assert sums(trainer.discriminator) == near(golden["params_D_after"])

    losses = trainer.generator_step(batch, golden_codes("g"))
    assert {n: v.item() for n, v in losses.items()} == near(golden["loss_G"])
    assert norms(trainer.generator) == near(golden["grad_norm_G"])
    assert sums(trainer.generator) == near(golden["params_G_after"])

    update_average(trainer.average, trainer.generator)
    assert sums(trainer.average) == near(golden["params_ema_after"])


def test_made_pictures_are_the_golden_forward(trainer, batch):
    import numpy as np

    golden = np.load(GOLDEN / "small.npz")
    codes = golden_codes("g")
    made = trainer.generator(batch.reals, codes.target, codes.cycle, codes.source)
    for name, picture in {
        "rec": made.rec,
        "gen": made.gen,
        "cyc": made.cyc,
        "orig_id": made.real_id,
        "orig_age": made.real_age,
        "fake_id": made.fake_id,
        "fake_age": made.fake_age,
    }.items():
        np.testing.assert_allclose(picture.detach().numpy(), golden[f"forward_{name}"], rtol=0, atol=1e-4)


def test_resumed_trainer_goes_on_as_the_first(trainer, batch):
    trainer.step(batch)
    saved = {name: getattr(trainer, name).state_dict() for name in ("generator", "discriminator", "average")}
    saved = {name: {key: value.clone() for key, value in state.items()} for name, state in saved.items()}
    state = torch.load(_saved(trainer.state_dict()), weights_only=True)
    trainer.step(batch)
    expected = trainer.losses()
    for name, weights in saved.items():
        getattr(trainer, name).load_state_dict(weights)
    trainer.load_state_dict(state)
    trainer.step(batch)
    assert trainer.losses() == expected


def test_a_checkpoint_of_earlier_releases_resumes_exactly(trainer, batch):
    """Earlier releases saved a scheduler's state, and learning rates in the optimizers."""
    trainer.start_epoch(51)
    trainer.step(batch)
    weights = {name: network.state_dict() for name, network in copy.deepcopy(trainer.networks).items()}
    state = torch.load(_saved(trainer.state_dict()), weights_only=True)
    for name in ("optimizer_g", "optimizer_d"):
        for group in state[name]["param_groups"]:
            group |= {"initial_lr": 0.5, "lr": 0.25}
            del group["lr_scale"]
    state["schedules"] = [{"milestones": {50: 1, 100: 1}, "gamma": 0.5, "base_lrs": [1e-3], "last_epoch": 50}] * 2
    trainer.step(batch)

    resumed = make_trainer(Execution())
    for name, network in resumed.networks.items():
        network.load_state_dict(weights[name])
    resumed.load_state_dict(state)
    resumed.start_epoch(51)
    resumed.step(batch)
    assert resumed.losses() == trainer.losses()
    for name, network in resumed.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, trainer.networks[name].state_dict()[key]), (name, key)


def test_pictures_are_the_moving_averages_and_showing_them_changes_nothing(trainer, batch):
    for parameter in trainer.average.parameters():
        parameter.zero_()
    state = trainer.rng.get_state()
    made = trainer.show(batch)
    assert torch.equal(trainer.rng.get_state(), state)
    assert made.gen.shape == made.rec.shape == made.cyc.shape == (2, 3, 64, 64)
    for pictures in (made.gen, made.rec, made.cyc):
        assert not pictures.any(), "made by a network of zeros"
    labels = list(first_pictures(batch, made, ["a", "b", "c", "d", "e", "f"]))
    assert labels[:2] == ["A real a", "A synthesised c"]
    assert labels[4:6] == ["B real c", "B synthesised a"]


def test_without_a_moving_average_the_generator_is_used(batch):
    trainer = make_trainer(Execution(), moving_average=False)
    trainer.step(batch)
    assert trainer.average is trainer.generator
    assert list(trainer.networks) == ["G", "D"]
    kept = make_trainer(Execution())
    kept.step(batch)
    for name, value in kept.generator.state_dict().items():
        assert torch.equal(trainer.generator.state_dict()[name], value), name


def test_losses_are_read_only_when_asked_for(trainer, batch, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "tolist", lambda tensor: pytest.fail("waited for the GPU"))
        trainer.step(batch)
    assert all(value > 0 for value in trainer.losses().values())


def test_a_loss_that_was_not_finite_is_found_later(trainer, batch):
    trainer.step(batch)
    whole, trainer.weights = trainer.weights, LossWeights(cycle=torch.inf)
    trainer.step(batch)
    trainer.weights = whole
    for _ in range(2):
        trainer.step(batch)
    with pytest.raises(DivergedError, match="loss_G_Cycle is inf in iteration 2: "):
        trainer.losses()


def gradients(module):
    return {name: p.grad.clone() for name, p in module.named_parameters()}


@pytest.fixture
def without_minibatch_statistic(monkeypatch):
    """Removes the minibatch statistic, which depends on the whole batch, but which each part computes itself."""
    monkeypatch.setattr("models.discriminator.minibatch_stddev", lambda features: torch.zeros(()))


@pytest.fixture
def in_float64():
    """Computes in float64. At kinks of gradients (absolute values, rectifiers), float32 rounding decides the side."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("without_minibatch_statistic", "in_float64")
def test_a_batch_in_parts_has_the_gradients_of_the_whole(batch):
    made = {}
    batch = Batch(batch.A.double(), batch.B.double(), batch.A_class, batch.B_class)
    codes = {step: Codes(*(code.double() for code in vars(golden_codes(step)).values())) for step in "dg"}
    for parts in (1, 2):
        trainer = make_trainer(Execution(accumulate=parts))
        losses = trainer.discriminator_step(batch, codes["d"])
        of_d = gradients(trainer.discriminator)
        losses |= trainer.generator_step(batch, codes["g"])
        made[parts] = losses, of_d, gradients(trainer.generator)
    for whole, in_parts in zip(made[1], made[2], strict=True):
        for name, value in whole.items():
            if name == "loss_D_reg":
                continue
            torch.testing.assert_close(
                in_parts[name], value, rtol=1e-3, atol=1e-5 * float(value.abs().max()), msg=name
            )


def test_lazy_r1_counts_as_often_as_it_is_left_out(batch):
    each, lazy = make_trainer(Execution()), make_trainer(Execution(r1_interval=4))
    penalties = [
        trainer.discriminator_step(batch, golden_codes("d"))["loss_D_reg"].item() for trainer in (each, lazy)
    ]
    assert penalties[1] == pytest.approx(4 * penalties[0], rel=1e-3)
    shown = []
    for _ in range(4):
        lazy.iteration += 1
        reals = batch.A.clone()
        shown.append(lazy.discriminator_step(batch, golden_codes("d"))["loss_D_reg"].item())
        assert torch.equal(batch.A, reals)
    assert shown[:3] == [penalties[1]] * 3
    assert shown[3] != penalties[1]


def test_the_paired_loss_alone_trains_what_makes_pictures_and_nothing_else(batch):
    trainer = make_trainer(Execution(accumulate=2), weights=PAIRED_ONLY)
    moved = {(network, name.split(".")[0]) for network, name in moved_by_a_step(trainer, batch)}
    assert list(trainer.losses()) == ["loss_G_Paired"]
    assert moved == {(network, part) for network in ("G", "g_running") for part in ("id_encoder", "decoder")}


def test_the_generator_gets_the_inputs_and_the_losses_the_pictures(batch):
    changed = replace(batch, A_input=batch.B.flip(3), B_input=batch.A.flip(3))
    trainer = make_trainer(Execution(accumulate=2), weights=PAIRED_ONLY)
    codes = trainer.draw_codes(batch)
    with torch.no_grad():
        made = trainer.generator.synthesize(torch.cat([batch.B, batch.A]).flip(3), codes.target)
    losses = trainer.generator_step(changed, codes)
    expected = PAIRED_ONLY.paired * (made - torch.cat([batch.B, batch.A])).abs().mean()
    assert losses["loss_G_Paired"].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("weights", [PAIRED_ONLY, LossWeights()])
def test_the_inner_layers_can_keep_what_they_learned(batch, weights):
    trainer = make_trainer(Execution(), weights=weights, outer_levels=1)
    moved = {name for network, name in moved_by_a_step(trainer, batch) if network == "G"}
    parts = {".".join(name.split(".")[: 3 if name.startswith("id_") else 2]) for name in moved}
    outer = {"id_encoder.encoder.1", "id_encoder.encoder.5", "decoder.StyledConvBlock_up1", "decoder.conv_img"}
    assert {part for part in parts if not part.startswith("age_encoder.")} == outer
    assert any(part.startswith("age_encoder.") for part in parts) == bool(weights.age)


def test_bfloat16_keeps_losses_and_penalty_near(batch):
    losses = {}
    for precision in ("fp32", "bf16"):
        trainer = make_trainer(Execution(precision))
        losses[precision] = trainer.discriminator_step(batch, golden_codes("d"))
        losses[precision] |= trainer.generator_step(batch, golden_codes("g"))
        assert all(p.dtype == torch.float32 for p in trainer.generator.parameters())
    for name, value in losses["fp32"].items():
        assert losses["bf16"][name].dtype == torch.float32
        assert losses["bf16"][name].item() == pytest.approx(value.item(), rel=0.05), name
    assert losses["fp32"] != losses["bf16"]


def _saved(state):
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file
