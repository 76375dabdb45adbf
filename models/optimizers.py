"""Adam, its groups of parameters, and the learning rate of each epoch (docs/method.md, Losses)."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Adam

from models.generator import Generator
from models.initialization import kernels, mean_over_inputs

_MAPPING_LR_SCALE = 0.01
_RGB_STEP_SCALE = 10


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam and its schedule: the rate is multiplied by `decay_gamma` after each of `decay_epochs`.

    Attributes:
        slow_style_branches: whether the decoder's style branches learn a hundred times slower, as in the paper.
        steady_start: iterations in which the generator's steps are those of `steady_step`; 0 in the paper.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.999)
    decay_gamma: float = 0.5
    decay_epochs: tuple[int, ...] = (50, 100)
    slow_style_branches: bool = True
    steady_start: int = 0


def learning_rate(config: OptimizerConfig, epoch: int, scale: float = 1.0) -> float:
    """The rate during an epoch, counted from 1; `scale` is that of a group of parameters.

    The rate depends on nothing but the epoch that is trained. A resumed run therefore has the rate of the epoch that
    it goes on in: the same epoch for a checkpoint saved within it, the next one for a checkpoint saved at its end.
    """
    decays = sum(last < epoch for last in config.decay_epochs)
    # One factor after another: the powers of most factors round differently, and runs would not resume exactly.
    return math.prod([config.lr * scale] + [config.decay_gamma] * decays)


def set_learning_rate(adam: Adam, config: OptimizerConfig, epoch: int) -> None:
    """Gives each group of parameters its rate during an epoch."""
    for group in adam.param_groups:
        group["lr"] = learning_rate(config, epoch, group["lr_scale"])


def generator_adam(generator: nn.Module, config: OptimizerConfig, *, capturable: bool) -> Adam:
    """Adam for the generator, whose mapping network and, by default, style branches learn a hundred times slower."""
    slow_names = ("decoder.mlp.", ".mlp_class_") if config.slow_style_branches else ("decoder.mlp.",)
    fast: list[nn.Parameter] = []
    slow: list[nn.Parameter] = []
    for name, parameter in generator.named_parameters():
        (slow if any(part in name for part in slow_names) else fast).append(parameter)
    return _adam({1.0: fast, _MAPPING_LR_SCALE: slow}, config, capturable=capturable)


def discriminator_adam(discriminator: nn.Module, config: OptimizerConfig, *, capturable: bool) -> Adam:
    """Adam for the discriminator, all of whose parameters learn alike."""
    return _adam({1.0: list(discriminator.parameters())}, config, capturable=capturable)


@contextmanager
@torch.no_grad()
def steady_step(generator: Generator) -> Iterator[None]:
    """Within it, a step of Adam does not flatten the pictures, as it otherwise does to a new model.

    It does not change the means of the kernels that make pictures, one mean for each output channel. Rectified
    features are positive on average, so a step that moves a whole kernel one way adds a constant, which soon drowns
    what varies over space (docs/training_notes.md). The idea is that of gradient centralization (Yong et al. 2020);
    here it is applied to the step, because Adam's division would bring a mean back. The layer that makes RGB moves
    ten times as far, so that it reads the head off the features before these flatten.
    """
    parts = (generator.id_encoder, generator.decoder)
    moved = [kernel for part in parts for kernel in kernels(part) if kernel.requires_grad]
    means = [mean_over_inputs(kernel) for kernel in moved]
    rgb = list(generator.decoder.conv_img.parameters())
    before = [parameter.clone() for parameter in rgb]
    yield
    for kernel, mean in zip(moved, means, strict=True):
        kernel.add_(mean - mean_over_inputs(kernel))
    for parameter, old in zip(rgb, before, strict=True):
        parameter.add_(parameter - old, alpha=_RGB_STEP_SCALE - 1)


def load_moments(adam: Adam, saved: Mapping[str, Any]) -> None:
    """Takes Adam's moments from a saved `state_dict`; rates, betas and execution stay those of this run.

    Raises:
        KeyError, ValueError: the parameters are grouped differently there.
    """
    own = adam.state_dict()["param_groups"]
    groups = [{**group, "params": other["params"]} for group, other in zip(own, saved["param_groups"], strict=True)]
    adam.load_state_dict({"state": saved["state"], "param_groups": groups})


def _adam(groups: Mapping[float, list[nn.Parameter]], config: OptimizerConfig, *, capturable: bool) -> Adam:
    """Adam for parameters by the scale of their rate, which is that of the first epoch."""
    scaled = [{"params": parameters, "lr_scale": scale} for scale, parameters in groups.items()]
    adam = Adam(scaled, lr=config.lr, betas=config.betas, capturable=capturable, fused=True)
    set_learning_rate(adam, config, epoch=1)
    return adam
