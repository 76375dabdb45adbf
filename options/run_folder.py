"""A training run's folder: locking it, beginning or resuming the run in it, and advice when the run fails."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from data.loader import PairSampler
from models.checkpoint import CheckpointFolder, Position
from models.loss_record import DivergedError
from models.resume import check_resumable, resumable, resume
from models.trainer import Trainer
from util.distributed import is_main_process
from util.errors import UserError
from util.files import locked
from util.visualizer import truncate_logs


@contextmanager
def locked_run_folder(options: argparse.Namespace) -> Iterator[CheckpointFolder]:
    """Keeps other runs out of a run's folder. A dry run only checks the folder and writes no lock.

    Raises:
        UserError: another run uses the folder, it holds nothing to resume, or a new run would replace its files.
    """
    folder = CheckpointFolder(options.checkpoints_dir / options.name)
    if not is_main_process():
        # The first process holds the lock for all of them.
        yield folder
        return
    in_use = f"--name {options.name}: another run trains in {folder.path}; wait for it, or choose another --name"
    with nullcontext() if options.dry_run else locked(folder.path, in_use):
        if options.continue_train:
            check_resumable(folder, options.which_epoch)
        elif folder.checkpoints and not options.overwrite:
            go_on = "--continue_train to go on with it, " if resumable(folder, options.which_epoch) else ""
            raise UserError(
                f"--name {options.name}: {folder.path} holds a run or a model; give {go_on}--overwrite to replace "
                "it, or another --name"
            )
        yield folder


def start_or_resume(
    options: argparse.Namespace, folder: CheckpointFolder, trainer: Trainer, sampler: PairSampler
) -> Position:
    """Returns the position where the run begins or resumes, and removes later entries from its logs.

    A new run removes the logs of a run that it overwrites, or that ended before its first checkpoint. Other files in
    the folder stay.

    Raises:
        UserError: as `models.resume.resume`.
    """
    position, pairs = Position(), sampler.batch_size
    if options.continue_train:
        batches = sampler.batches_per_epoch
        position = resume(folder, options.which_epoch, trainer, batch_size=pairs, batches_per_epoch=batches)
    if trainer.processes.writes and not options.dry_run:
        if not options.continue_train:
            folder.clear()
        truncate_logs(
            folder.path,
            epoch=position.epoch,
            pairs=position.batches * pairs,
            total_pairs=position.total_pairs,
        )
    return position


@contextmanager
def explain_failures(options: argparse.Namespace, folder: CheckpointFolder) -> Iterator[None]:
    """Turns a lack of memory or a loss that is not finite into a message that says what to do."""
    try:
        yield
    except DivergedError as error:
        if folder.weights("latest", "G").is_file():
            remedy = f"the last good state is in {folder.path}; go on from it with --continue_train and a lower --lr"
        else:
            remedy = "nothing was saved before; begin again with --overwrite and a lower --lr"
        raise UserError(f"{error}; {remedy}") from error
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"--batchSize {options.batchSize}: does not fit into the GPU's memory; raise --accumulate (the "
            "same batch in more parts), or use --precision bf16"
        ) from error
