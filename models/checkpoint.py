"""Weights and training state on disk (docs/method.md, Weights on disk); `models/resume.py` goes on from them."""

import pickle
import platform
import re
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
    # Commands that only load weights need not import what trains them.
    from models.trainer import Trainer

Network = Literal["G", "D", "g_running"]

# Only these files make a folder a run, and only these and its notes beside them may be cleared.
_CHECKPOINT = re.compile(r"(latest|\d+)_(net_(G|D|g_running)|state)\.pth")
_NOTES = ("opt.txt", "iter.txt", "web/index.html")

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


@dataclass(frozen=True)
class Position:
    """Where a run goes on: in which epoch, from 1, after how many batches of it, and after how many pairs in all."""

    epoch: int = 1
    batches: int = 0
    total_pairs: int = 0


class CheckpointFolder:
    """The files of one experiment, `<checkpoints_dir>/<name>/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> list[Path]:
        """The files of weights and states that a run has saved here, or that were downloaded."""
        there = self.path.iterdir() if self.path.is_dir() else ()
        return [path for path in there if _CHECKPOINT.fullmatch(path.name)]

    def clear(self) -> None:
        """Removes `checkpoints`, the options, the position, and the page of the log. Whatever else is there stays."""
        for path in [*self.checkpoints, *(self.path / name for name in _NOTES)]:
            path.unlink(missing_ok=True)

    def weights(self, epoch: str, network: Network) -> Path:
        """`<epoch|latest>_net_<network>.pth`: plain weights under the published names."""
        return self.path / f"{epoch}_net_{network}.pth"

    def state(self, epoch: str) -> Path:
        """`<epoch|latest>_state.pth`: everything that resuming needs, weights included.

        It is one file, so that a run that is killed while it saves never resumes from a mixture of old and new files.
        """
        return self.path / f"{epoch}_state.pth"

    def write(self, epoch: str, networks: Mapping[Network, nn.Module], state: Mapping[str, Any]) -> None:
        """Writes the weights of every network and the training state. On a full disk it writes none of them.

        Raises:
            UserError: they cannot be written. The epoch's older files are unchanged.
        """
        weights = {name: network.state_dict() for name, network in networks.items()}
        files = {self.weights(epoch, name): content for name, content in weights.items()}
        try:
            # The files get their names when the stack is left, after the last one was written.
            with ExitStack() as stack:
                for path, content in [*files.items(), (self.state(epoch), {"networks": weights, **state})]:
                    _save(content, stack.enter_context(atomic_path(path)))
        except UserError as error:
            before = self.weights("latest", "G").is_file()
            kept = "the checkpoint before this one is whole" if before else "nothing was saved"
            raise UserError(f"{error}; {kept}") from error

    def write_position(self, epoch: int, pairs: int) -> None:
        """Writes `iter.txt`: the epoch and the training pairs done in it."""
        with atomic_path(self.path / "iter.txt") as temporary:
            temporary.write_text(f"{epoch},{pairs}\n")


def save(
    folder: CheckpointFolder, names: Sequence[str], *, trainer: "Trainer", position: Position, pairs: int
) -> None:
    """Writes a checkpoint under each name: weights, training state and iter.txt. A batch has so many `pairs`.

    Raises:
        DivergedError: a loss or a weight is no longer finite; nothing is written.
        UserError: the files cannot be written.
    """
    # Every process checks, and all have the same weights: either all stop here or none does.
    trainer.losses()
    for network, module in trainer.networks.items():
        for name, value in module.state_dict().items():
            # Finite losses may have had gradients that were not.
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
    """Reads a file of tensors and plain values, onto the CPU. Code in the file is never run.

    Raises:
        UserError: the file is missing or truncated, or holds anything else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; check --name and --which_epoch, or run python download_models.py")
    with path.open("rb") as file:
        magic = file.read(4)
    # PyTorch writes a zip archive; releases before 1.6 wrote a pickle.
    if magic and not magic.startswith((b"PK", b"\x80")):
        raise UserError(f"{path}: no PyTorch file; give a .pth file of weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds more than plain tensors; it is not loaded, since that could run code. If you trust it, "
            "save its weights alone: torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: truncated or damaged ({_first_line(error)}); download or copy it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors")
    return content


def export_half(source: Path, target: Path) -> None:
    """Copies a file of weights in half precision, for shipping. `load_weights` reads it as it reads the original."""
    write_tensors(target, {name: value.half() for name, value in read_tensors(source).items()})


def load_weights(network: nn.Module, path: Path) -> None:
    """Loads all weights of a published file or of ours, or none.

    Raises:
        UserError: as `read_tensors`; or a name or shape does not fit, and then the option that decides it is named.
    """
    adopt_weights(network, read_weights(path, network.state_dict()), path)


def read_weights(path: Path, names: Collection[str]) -> dict[str, Any]:
    """The weights in a file, which other programs wrap in a dictionary beside other things.

    Of all dictionaries in the file it takes the one with most of a network's `names`. Without any it takes the one
    with most tensors, so that the message about what does not fit is about weights.

    Raises:
        UserError: as `read_tensors`.
    """

    def fit(part: Mapping[str, Any]) -> tuple[int, int]:
        tensors = [name for name, value in part.items() if isinstance(value, Tensor)]
        return len([name for name in tensors if name in names]), len(tensors)

    return max(_dictionaries(read_tensors(path)), key=fit)


def adopt_weights(network: nn.Module, weights: Mapping[str, Any], source: Path) -> None:
    """Checks weights and then copies them into a network.

    Raises:
        UserError: a name or shape does not fit; the message names the source, the parameter and the option.
    """
    own = network.state_dict()
    weights = with_current_names(weights, own)
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise UserError(
                f"{source}: '{name}' is no tensor; give a file of weights, as torch.save(network.state_dict(), FILE) "
                "writes it"
            )
        if name not in own:
            raise UserError(f"{source}: has '{name}', which this network lacks; {_remedy(name)}")
        if value.shape != own[name].shape:
            shapes = f"{tuple(value.shape)} there, {tuple(own[name].shape)} here"
            raise UserError(f"{source}: '{name}' is {shapes}; {_remedy(name)}")
    for name in own:
        if name not in weights:
            raise UserError(f"{source}: lacks '{name}'; {_remedy(name)}")
    network.load_state_dict(dict(weights))


def _dictionaries(content: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    """A dictionary and all dictionaries in it, without the prefixes that parallel and compiled networks add."""
    yield {re.sub(r"^(module\.|_orig_mod\.)+", "", str(name)): value for name, value in content.items()}
    for value in content.values():
        if isinstance(value, Mapping):
            yield from _dictionaries(value)


def _save(content: Mapping[str, Any], path: Path) -> None:
    try:
        torch.save(dict(content), path)
    except RuntimeError as error:
        # torch's writer does not say why a file could not be written in full; it is nearly always a full disk.
        raise OSError(f"writing failed: {_first_line(error)}") from error


def _remedy(name: str) -> str:
    for pattern, option in _DECIDING_OPTIONS:
        if re.match(pattern, name):
            return f"give {option} as in its training"
    return "is it a file of this kind of network?"


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0].split(". ")[0]
