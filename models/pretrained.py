"""Starting from another model, with other age classes, a narrower generator or one for smaller pictures.

docs/training_notes.md has the reasons.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from models.checkpoint import CheckpointFolder, Network, adopt_weights, read_weights
from models.generator import LAYERS_PER_LEVEL, GeneratorConfig
from util.errors import UserError

logger = logging.getLogger(__name__)

# Parameters that have a block for each class, and the dimension that the blocks are in.
_CLASS_BLOCKS = (
    (r"decoder\.mlp\.model\.[01]\..*weight", 1),
    (r"age_encoder\.encoder\.15\.", 0),
    (r"(coarser\.\d+\.)?gan_head\.3\.", 0),
)

# How much of a wider network's initial weights is added to those that it takes from a narrower one.
_FRESH_SHARE = 0.03


@dataclass(frozen=True)
class PretrainedModel:
    """A model to start from: its folder, the checkpoint in it, its classes, and the size of its generator."""

    folder: CheckpointFolder
    epoch: str
    classes: Sequence[str]
    ngf: int
    downsamplings: int


def load_pretrained(
    networks: Mapping[Network, nn.Module], model: PretrainedModel, *, classes: Sequence[str], config: GeneratorConfig
) -> None:
    """Gives networks of the classes the weights of another model, which may have only one kind of generator.

    Raises:
        UserError: a file is missing or damaged, or its weights do not fit.
    """
    files = {name: model.folder.weights(model.epoch, name) for name in get_args(Network)}
    there = {name: path for name, path in files.items() if path.is_file()}
    generators = [there[name] for name in ("G", "g_running") if name in there]
    if not generators:
        raise UserError(
            f"--load_pretrain {model.folder.path}: has neither {files['G'].name} nor {files['g_running'].name}; give "
            "the folder of a model, and --which_epoch if that is not its latest"
        )
    levels = config.downsamplings - model.downsamplings
    copies = _copies(model, config, levels)
    for name, network in networks.items():
        if name != "D":
            # Whichever of the two is missing starts from the other.
            path = there.get(name, generators[0])
            load_pretrained_weights(network, path, old=model.classes, new=classes, copies=copies, levels=levels)
        elif name in there:
            load_pretrained_weights(network, there[name], old=model.classes, new=classes)
        else:
            logger.info("%s has no weights of it: the discriminator begins anew", model.folder.path)


def load_pretrained_weights(
    network: nn.Module, path: Path, *, old: Sequence[str], new: Sequence[str], copies: int = 1, levels: int = 0
) -> None:
    """Loads a file of another model's weights.

    The blocks of a class are taken from the class of the same name. A class that the other model does not know takes
    those of the class at the nearest place in its order.

    Args:
        network: takes the weights.
        path: the other model's file.
        old: the other model's classes.
        new: this network's classes.
        copies: how many times as wide this network is; more than 1 only for a generator that `_copies` accepts.
        levels: how many resolutions this generator has outside the other's. Their layers, and the age encoder, which
            sees pictures of another size, keep the weights that the network has.

    Raises:
        UserError: as `models.checkpoint.load_weights`.
    """
    step = (len(old) - 1) / (len(new) - 1)
    sources = [old.index(name) if name in old else round(place * step) for place, name in enumerate(new)]
    fresh = network.state_dict()
    weights = read_weights(path, fresh)
    if levels > 0:
        weights = _with_outer_levels(weights, fresh, levels)
    for name, value in weights.items():
        # What does not fit is reported by adopt_weights.
        if isinstance(value, Tensor) and name in fresh:
            class_dim = next((dim for pattern, dim in _CLASS_BLOCKS if re.match(pattern, name)), None)
            if class_dim is not None and class_dim < value.dim():
                blocks = value.tensor_split(len(old), class_dim)
                value = torch.cat([blocks[source] for source in sources], class_dim)
            weights[name] = _widened(name, value, fresh=fresh[name], copies=copies, fixed_dim=class_dim)
    adopt_weights(network, weights, path)


def _with_outer_levels(weights: Mapping[str, Any], fresh: Mapping[str, Tensor], levels: int) -> dict[str, Any]:
    """A generator's weights as the inner layers of one with more `levels` of resolution; the rest is `fresh`."""
    inner = {}
    for name, value in weights.items():
        encoder = re.match(r"id_encoder\.encoder\.(\d+)\.", name)
        if encoder and int(encoder[1]) >= LAYERS_PER_LEVEL:
            place = int(encoder[1]) + LAYERS_PER_LEVEL * levels
            inner[f"id_encoder.encoder.{place}.{name[encoder.end() :]}"] = value
        elif not encoder and not name.startswith(("age_encoder.", "decoder.conv_img.")):
            inner[name] = value
    return {**fresh, **inner}


def _copies(model: PretrainedModel, config: GeneratorConfig, levels: int) -> int:
    """How many copies of each channel a wider generator takes; raises UserError if they would change its pictures.

    It is 1 also if the widths do not divide. Loading then reports the shapes that do not fit.
    """
    width = config.ngf * 2 ** max(levels, 0)
    if model.ngf == width or width % model.ngf:
        return 1
    if not config.modulated or not config.decoder_pixel_norm:
        raise UserError(
            f"--ngf {config.ngf}: the pretrained model has {model.ngf}, and only one with --use_modulated_conv and "
            "--decoder_norm pixel can be made wider; leave --ngf out"
        )
    copies = width // model.ngf
    logger.info("%s: each channel of its --ngf %d is taken %d times", model.folder.path, model.ngf, copies)
    return copies


def _widened(name: str, value: Tensor, *, fresh: Tensor, copies: int, fixed_dim: int | None) -> Tensor:
    """A narrower generator's parameter for a wider generator, which then makes nearly the same pictures.

    Each channel is repeated, and the layers that read it share their weight among the copies (Chen, Goodfellow and
    Shlens 2016, "Net2Net"). A little of the wider network's initial weights lets the copies part in training. If the
    shape still differs, or if `fixed_dim` would have to grow, the parameter is returned unchanged.
    """
    if copies == 1 or value.dim() != fresh.dim() or value.shape == fresh.shape:
        return value
    times = [1 if new == old else copies for new, old in zip(fresh.shape, value.shape, strict=True)]
    wide = value.float().repeat(times)
    if wide.shape != fresh.shape or (fixed_dim is not None and times[fixed_dim] > 1):
        return value
    if "bias" in name:
        # A modulated convolution's output grows with its inputs, and is normalised after the bias.
        return wide * math.sqrt(times[1]) if value.dim() == 4 else wide
    if "blur" in name:
        return wide
    if re.search(r"conv[01]\.weight$", name):
        share = 1.0  # demodulation divides
    else:
        # The equalised scale does a part of the division.
        share = math.sqrt(times[1]) if "weight_orig" in name else times[1]
    return wide / share + _FRESH_SHARE * fresh.cpu()
