"""Weights and training state on disk (spec/method.md section 8)."""

import math
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from models.old_names import with_current_names
from util.errors import UserError
from util.files import atomic_path

Network = Literal["G", "D", "g_running"]

# Parameters that have a block for each class, and the dimension they have it in.
_CLASS_BLOCKS = (
    (r"decoder\.mlp\.model\.[01]\..*weight", 1),
    (r"age_encoder\.encoder\.15\.", 0),
    (r"(coarser\.\d+\.)?gan_head\.3\.", 0),
)

# Of a wider network's initial weights, in what it takes over from a narrower one.
_FRESH_SHARE = 0.03

# Which option decides the size or presence of a parameter; the first match counts.
_DECIDING_OPTIONS = (
    (r"decoder\.StyledConvBlock_up", "--ngf, --n_downsample or --use_modulated_conv"),
    (r"decoder\.StyledConvBlock_\d", "--n_adaptive_blocks, --ngf or --use_modulated_conv"),
    (r"decoder\.mlp\.model\.[01]\.", "--sort_order (number of classes) or --gen_dim_per_style"),
    (r"age_encoder\.encoder\.15\.", "--sort_order (number of classes), --gen_dim_per_style or --ngf"),
    (r"(id_encoder|age_encoder|decoder)\.", "--ngf, --n_downsample or --conv_weight_norm"),
    (r"gan_head\.3\.", "--sort_order (number of classes), --ndf or --n_layers_D"),
    (r"coarser\.", "--num_D"),
    (r"(model|gan_head)\.", "--ndf or --n_layers_D"),
)


class CheckpointFolder:
    """The files of one experiment, `<checkpoints_dir>/<name>/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def weights(self, epoch: str, network: Network) -> Path:
        """`<epoch|latest>_net_<network>.pth`: plain weights under the published names."""
        return self.path / f"{epoch}_net_{network}.pth"

    def state(self, epoch: str) -> Path:
        """`<epoch|latest>_state.pth`: all that resuming needs, weights included, in one file.

        A run that is killed while it saves therefore never resumes from a mixture of old and new files.
        """
        return self.path / f"{epoch}_state.pth"

    def write(self, epoch: str, networks: Mapping[Network, nn.Module], state: Mapping[str, Any]) -> None:
        """Writes the weights of every network and the training state: all of them, or, on a full disk, none.

        Raises:
            UserError: they cannot be written; the files of this epoch that are there stay as they were.
        """
        weights = {name: network.state_dict() for name, network in networks.items()}
        files = {self.weights(epoch, name): content for name, content in weights.items()}
        try:
            # The files take their names when the stack is left, after the last one was written.
            with ExitStack() as stack:
                for path, content in [*files.items(), (self.state(epoch), {"networks": weights, **state})]:
                    _save(content, stack.enter_context(atomic_path(path)))
        except UserError as error:
            raise UserError(f"{error}; the checkpoint before this one is whole") from error

    def write_position(self, epoch: int, pairs: int) -> None:
        """`iter.txt`: the epoch and the training pairs done in it."""
        with atomic_path(self.path / "iter.txt") as temporary:
            temporary.write_text(f"{epoch},{pairs}\n")


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Saves tensors and plain values, atomically; readable by `torch.load(weights_only=True)`."""
    with atomic_path(path) as temporary:
        _save(dict(content), temporary)


def read_tensors(path: Path) -> dict[str, Any]:
    """What a file of tensors and plain values holds, on the CPU. No code in the file is ever run.

    Raises:
        UserError: the file is missing, truncated, or holds anything else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; check --name and --which_epoch, or run python download_models.py")
    with path.open("rb") as file:
        magic = file.read(4)
    # A zip archive, or the pickle of releases before 1.6.
    if magic and not magic.startswith((b"PK", b"\x80")):
        raise UserError(f"{path}: no PyTorch file; give a .pth file of weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds more than plain tensors; it is not loaded, since that could run code"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: truncated or damaged ({_first_line(error)}); download or copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    return content


def export_half(source: Path, target: Path) -> None:
    """Copies a file of weights in half precision, for shipping: half the size, and `load_weights` reads it alike."""
    write_tensors(target, {name: value.half() for name, value in read_tensors(source).items()})


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads a published file or one of ours, whole or not at all.

    Raises:
        UserError: as `read_tensors`; or names or shapes do not fit, and then which option decides them.
    """
    adopt_weights(network, read_tensors(path), path)


def load_pretrained_weights(
    network: nn.Module, path: Path, old: Sequence[str], new: Sequence[str], copies: int = 1
) -> None:
    """Loads weights of another model to train on from, which may have other age classes and a narrower generator.

    What belongs to a class is taken from the class of the same name; for one that the model does not know, from the
    class at the nearest place in its order.

    Args:
        network: that takes the weights.
        path: the other model's file.
        old, new: the other model's classes, and this one's.
        copies: how many times as wide this network is; above 1 only a generator whose decoder has modulated
            convolutions and PixelNorm.

    Raises:
        UserError: as `load_weights`.
    """
    step = (len(old) - 1) / (len(new) - 1)
    sources = [old.index(name) if name in old else round(place * step) for place, name in enumerate(new)]
    weights = {name.removeprefix("module."): value for name, value in read_tensors(path).items()}
    fresh = network.state_dict()
    for name, value in weights.items():
        # Anything else is told by adopt_weights.
        if isinstance(value, Tensor) and name in fresh:
            of_classes = next((dim for pattern, dim in _CLASS_BLOCKS if re.match(pattern, name)), None)
            if of_classes is not None and of_classes < value.dim():
                blocks = value.tensor_split(len(old), of_classes)
                value = torch.cat([blocks[source] for source in sources], of_classes)
            weights[name] = _widened(name, value, fresh[name], copies, of_classes)
    adopt_weights(network, weights, path)


def _widened(name: str, value: Tensor, fresh: Tensor, copies: int, fixed: int | None) -> Tensor:
    """A parameter of a narrower generator for a wider one, which then makes nearly the same pictures.

    Every channel is there several times, and those that read it share their weight among the copies (Chen, Goodfellow
    and Shlens 2016, "Net2Net"). A little of the wider network's initial weights lets the copies part in training.
    What is of another shape even so is left as it is, as is all if the dimension `fixed` would have to grow.
    """
    if copies == 1 or value.dim() != fresh.dim() or value.shape == fresh.shape:
        return value
    times = [1 if new == old else copies for new, old in zip(fresh.shape, value.shape, strict=True)]
    wide = value.float().repeat(times)
    if wide.shape != fresh.shape or (fixed is not None and times[fixed] > 1):
        return value
    if "bias" in name:
        # A modulated convolution's output grows with its inputs, and is normalised after the bias.
        return wide * math.sqrt(times[1]) if value.dim() == 4 else wide
    if "blur" in name:
        return wide
    if re.search(r"conv[01]\.weight$", name):
        share = 1.0  # demodulation divides
    else:
        # The equalised scale has a part of the division.
        share = math.sqrt(times[1]) if "weight_orig" in name else times[1]
    return wide / share + _FRESH_SHARE * fresh.cpu()


def adopt_weights(network: nn.Module, weights: Mapping[str, Any], source: Path) -> None:
    """Copies weights into a network after all of them were checked; `module.` prefixes are dropped.

    Raises:
        UserError: a name or shape does not fit; it names the source, the parameter and the option.
    """
    own = network.state_dict()
    weights = with_current_names({name.removeprefix("module."): value for name, value in weights.items()}, own)
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise UserError(f"{source}: '{name}' is no tensor; is it a file of weights?")
        if name not in own:
            raise UserError(f"{source}: has '{name}', which this network has not; {_remedy(name)}")
        if value.shape != own[name].shape:
            shapes = f"{tuple(value.shape)} there, {tuple(own[name].shape)} here"
            raise UserError(f"{source}: '{name}' is {shapes}; {_remedy(name)}")
    for name in own:
        if name not in weights:
            raise UserError(f"{source}: lacks '{name}'; {_remedy(name)}")
    network.load_state_dict(dict(weights))


def _save(content: Mapping[str, Any], path: Path) -> None:
    try:
        torch.save(dict(content), path)
    except RuntimeError as error:
        # torch's own writer does not say why; that a file cannot be written in full is nearly always a full disk.
        raise OSError(f"writing failed: {_first_line(error)}") from error


def _remedy(name: str) -> str:
    for pattern, option in _DECIDING_OPTIONS:
        if re.match(pattern, name):
            return f"give {option} as in its training"
    return "is it a file of this kind of network?"


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0].split(". ")[0]
