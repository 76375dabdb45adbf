"""Weights, inputs and age codes of the golden numbers, drawn from their names (tests/golden/README.md)."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

GOLDEN = Path(__file__).parent / "golden"

# Constant buffers that keep their values: blur kernels, which the discriminator stores under the names of its layers.
_CONSTANT = re.compile(r"blur|^model\.\d+\.conv1\.0\.weight(_flip)?$")


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def fill_from_names(module: nn.Module) -> nn.Module:
    """Fills every tensor of the state dict with the values that its name determines."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not _CONSTANT.search(name):
                values = _rng(name).standard_normal(tuple(tensor.shape)).astype(np.float32)
                tensor.copy_(torch.from_numpy(values * np.float32(0.1) if name.endswith("bias") else values))
    return module


def golden_input(name: str, shape: Sequence[int]) -> Tensor:
    """The input called `name`, uniform in [-1, 1]."""
    return torch.from_numpy(_rng(f"input:{name}").uniform(-1, 1, tuple(shape)).astype(np.float32))


def golden_code(name: str, classes: Sequence[int], num_classes: int, dim: int) -> Tensor:
    """The age codes called `name`, (len(classes), num_classes * dim)."""
    noise = _rng(f"cond:{name}").standard_normal((len(classes), num_classes * dim)).astype(np.float32)
    code = noise * np.float32(0.2)
    for row, index in enumerate(classes):
        code[row, index * dim : (index + 1) * dim] += 1
    return torch.from_numpy(code)
