"""Trains a model: python train.py --dataroot ./datasets/males --name males_model --batchSize 6."""

from util.errors import UserError, run_command  # isort: split

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from data.classes import ClassImages
from data.loader import PairBatch, PairLoader, PairSampler
from evaluation.during_training import TrainingScores
from models.batch import Batch, first_pictures
from models.checkpoint import CheckpointFolder, Position, save
from models.precision import set_tf32
from models.trainer import Trainer
from options import build_data, build_training
from options.run_folder import explain_failures, locked_run_folder, start_or_resume
from options.train import parse_train_options, train_parser
from util.device import choose_device, peak_memory
from util.distributed import Processes, in_torchrun, is_main_process, launch, local_rank, process_count, process_group
from util.interrupt import StopRequest, stop_requests
from util.opt_file import OPT_FILE, options_text, write_options
from util.progress import progress
from util.visualizer import Progress, Visualizer, due

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The objects that the training loop uses."""

    trainer: Trainer
    loader: PairLoader
    sampler: PairSampler
    visualizer: Visualizer
    write_samples: Callable[[Path], None]
    score: Callable[[int], dict[str, float]]
    cadence: build_training.Cadence
    folder: CheckpointFolder
    position: Position
    processes: Processes
    classes: Sequence[str]


def train(run: Run, stop: StopRequest) -> None:
    """Trains to the last epoch. A request to stop is honoured after the iteration, with a checkpoint."""
    trainer, cadence, visualizer, pairs = run.trainer, run.cadence, run.visualizer, run.sampler.batch_size
    before = run.position.total_pairs - trainer.iteration * pairs
    shown, shown_at, seconds = trainer.iteration, time.perf_counter(), 0.0
    for epoch in range(run.position.epoch, cadence.epochs + 1):
        trainer.start_epoch(epoch)
        for number, batch in batches(run, epoch, stop):
            trainer.step(batch)
            total = before + trainer.iteration * pairs
            if due(total, cadence.print, pairs):
                # Only reading the losses waits for the GPU. Other iterations are handed to it ahead of time.
                losses, now = trainer.losses(), time.perf_counter()
                seconds = (now - shown_at) / (trainer.iteration - shown) / pairs
                shown, shown_at = trainer.iteration, now
                here = Progress(epoch, number * pairs, total, seconds, peak_memory(trainer.device))
                visualizer.losses(here, losses)
            if visualizer.wants_pictures(total, pairs):
                here = Progress(epoch, number * pairs, total, seconds)
                visualizer.pictures(here, first_pictures(batch, trainer.show(batch), run.classes), pairs)
            stopped = run.processes.any(bool(stop))
            if stopped or due(total, cadence.save_latest, pairs):
                save_all(run, ["latest"], Position(epoch, number, total), f"epoch{epoch}_{number * pairs}.png")
            if stopped:
                logger.info("stopped after batch %d of epoch %d; --continue_train goes on", number, epoch)
                return
        # This stops a run that has diverged, however rarely its losses are shown.
        trainer.losses()
        total = before + trainer.iteration * pairs
        if cadence.saves_epoch(epoch):
            save_all(run, ["latest", str(epoch)], Position(epoch + 1, 0, total), f"epoch{epoch}.png")
        ended = Progress(epoch, run.sampler.batches_per_epoch * pairs, total, seconds)
        visualizer.end_epoch(ended, run.score(epoch))


def batches(run: Run, epoch: int, stop: StopRequest) -> Iterator[tuple[int, Batch]]:
    """This process's parts of an epoch's batches, counted from 1, without those done before the run was resumed."""
    done = run.position.batches if epoch == run.position.epoch else 0
    run.sampler.start_at(epoch, done)
    total, silent = run.cadence.epochs * run.sampler.batches_per_epoch, not run.processes.writes
    shown = {"desc": f"epoch {epoch}", "total": total, "initial": run.trainer.iteration, "unit": "batch"}
    bar: Iterable[PairBatch] = progress(run.loader.epoch(stop), **shown, leave=False, disable=silent)
    for number, pairs in enumerate(bar, start=done + 1):
        yield number, Batch(*pairs.tensors, global_size=run.sampler.batch_size)


def save_all(run: Run, names: Sequence[str], position: Position, picture: str) -> None:
    """Writes a checkpoint under each name, and a picture of samples."""
    save(run.folder, names, trainer=run.trainer, position=position, pairs=run.sampler.batch_size)
    if run.processes.writes:
        run.write_samples(run.folder.path / "samples" / picture)


def main() -> int:
    # Parsing makes a resumed run's options the defaults of its parser. The log marks what differs from the method's.
    parser, options = train_parser(), parse_train_options(train_parser())
    # This process may start others. The first of those locks the folder again.
    with locked_run_folder(options) as folder:
        options = build_data.with_discovered_classes(options)
        classes = build_data.training_classes(options)
    advice = f"if a checkpoint is in {folder.path}, --continue_train goes on from it"
    count = process_count(options.processes, options.gpu_ids)
    if count > options.batchSize:
        raise UserError(f"--batchSize {options.batchSize}: {count} processes need a pair each; raise it")
    if count > 1 and not in_torchrun():
        return launch(sys.argv, count, advice)
    if not is_main_process():
        # The messages of the first process hold for all of them.
        logging.getLogger().setLevel(logging.WARNING)
    device = choose_device(options.gpu_ids, local_rank())
    set_tf32(options.precision)
    with locked_run_folder(options) as folder, process_group(device, advice) as processes, logging_redirect_tqdm():
        run = make_run(options, classes, folder, device, processes)
        logger.info(options_text(options, parser))
        build_training.log_run(options, classes, run.sampler, run.trainer)
        if run.position.epoch > run.cadence.epochs:
            logger.info("all %d epochs are done; --epochs %d or more goes on", run.cadence.epochs, run.position.epoch)
            return 0
        if options.continue_train:
            logger.info("going on in epoch %d after %d batches", run.position.epoch, run.position.batches)
        if options.dry_run:
            return 0
        if processes.writes:
            write_options(folder.path / OPT_FILE, options, parser)
        with explain_failures(options, folder), stop_requests(repeated=in_torchrun()) as stop, run.loader:
            train(run, stop)
        return stop.exit_code


def make_run(
    options: argparse.Namespace,
    classes: Sequence[ClassImages],
    folder: CheckpointFolder,
    device: torch.device,
    processes: Processes,
) -> Run:
    """The run that the options describe, at the position where it begins or goes on."""
    dataset, sampler = build_data.training_data(options, classes, processes)
    trainer = build_training.make_trainer(options, device, processes)
    position = start_or_resume(options, folder, trainer, sampler)
    cadence = build_training.make_cadence(options, position)
    return Run(
        trainer=trainer,
        loader=PairLoader(dataset, sampler, options.nThreads),
        sampler=sampler,
        visualizer=build_training.make_visualizer(options, cadence, folder.path, processes),
        write_samples=build_training.sample_writer(trainer, dataset.samples),
        score=TrainingScores(trainer, build_data.scored(options, classes), dataset.transform, options.metrics_freq),
        cadence=cadence,
        folder=folder,
        position=position,
        processes=processes,
        classes=options.sort_order,
    )


if __name__ == "__main__":
    run_command(main)
