"""The moving average of the generator's weights, which is the model that is used (docs/method.md, Generator)."""

import copy
from typing import TypeVar

from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

_Network = TypeVar("_Network", bound=nn.Module)

# average = 0.999 * average + 0.001 * current
_average = get_ema_multi_avg_fn(0.999)


def start_average(network: _Network) -> _Network:
    """A copy of the network to hold its moving average; it is never trained itself."""
    return copy.deepcopy(network).eval().requires_grad_(False)


def update_average(average: nn.Module, network: nn.Module) -> None:
    """Moves the average a thousandth of the way to the network's weights."""
    _average(list(average.parameters()), list(network.parameters()), 0)
