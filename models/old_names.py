"""Renames parameters in files that earlier versions of this project wrote."""

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def with_current_names(weights: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Renames weights of `--normalize_mlp false` and `--conv_weight_norm false`, so that old files still load.

    Names that the network has stay unchanged. If a plain layer has become an equalised one, its weight is divided by
    the scale that the equalised layer applies.

    Args:
        weights: names and tensors of a file.
        current: names and tensors of the network that loads them.
    """
    unnormalized = "decoder.mlp.model.1.linear.bias" in weights and "decoder.mlp.model.0.linear.bias" in current
    renamed: dict[str, Any] = {}
    for name, value in weights.items():
        if unnormalized:
            # These files count placeholders where the other variant has norms.
            name = re.sub(r"(decoder\.mlp\.model\.)(\d+)", lambda m: f"{m[1]}{int(m[2]) // 3 * 2}", name)
            name = re.sub(r"(\.mlp_class_\w+)\.0\.", r"\1.", name)
        if name not in current and f"{name}_orig" in current and isinstance(value, Tensor):
            name, value = f"{name}_orig", value / math.sqrt(2 / math.prod(value.shape[1:]))
        elif name not in current:
            name = re.sub(r"\.conv\.(weight|bias)$", r".\1", name)
        renamed[name] = value
    return renamed


def same_order(weights: Mapping[str, Any], network: nn.Module) -> bool:
    """Whether a file holds the network's parameters, by their current names, in the same order."""
    own = dict(network.named_parameters())
    return [name for name in with_current_names(weights, network.state_dict()) if name in own] == list(own)
