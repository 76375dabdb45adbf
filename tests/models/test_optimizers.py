"""The learning rate follows from the epoch, and Adam's moments from the checkpoint."""

from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR

from models.generator import Generator, GeneratorConfig
from models.optimizers import (
    OptimizerConfig,
    discriminator_adam,
    generator_adam,
    learning_rate,
    load_moments,
    set_learning_rate,
    steady_step,
)


def rates(adam):
    return [group["lr"] for group in adam.param_groups]


def test_the_rate_halves_after_the_decay_epochs():
    config = OptimizerConfig()
    assert [learning_rate(config, epoch) for epoch in (1, 50)] == [1e-3, 1e-3]
    assert [learning_rate(config, epoch) for epoch in (51, 100)] == [5e-4, 5e-4]
    assert [learning_rate(config, epoch) for epoch in (101, 400)] == [2.5e-4, 2.5e-4]


def test_the_mapping_network_and_the_style_branches_are_slow():
    generator = Generator(GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2))
    slow = {}
    for branches in (True, False):
        config = OptimizerConfig(slow_style_branches=branches)
        adam = generator_adam(generator, config, capturable=False)
        assert rates(adam) == [1e-3, 1e-5]
        set_learning_rate(adam, config, epoch=51)
        assert rates(adam) == [5e-4, 5e-6]
        members = {id(parameter) for parameter in adam.param_groups[1]["params"]}
        slow[branches] = {name for name, parameter in generator.named_parameters() if id(parameter) in members}
    assert all(name.startswith("decoder.mlp.") for name in slow[False])
    assert all("mlp_class_" in name for name in slow[True] - slow[False])
    assert slow[False] < slow[True]


def test_a_steady_step_keeps_the_kernels_means_and_moves_the_rgb_layer_further():
    free, steady = (Generator(GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2)) for _ in range(2))
    free.freeze_inner(1)
    steady.freeze_inner(1)
    steady.load_state_dict(free.state_dict())
    before = {name: parameter.detach().clone() for name, parameter in free.named_parameters()}
    for generator, context in ((free, nullcontext()), (steady, steady_step(steady))):
        adam = generator_adam(generator, OptimizerConfig(), capturable=False)
        for parameter in generator.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.linspace(-1, 2, parameter.numel()).view_as(parameter)
        with context:
            adam.step()
    mean = partial(torch.mean, dim=(1, 2, 3), keepdim=True)
    close = partial(torch.testing.assert_close, atol=1e-6, rtol=0)
    differ = set()
    for (name, of_free), of_steady in zip(free.named_parameters(), steady.parameters(), strict=True):
        if name.startswith("decoder.conv_img."):
            close(of_steady - before[name], 10 * (of_free - before[name]))
        elif of_free.dim() == 4 and max(of_free.shape[2:]) > 1 and not name.startswith("age_encoder."):
            close(mean(of_steady), mean(before[name]))
            close(of_steady - mean(of_steady), of_free - mean(of_free))
            differ |= {name.split(".")[0]} if not torch.allclose(of_steady, of_free, atol=1e-5) else set()
            assert of_free.requires_grad or torch.equal(of_steady, before[name])
        else:
            assert torch.equal(of_steady, of_free), name
    assert differ == {"id_encoder", "decoder"}


def test_rates_equal_those_of_the_scheduler_of_earlier_releases_to_the_last_bit():
    config = OptimizerConfig(lr=0.0013, decay_gamma=0.3, decay_epochs=(1, 3, 4))
    adam = discriminator_adam(nn.Linear(1, 1), config, capturable=False)
    earlier = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=config.lr)
    schedule = MultiStepLR(earlier, list(config.decay_epochs), config.decay_gamma)
    for epoch in range(1, 7):
        set_learning_rate(adam, config, epoch)
        assert rates(adam) == rates(earlier)
        earlier.step()
        schedule.step()


def test_a_resumed_run_has_its_own_settings_and_the_moments_of_the_checkpoint():
    network = nn.Linear(2, 1)
    saved = discriminator_adam(network, OptimizerConfig(), capturable=False)
    network(torch.ones(1, 2)).backward()
    saved.step()
    config = OptimizerConfig(lr=0.5, betas=(0.5, 0.9))
    resumed = discriminator_adam(network, config, capturable=False)
    load_moments(resumed, saved.state_dict())
    assert rates(resumed) == [0.5]
    assert resumed.param_groups[0]["betas"] == (0.5, 0.9)
    assert torch.equal(resumed.state[network.weight]["exp_avg_sq"], saved.state[network.weight]["exp_avg_sq"])


def test_other_groups_of_parameters_do_not_fit():
    generator = Generator(GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2))
    saved = generator_adam(generator, OptimizerConfig(), capturable=False).state_dict()
    other = generator_adam(generator, OptimizerConfig(slow_style_branches=False), capturable=False)
    with pytest.raises(ValueError, match="group"):
        load_moments(other, saved)
