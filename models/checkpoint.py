"""Weights and training state on disk (docs/method.md, Weights on disk); `models/resume.py` goes on from them."""

import errno
import os
import pickle
import platform
import re
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.loss_record import DivergedError
from models.old_names import with_current_names
from util.errors import UserError
from util.files import atomic_path

if TYPE_CHECKING:
    # Commands that only load weights need not import the trainer.
    from models.trainer import Trainer

Network = Literal["G", "D", "g_running"]

# Only these files make a folder a run. Only these and the notes beside them may be removed.
_CHECKPOINT = re.compile(r"(latest|\d+)_(net_(G|D|g_running)|state)\.pth")
_NOTES = ("opt.txt", "iter.txt", "web/index.html")

# A disk with less free space, in bytes, is taken to be full after a write that failed.
_FULL_DISK = 1 << 20

# The option that decides the size or presence of a parameter; the first match counts.
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


@dataclass(frozen=True)
class Position:
    """Where a run goes on: the epoch, counted from 1, the batches done in it, and the pairs done in total."""

    epoch: int = 1
    batches: int = 0
    total_pairs: int = 0


class CheckpointFolder:
    """The files of one experiment, `<checkpoints_dir>/<name>/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> list[Path]:
        """The files of weights and states of a run, or of the published model of this name."""
        entries = self.path.iterdir() if self.path.is_dir() else ()
        return [path for path in entries if _CHECKPOINT.fullmatch(path.name)]

    def clear(self) -> None:
        """Removes `checkpoints`, the options, the position and the log page. Other files in the folder stay."""
        for path in [*self.checkpoints, *(self.path / name for name in _NOTES)]:
            path.unlink(missing_ok=True)

    def weights(self, epoch: str, network: Network) -> Path:
        """`<epoch|latest>_net_<network>.pth`: plain weights under the published names."""
        return self.path / f"{epoch}_net_{network}.pth"

    def state(self, epoch: str) -> Path:
        """`<epoch|latest>_state.pth`: everything that resuming needs, weights included.

        It is a single file, so that a run killed while saving never resumes from a mixture of old and new files.
        """
        return self.path / f"{epoch}_state.pth"

    def write(self, epoch: str, networks: Mapping[Network, nn.Module], state: Mapping[str, Any]) -> None:
        """Writes the weights of every network and the training state. If the disk is full, it writes none of them.

        Raises:
            UserError: a file cannot be written. The older files of this name are unchanged.
        """
        weights = {name: network.state_dict() for name, network in networks.items()}
        files = {self.weights(epoch, name): content for name, content in weights.items()}
        try:
            # The files get their names when the stack is closed, after the last one was written.
            with ExitStack() as stack:
                for path, content in [*files.items(), (self.state(epoch), {"networks": weights, **state})]:
                    _save(content, stack.enter_context(atomic_path(path)))
        except UserError as error:
            before = self.weights("latest", "G").is_file()
            kept = "the previous checkpoint is intact" if before else "nothing was saved"
            raise UserError(f"{error}; {kept}") from error

    def write_position(self, epoch: int, pairs: int) -> None:
        """Writes `iter.txt`: the epoch and the training pairs done in it."""
        with atomic_path(self.path / "iter.txt") as temporary:
            temporary.write_text(f"{epoch},{pairs}\n")


def save(
    folder: CheckpointFolder, names: Sequence[str], *, trainer: "Trainer", position: Position, pairs: int
) -> None:
    """Writes a checkpoint under each name: weights, training state and iter.txt. `pairs` is the batch size.

    Raises:
        DivergedError: a loss or a weight is no longer finite; nothing is written.
        UserError: the files cannot be written.
    """
    # All processes check the same weights, so either all of them stop here or none does.
    trainer.losses()
    for network, module in trainer.networks.items():
        for name, value in module.state_dict().items():
            # Finite losses can have gradients that are not finite.
            if not value.isfinite().all():
                raise DivergedError(f"network {network}: '{name}' is no longer finite", trainer.iteration)
    if not trainer.processes.writes:
        return
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    state = {
        "trainer": trainer.state_dict(),
        "position": {"epoch": position.epoch, "batches": position.batches},
        "total_pairs": position.total_pairs,
        "versions": versions,
    }
    for name in names:
        folder.write(name, trainer.networks, state)
        folder.write_position(position.epoch, position.batches * pairs)


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Saves tensors and plain values, atomically; readable by `torch.load(weights_only=True)`."""
    with atomic_path(path) as temporary:
        _save(dict(content), temporary)


def read_tensors(path: Path) -> dict[str, Any]:
    """Reads a file of tensors and plain values to the CPU. Code in the file is never run.

    Raises:
        UserError: the file is missing, truncated, or holds anything else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; check --name and --which_epoch, or run python download_models.py")
    with path.open("rb") as file:
        magic = file.read(4)
    # PyTorch writes a zip archive; releases before 1.6 wrote a pickle.
    if magic and not magic.startswith((b"PK", b"\x80")):
        raise UserError(f"{path}: not a PyTorch file; give a .pth file of weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds more than plain tensors; it is not loaded, since that could run code. If you trust it, "
            "save its weights alone: torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: truncated or damaged ({_first_line(error)}); download or copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    return content


def export_half(source: Path, target: Path) -> None:
    """Copies a file of weights in half precision, for publishing. `load_weights` reads such files, too."""
    write_tensors(target, {name: value.half() for name, value in read_tensors(source).items()})


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads all weights of a file, published or ours, or none of them.

    Raises:
        UserError: `read_tensors` or `adopt_weights` fails.
    """
    adopt_weights(network, read_weights(path, network.state_dict()), path)


def read_weights(path: Path, names: Collection[str]) -> dict[str, Any]:
    """The weights in a file; other programs store them inside a dictionary that holds other things too.

    The dictionary with most of a network's `names` is taken. If none has any, the one with most tensors is taken, so
    that the error message is about weights.

    Raises:
        UserError: `read_tensors` fails.
    """

    def fit(part: Mapping[str, Any]) -> tuple[int, int]:
        tensors = [name for name, value in part.items() if isinstance(value, Tensor)]
        return len([name for name in tensors if name in names]), len(tensors)

    return max(_dictionaries(read_tensors(path)), key=fit)


def adopt_weights(network: nn.Module, weights: Mapping[str, Any], source: Path) -> None:
    """Checks that weights fit a network, and copies them into it.

    Raises:
        UserError: a name or shape does not fit; the message names the source, the parameter and the option.
    """
    own = network.state_dict()
    weights = with_current_names(weights, own)
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise UserError(
                f"{source}: '{name}' is not a tensor; give a file of weights, as torch.save(network.state_dict(), "
                "FILE) writes it"
            )
        if name not in own:
            raise UserError(f"{source}: has '{name}', which this network lacks; {_remedy(name)}")
        if value.shape != own[name].shape:
            shapes = f"{tuple(value.shape)}, but {tuple(own[name].shape)} in this network"
            raise UserError(f"{source}: '{name}' is {shapes}; {_remedy(name)}")
    for name in own:
        if name not in weights:
            raise UserError(f"{source}: lacks '{name}'; {_remedy(name)}")
    network.load_state_dict(dict(weights))


def _dictionaries(content: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    """A dictionary and all dictionaries in it, without the prefixes of parallel and compiled networks."""
    yield {re.sub(r"^(module\.|_orig_mod\.)+", "", str(name)): value for name, value in content.items()}
    for value in content.values():
        if isinstance(value, Mapping):
            yield from _dictionaries(value)


def _save(content: Mapping[str, Any], path: Path) -> None:
    try:
        torch.save(dict(content), path)
    except RuntimeError as error:
        # torch does not say why it could not write the whole file.
        if shutil.disk_usage(path.parent).free < _FULL_DISK:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise OSError(f"writing failed: {_first_line(error)}") from error


def _remedy(name: str) -> str:
    for pattern, option in _DECIDING_OPTIONS:
        if re.match(pattern, name):
            return f"give {option} as in its training"
    return "check that the file is for this kind of network"


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0].split(". ")[0] or "it ends too early"
