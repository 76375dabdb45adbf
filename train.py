"""Trains a model: python train.py --dataroot ./datasets/males --name males_model --batchSize 6 (spec/cli.md)."""

import argparse
import logging
import math
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from data.age_classes import ANCHORS
from data.aging_dataset import AgingDataset
from data.classes import ClassImages, check_all_listed, class_folders, find_classes, keep_pairs
from data.loader import PairSampler, make_loader
from models.batch import Batch
from models.checkpoint import CheckpointFolder, Network, adopt_weights, load_pretrained_weights, read_tensors
from models.discriminator import MultiScaleDiscriminator, smallest_side
from models.generator import Generator
from models.initialization import initialize_centered
from models.trainer import Trainer
from models.transformer import AgeTransformer
from options.build import (
    LOSS_CHARTS,
    discriminator_config,
    execution,
    generator_config,
    loss_weights,
    noise_sigma,
    optimizer_config,
    transform,
)
from options.opt_file import OPT_FILE, options_text, read_options, write_options
from options.train import parse_train_options, train_parser
from options.types import class_names
from util.device import allow_tf32, choose_device
from util.distributed import Processes, joined, launch, launched, local_rank
from util.errors import UserError, run_command
from util.interrupt import StopRequest, stop_requests
from util.visualizer import History, HtmlLog, LossLog, MetricsLog, Progress, Sink, VisdomPlots, Visualizer, due
from util.visualizer.samples import SampleGrid, first_pictures

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """Where a run stands: the epoch, from 1, and the batches done in it."""

    epoch: int = 1
    batches: int = 0


def main() -> int:
    parser = train_parser()
    options = parse_train_options(parser)
    if not options.sort_classes:
        options = with_found_classes(options)
    classes = find_classes(options.dataroot, options.phase, options.sort_order, options.max_dataset_size)
    check_all_listed(options.dataroot, options.phase, options.sort_order)
    if options.lambda_paired > 0:
        classes = keep_pairs(classes)
    folder = CheckpointFolder(options.checkpoints_dir / options.name)
    advice = f"the last checkpoint is in {folder.path}, and --continue_train goes on from it"
    count = process_count(options)
    if count > options.batchSize:
        raise UserError(f"--batchSize {options.batchSize}: {count} processes want a pair each")
    if count > 1 and not launched():
        return launch(sys.argv, count, advice)
    if local_rank():
        # The first process tells what holds for all.
        logging.getLogger().setLevel(logging.WARNING)
    device = choose_device(options.gpu_ids, local_rank())
    if options.cuda_graph and (device.type != "cuda" or count > 1):
        raise UserError("--cuda_graph: for a run on one NVIDIA GPU; leave it out here")
    # bfloat16 rounds coarser than TF32: what it leaves in float32 may be TF32.
    allow_tf32(options.precision != "fp32")
    with joined(device, advice) as processes:
        return run(options, parser, classes, folder, device, processes)


def run(
    options: argparse.Namespace,
    parser: argparse.ArgumentParser,
    classes: Sequence[ClassImages],
    folder: CheckpointFolder,
    device: torch.device,
    processes: Processes,
) -> int:
    """What each process does; returns the exit code."""
    sizes, part = [len(images.paths) for images in classes], processes.part(options.batchSize)
    paired = options.lambda_paired > 0
    dataset = AgingDataset(classes, transform(options, flip=not options.no_flip), paired)
    check_not_too_flat(options, dataset.samples[0])
    sampler = PairSampler(sizes, options.batchSize, options.seed, options.serial_batches, part, paired)
    trainer = make_trainer(options, device, processes)
    position = resume(folder, options.which_epoch, trainer) if options.continue_train else Position()
    logger.info(options_text(options, parser))
    describe(options, classes, sampler, trainer, position)
    if options.dry_run:
        return 0
    if processes.writes:
        write_options(folder.path / OPT_FILE, options, parser)
    with logging_redirect_tqdm(), stop_requests(patient=launched()) as stop:
        try:
            train(options, dataset, sampler, trainer, folder, position, device, stop)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"--batchSize {options.batchSize}: does not fit into the GPU's memory; raise --accumulate (the "
                "same batch in more parts), or use --precision bf16"
            ) from error
    return stop.exit_code


def process_count(options: argparse.Namespace) -> int:
    """Processes that are to train together: those that torchrun started, or those to start on this machine."""
    if launched():
        return int(os.environ["WORLD_SIZE"])
    if options.processes:
        return options.processes
    return len(options.gpu_ids) if torch.cuda.is_available() and options.gpu_ids else 1


def with_found_classes(options: argparse.Namespace) -> argparse.Namespace:
    """The options with the classes of the data set; saved with the model, which knows them from then on."""
    found = tuple(class_folders(options.dataroot, options.phase)) or options.sort_order
    return argparse.Namespace(**{**vars(options), "sort_order": found, "sort_classes": True})


def make_trainer(options: argparse.Namespace, device: torch.device, processes: Processes) -> Trainer:
    """The networks with their initial or pretrained weights, and their trainer."""
    torch.manual_seed(options.seed)
    generator = Generator(generator_config(options))
    discriminator = MultiScaleDiscriminator(discriminator_config(options))
    if options.init == "centered":
        initialize_centered(generator)
    generator.to(device)
    discriminator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # as the generator is
    trainer = Trainer(
        generator,
        discriminator,
        loss_weights(options),
        optimizer_config(options),
        torch.Generator().manual_seed(options.seed),
        noise_sigma(options),
        execution(options),
        processes,
    )
    if options.load_pretrain:
        load_pretrained(options, trainer.networks)
    return trainer


def load_pretrained(options: argparse.Namespace, networks: Mapping[Network, nn.Module]) -> None:
    """Weights of another model to begin with. The moving average alone will do: then the discriminator is new."""
    folder, epoch = CheckpointFolder(options.load_pretrain), options.which_epoch
    path = folder.path / OPT_FILE
    saved = read_options(path) if path.is_file() else {}
    classes = class_names(str(saved.get("sort_order", ",".join(ANCHORS))))
    copies = _times_as_wide(options, saved)
    average = folder.weights(epoch, "g_running")
    alone = average.is_file() and not folder.weights(epoch, "G").is_file()
    if alone:
        logger.info("%s: the moving average is all there is; the discriminator begins anew", folder.path)
    for name, network in networks.items():
        if not (alone and name == "D"):
            source = average if alone else folder.weights(epoch, name)
            load_pretrained_weights(network, source, classes, options.sort_order, 1 if name == "D" else copies)


def _times_as_wide(options: argparse.Namespace, saved: Mapping[str, object]) -> int:
    """How often the pretrained generator's channels are taken; 1 also where that cannot be, which loading tells.

    Raises:
        UserError: the generator is of a kind that would not make the same pictures.
    """
    ngf = int(str(saved.get("ngf", options.ngf)))
    if ngf == options.ngf or options.ngf % ngf:
        return 1
    if not options.use_modulated_conv or options.decoder_norm != "pixel":
        raise UserError(
            f"--ngf {options.ngf}: the pretrained model has {ngf}, and only one with --use_modulated_conv and "
            "--decoder_norm pixel can be made wider; leave --ngf out"
        )
    copies: int = options.ngf // ngf
    logger.info(
        "%s: --ngf %d there, %d here; each channel is taken %d times", options.load_pretrain, ngf, options.ngf, copies
    )
    return copies


def resume(folder: CheckpointFolder, epoch: str, trainer: Trainer) -> Position:
    """Takes a saved run up where it was saved."""
    path = folder.state(epoch)
    saved = read_tensors(path)
    try:
        for name, network in trainer.networks.items():
            adopt_weights(network, saved["networks"][name], path)
        trainer.load_state_dict(saved["trainer"])
        return Position(**saved["position"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: does not fit these options ({error}); give those that the run began with"
        ) from error


def describe(
    options: argparse.Namespace,
    classes: Sequence[ClassImages],
    sampler: PairSampler,
    trainer: Trainer,
    position: Position,
) -> None:
    """Says what is about to be trained on what."""
    for images in classes:
        logger.info("class %s: %d pictures", images.name, len(images.paths))
    for name, network in trainer.networks.items():
        logger.info("network %s: %.1f million parameters", name, sum(p.numel() for p in network.parameters()) / 1e6)
        if options.verbose:
            logger.info("%s", network)
    batches = sampler.batches_per_epoch
    epochs = 1 if options.debug else options.epochs
    logger.info("%d epochs of %d batches of %d pairs", epochs, batches, options.batchSize)
    if options.continue_train:
        logger.info("going on in epoch %d after %d batches", position.epoch, position.batches)


def train(
    options: argparse.Namespace,
    dataset: AgingDataset,
    sampler: PairSampler,
    trainer: Trainer,
    folder: CheckpointFolder,
    position: Position,
    device: torch.device,
    stop: StopRequest,
) -> None:
    """The loop over epochs and batches; everything countable is counted in training pairs.

    A stop that is asked for is honoured after the iteration, with a checkpoint to go on from.
    """
    loader = make_loader(dataset, sampler, options.nThreads, pin_memory=device.type == "cuda")
    processes = trainer.processes
    visualizer = make_visualizer(options, folder, processes)
    grid = SampleGrid(AgeTransformer(trainer.average, device, trainer.noise_sigma), dataset.samples)
    reported: set[str] = set()
    pairs, epochs = options.batchSize, position.epoch if options.debug else options.epochs
    print_freq = 1 if options.debug else options.print_freq
    bar = partial(tqdm, unit="batch", dynamic_ncols=True, disable=not processes.writes)

    with bar(desc="run", total=epochs * sampler.batches_per_epoch, initial=trainer.iteration) as run_bar:
        for epoch in range(position.epoch, epochs + 1):
            sampler.start_at(epoch, position.batches if epoch == position.epoch else 0)
            began = time.perf_counter()
            for batch_number, batch in enumerate(
                bar(
                    loader,
                    desc=f"epoch {epoch}",
                    total=sampler.batches_per_epoch,
                    initial=sampler.first_batch,
                    leave=False,
                ),
                start=sampler.first_batch + 1,
            ):
                for fault in set(batch.faults) - reported:
                    logger.warning("replaced by another picture of its class: %s", fault)
                    reported.add(fault)
                pictured = Batch(batch.A, batch.B, batch.A_class, batch.B_class, whole=pairs).to(device)
                losses, made = trainer.step(pictured)
                check_finite(losses, trainer.iteration, folder)
                run_bar.update()
                seconds = (time.perf_counter() - began) / pairs
                progress = Progress(epoch, batch_number * pairs, trainer.iteration * pairs, seconds)
                if due(progress.total_pairs, print_freq, pairs):
                    visualizer.losses(progress, losses)
                if visualizer.wants_pictures(progress.total_pairs, pairs):
                    first_part = pictured.split(options.accumulate)[0]
                    visualizer.pictures(progress, first_pictures(first_part, made, options.sort_order), pairs)
                stopped = processes.any(bool(stop), device)
                if stopped or due(progress.total_pairs, options.save_latest_freq, pairs):
                    picture = f"epoch{epoch}_{progress.pairs}.png"
                    save(folder, ["latest"], trainer, Position(epoch, batch_number), pairs, grid, picture)
                if stopped:
                    logger.info("stopped after batch %d of epoch %d; --continue_train goes on", batch_number, epoch)
                    return
                began = time.perf_counter()
            trainer.end_epoch()
            if epoch % options.save_epoch_freq == 0 or epoch == epochs:
                names = ["latest", str(epoch)]
                save(folder, names, trainer, Position(epoch + 1), pairs, grid, f"epoch{epoch}.png")


def make_visualizer(options: argparse.Namespace, folder: CheckpointFolder, processes: Processes) -> Visualizer:
    """Console, loss_log.txt and metrics.jsonl always; the HTML log and visdom unless they are turned off."""
    metrics = MetricsLog(folder.path)
    history = History(metrics.path)
    if not processes.writes:
        return Visualizer([], history)
    sinks: list[Sink] = [LossLog(folder.path), metrics]
    if not options.no_html:
        every = 1 if options.debug else options.save_display_freq
        sinks.append(HtmlLog(folder.path, f"Training of {options.name}", history, every, charts=LOSS_CHARTS))
    if options.display_id:
        sinks.append(
            VisdomPlots(
                options.display_port,
                options.name,
                options.display_id,
                options.display_single_pane_ncols,
                options.display_winsize,
                history,
                1 if options.debug else options.display_freq,
            )
        )
    return Visualizer(sinks, history)


def check_not_too_flat(options: argparse.Namespace, sample: np.ndarray) -> None:
    """Raises UserError if pictures as high as the sample, (H, W, 3), do not fit the discriminator."""
    height, width = sample.shape[:2]
    if height < smallest_side(options.n_layers_D):
        raise UserError(
            f"--resize_or_crop {options.resize_or_crop}: pictures come to {width}x{height} pixels, and --n_layers_D "
            f"{options.n_layers_D} needs {smallest_side(options.n_layers_D)} at least; lower it, or crop"
        )


def check_finite(losses: Mapping[str, float], iteration: int, folder: CheckpointFolder) -> None:
    """Raises UserError if training has gone astray; what was saved before stays the last good state."""
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        raise astray(f"{wrong[0]} is {losses[wrong[0]]}", iteration, folder)


def astray(what: str, iteration: int, folder: CheckpointFolder) -> UserError:
    """The error of a run whose numbers are no longer finite."""
    return UserError(
        f"{what} in iteration {iteration}: training has gone astray. The last good state is in {folder.path}; go on "
        "from it with --continue_train and a lower --lr"
    )


def save(
    folder: CheckpointFolder,
    names: Sequence[str],
    trainer: Trainer,
    position: Position,
    pairs: int,
    grid: SampleGrid,
    picture: str,
) -> None:
    """Writes a checkpoint under each name (weights, training state, iter.txt), and a picture of what it makes.

    Raises:
        UserError: it cannot be written, or a weight is not finite: finite losses may have had other gradients.
    """
    # By every process, whose weights are the same: all stop, or none.
    for network, module in trainer.networks.items():
        for parameter, value in module.state_dict().items():
            if not value.isfinite().all():
                raise astray(f"network {network}: '{parameter}' is no longer finite", trainer.iteration, folder)
    if not trainer.processes.writes:
        return
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    state = {"trainer": trainer.state_dict(), "position": vars(position), "versions": versions}
    for name in names:
        folder.write(name, trainer.networks, state)
        folder.write_position(position.epoch, position.batches * pairs)
    grid.write(folder.path / "samples" / picture)


if __name__ == "__main__":
    run_command(main)
