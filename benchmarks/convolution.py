"""The speed of the machine's own best convolution, against which the networks are measured."""

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Row, alternated
from models.precision import Precision

# Batch, channels and side of 3x3 convolutions that keep the number of channels.
_SHAPES = ((1, 256, 64), (4, 256, 64), (1, 512, 64), (4, 512, 32), (1, 128, 128))


def best_convolution(precision: Precision, device: torch.device, rounds: int) -> float:
    """The most floating-point operations a second that any of several 3x3 convolutions reaches."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    works = {}
    for batch, channels, side in _SHAPES:
        make = partial(torch.rand, device=device, dtype=dtype)
        x = make(batch, channels, side, side).contiguous(memory_format=torch.channels_last)
        weight = make(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
        works[batch, channels, side] = partial(_convolve, x, weight)
    with torch.inference_mode():
        seconds = alternated({str(shape): work for shape, work in works.items()}, max(rounds, 5))
    operations = {str(shape): 2 * 9 * shape[0] * shape[1] ** 2 * shape[2] ** 2 for shape in works}
    return max(operations[shape] / seconds[shape] for shape in seconds)


def operations(network: nn.Module, *inputs: torch.Tensor) -> int:
    """Floating-point operations of a network's convolutions and products; all else is left out."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(*inputs)
    return counter.get_total_flops()


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """The best convolution in each precision."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        value = best_convolution(precision, device, rounds) / 1e9
        yield Row("best 3x3 convolution", precision, value, "GFLOP/s")


def _convolve(x: torch.Tensor, weight: torch.Tensor) -> None:
    F.conv2d(x, weight, padding=1)
    if x.is_cuda:
        torch.cuda.synchronize()
