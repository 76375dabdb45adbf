"""Resumes a run from its training state, or from weights alone (docs/method.md, Weights on disk)."""

import logging
import re
from pathlib import Path

from models.checkpoint import CheckpointFolder, Position, adopt_weights, load_weights, read_tensors
from models.old_names import same_order
from models.trainer import Trainer
from util.errors import UserError

logger = logging.getLogger(__name__)


def check_resumable(folder: CheckpointFolder, epoch: str) -> None:
    """Raises UserError if a checkpoint is not `resumable`."""
    if not resumable(folder, epoch):
        raise UserError(
            f"--continue_train: {folder.path} has neither {epoch}_state.pth nor {epoch}_net_G.pth and "
            f"{epoch}_net_D.pth; check --name and --which_epoch, or start a new run from a model's weights with "
            "--load_pretrain"
        )


def resumable(folder: CheckpointFolder, epoch: str) -> bool:
    """Whether a checkpoint has a training state, or at least the weights of both networks."""
    weights = folder.weights(epoch, "G"), folder.weights(epoch, "D")
    return folder.state(epoch).is_file() or all(path.is_file() for path in weights)


def resume(
    folder: CheckpointFolder, epoch: str, trainer: Trainer, *, batch_size: int, batches_per_epoch: int
) -> Position:
    """Loads a saved run into a trainer, and returns the position where the run goes on.

    Raises:
        UserError: the checkpoint is missing or damaged, or was trained with other options.
    """
    check_resumable(folder, epoch)
    path = folder.state(epoch)
    if not path.is_file():
        return _resume_weights(folder, epoch, trainer, batch_size=batch_size, batches_per_epoch=batches_per_epoch)
    saved = read_tensors(path)
    try:
        # If the saved run has no moving average but this one does, the average starts from the generator.
        networks = {"g_running": saved["networks"]["G"], **saved["networks"]}
        for name, network in trainer.networks.items():
            adopt_weights(network, networks[name], path)
        # Adam's moments belong to parameters by their order, not by name.
        keep_moments = all(same_order(networks[name], network) for name, network in trainer.networks.items())
        trainer.load_state_dict(saved["trainer"], moments=keep_moments)
        position = Position(**saved["position"], total_pairs=saved.get("total_pairs", trainer.iteration * batch_size))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: does not fit these options ({error}); give those it was trained with") from error
    if not keep_moments and trainer.processes.writes:
        logger.warning("%s: an earlier version ordered its parameters differently; Adam's moments start anew", path)
    return position


def _resume_weights(
    folder: CheckpointFolder, epoch: str, trainer: Trainer, *, batch_size: int, batches_per_epoch: int
) -> Position:
    """Resumes from weights and `iter.txt`; the original saves nothing else."""
    for name, network in trainer.networks.items():
        path = folder.weights(epoch, name)
        # A run with --no_moving_avg has no moving average to load.
        load_weights(network, path if path.is_file() else folder.weights(epoch, "G"))
    # iter.txt holds the position of the latest weights. Weights of an epoch were saved at its end.
    number, pairs = (int(epoch) + 1, 0) if epoch.isdecimal() else _read_position(folder.path / "iter.txt")
    # With another batch size, the pairs may come to more than an epoch.
    more, batches = divmod(pairs // batch_size, batches_per_epoch)
    done = (number - 1 + more) * batches_per_epoch + batches
    trainer.start_at(done)
    if trainer.processes.writes:
        logger.warning(
            "%s: missing, so the run goes on from the weights beside it, in epoch %d after %d batches, and Adam's "
            "moments start anew",
            folder.state(epoch),
            number + more,
            batches,
        )
    return Position(number + more, batches, done * batch_size)


def _read_position(path: Path) -> tuple[int, int]:
    """The epoch, counted from 1, and the training pairs done in it; (1, 0) if there is no file.

    The original writes two lines and counts epochs from 0. This project writes "epoch,pairs" and counts from 1.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else "1,0"
    match = re.fullmatch(r"\s*(\d+)(\s*,\s*|\s+)(\d+)\s*", text)
    if not match:
        raise UserError(f"{path}: not an epoch and a number of pairs; correct it, or remove it to count from 1")
    return int(match[1]) + ("," not in match[2]), int(match[3])
