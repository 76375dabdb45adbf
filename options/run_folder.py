"""The folder of a training run: who may use it, where the run in it goes on, and what to do if it fails."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from data.loader import PairSampler
from models.checkpoint import CheckpointFolder, Position
from models.loss_record import DivergedError
from models.resume import check_resumable, resumable, resume
from models.trainer import Trainer
from util.distributed import first_process
from util.errors import UserError
from util.files import locked
from util.visualizer import cut_logs


@contextmanager
def claimed(options: argparse.Namespace) -> Iterator[CheckpointFolder]:
    """The folder of a run, which no other run can use meanwhile. A dry run checks it, but does not write a lock.

    Raises:
        UserError: it is in use; or there is nothing to go on from, or something that a new run would replace.
    """
    folder = CheckpointFolder(options.checkpoints_dir / options.name)
    if not first_process():
        # The first process claims the folder for all.
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


def start(options: argparse.Namespace, folder: CheckpointFolder, trainer: Trainer, sampler: PairSampler) -> Position:
    """Where the run begins or goes on. What the folder's logs hold from later than that is removed.

    A new run begins in an empty folder, apart from files that no run writes. What is there may be overwritten, or is
    left by a run that ended before its first checkpoint.

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
        cut_logs(
            folder.path,
            epoch=position.epoch,
            pairs=position.batches * pairs,
            total_pairs=position.total_pairs,
        )
    return position


@contextmanager
def failures_explained(options: argparse.Namespace, folder: CheckpointFolder) -> Iterator[None]:
    """Says what to do if the memory is too small, or if the numbers are no longer finite."""
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
