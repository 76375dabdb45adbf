"""Trains a model: python train.py --dataroot ./datasets/males --name males_model --batchSize 6."""

from util.errors import UserError, run_command  # isort: split

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from data.classes import ClassImages
from data.loader import PairLoader, PairSampler
from evaluation.during_training import TrainingScores
from models.batch import Batch, first_pictures
from models.checkpoint import CheckpointFolder, Position, resume, save
from models.precision import set_tf32
from models.trainer import Trainer
from options import build_training as build
from options.opt_file import OPT_FILE, options_text, write_options
from options.train import parse_train_options, train_parser
from util.device import choose_device, peak_memory
from util.distributed import Processes, is_first, joined, launch, launched, local_rank, process_count
from util.interrupt import StopRequest, stop_requests
from util.progress import progress
from util.visualizer import Progress, Visualizer, due

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """What the loop uses."""

    trainer: Trainer
    loader: PairLoader
    sampler: PairSampler
    visualizer: Visualizer
    write_samples: Callable[[Path], None]
    score: Callable[[int], dict[str, float]]
    cadence: build.Cadence
    folder: CheckpointFolder
    position: Position
    processes: Processes
    classes: Sequence[str]


def train(run: Run, stop: StopRequest) -> None:
    """Trains to the last epoch. A request to stop is honoured after the iteration, with a checkpoint."""
    trainer, cadence, visualizer, pairs = run.trainer, run.cadence, run.visualizer, run.sampler.batch_size
    shown, shown_at, seconds = trainer.iteration, time.perf_counter(), 0.0
    for epoch in range(run.position.epoch, cadence.epochs + 1):
        trainer.start_epoch(epoch)
        for number, batch in batches(run, epoch, stop):
            made = trainer.step(batch)
            total = trainer.iteration * pairs
            if due(total, cadence.print, pairs):
                # Only reading the losses waits for the GPU. Other iterations are handed to it ahead of time.
                losses, now = trainer.losses(), time.perf_counter()
                seconds = (now - shown_at) / (trainer.iteration - shown) / pairs
                shown, shown_at = trainer.iteration, now
                here = Progress(epoch, number * pairs, total, seconds, peak_memory(trainer.device))
                visualizer.losses(here, losses)
            if visualizer.wants_pictures(total, pairs):
                progress = Progress(epoch, number * pairs, total, seconds)
                visualizer.pictures(progress, first_pictures(batch, made, run.classes), pairs)
            stopped = run.processes.any(bool(stop))
            if stopped or due(total, cadence.save_latest, pairs):
                save_all(run, ["latest"], Position(epoch, number), f"epoch{epoch}_{number * pairs}.png")
            if stopped:
                logger.info("stopped after batch %d of epoch %d; --continue_train goes on", number, epoch)
                return
        # This stops a run that has diverged, however rarely its losses are shown.
        trainer.losses()
        if cadence.keeps(epoch):
            save_all(run, ["latest", str(epoch)], Position(epoch + 1), f"epoch{epoch}.png")
        ended = Progress(epoch, run.sampler.batches_per_epoch * pairs, trainer.iteration * pairs, seconds)
        visualizer.end_epoch(ended, run.score(epoch))


def batches(run: Run, epoch: int, stop: StopRequest) -> Iterator[tuple[int, Batch]]:
    """This process's parts of an epoch's batches, counted from 1, without those done before the run was resumed."""
    done = run.position.batches if epoch == run.position.epoch else 0
    run.sampler.start_at(epoch, done)
    total, silent = run.cadence.epochs * run.sampler.batches_per_epoch, not run.processes.writes
    shown = {"desc": f"epoch {epoch}", "total": total, "initial": run.trainer.iteration, "unit": "batch"}
    bar = progress(run.loader.epoch(stop), **shown, leave=False, disable=silent)
    for number, batch in enumerate(bar, start=done + 1):
        yield number, Batch(batch.A, batch.B, batch.A_class, batch.B_class, global_size=run.sampler.batch_size)


def save_all(run: Run, names: Sequence[str], position: Position, picture: str) -> None:
    """Writes a checkpoint under each name, and a picture of what the model makes at this moment."""
    save(run.folder, names, trainer=run.trainer, position=position, pairs=run.sampler.batch_size)
    if run.processes.writes:
        run.write_samples(run.folder.path / "samples" / picture)


def main() -> int:
    parser = train_parser()
    options = build.with_found_classes(parse_train_options(parser))
    classes = build.training_classes(options)
    folder = options.checkpoints_dir / options.name
    advice = f"the last checkpoint is in {folder}, and --continue_train goes on from it"
    count = process_count(options.processes, options.gpu_ids)
    if count > options.batchSize:
        raise UserError(f"--batchSize {options.batchSize}: {count} processes want a pair each")
    if count > 1 and not launched():
        return launch(sys.argv, count, advice)
    if not is_first():
        # The first process reports what is the same in all of them.
        logging.getLogger().setLevel(logging.WARNING)
    device = choose_device(options.gpu_ids, local_rank())
    if options.cuda_graph and (device.type != "cuda" or count > 1):
        raise UserError("--cuda_graph: works in a run on one NVIDIA GPU only; leave it out here")
    set_tf32(options.precision)
    with joined(device, advice) as processes:
        run = make_run(options, classes, device, processes)
        logger.info(options_text(options, parser))
        build.describe(options, classes, run.sampler, run.trainer)
        if options.continue_train:
            logger.info("going on in epoch %d after %d batches", run.position.epoch, run.position.batches)
        if options.dry_run:
            return 0
        if processes.writes:
            write_options(folder / OPT_FILE, options, parser)
        with logging_redirect_tqdm(), stop_requests(repeated=launched()) as stop, run.loader:
            try:
                train(run, stop)
            except torch.OutOfMemoryError as error:
                raise UserError(
                    f"--batchSize {options.batchSize}: does not fit into the GPU's memory; raise --accumulate (the "
                    "same batch in more parts), or use --precision bf16"
                ) from error
        return stop.exit_code


def make_run(
    options: argparse.Namespace, classes: Sequence[ClassImages], device: torch.device, processes: Processes
) -> Run:
    """The run that the options describe, where it begins or goes on."""
    folder = CheckpointFolder(options.checkpoints_dir / options.name)
    dataset, sampler = build.training_data(options, classes, processes)
    trainer = build.make_trainer(options, device, processes)
    position = resume(folder, options.which_epoch, trainer) if options.continue_train else Position()
    cadence = build.make_cadence(options, position)
    return Run(
        trainer=trainer,
        loader=PairLoader(dataset, sampler, options.nThreads),
        sampler=sampler,
        visualizer=build.make_visualizer(options, cadence, folder.path, processes),
        write_samples=build.sample_writer(trainer, dataset.samples),
        score=TrainingScores(trainer, build.scored(options, classes), dataset.transform, options.metrics_freq),
        cadence=cadence,
        folder=folder,
        position=position,
        processes=processes,
        classes=options.sort_order,
    )


if __name__ == "__main__":
    run_command(main)
