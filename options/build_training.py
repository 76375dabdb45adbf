"""Builds the objects of training from options: networks, trainer, visualizer and frequencies."""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from data.age_classes import ANCHORS
from data.classes import ClassImages, class_folders
from data.loader import PairSampler
from models.age_code import anchor_blends
from models.checkpoint import CheckpointFolder, Position
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.engines import TorchEngine
from models.execution import Execution
from models.generator import Generator
from models.initialization import initialize_centered
from models.losses import LossWeights
from models.optimizers import OptimizerConfig
from models.precision import fast_precision
from models.pretrained import PretrainedModel, load_pretrained
from models.trainer import Trainer
from models.transformer import AgeTransformer
from options.build import generator_config, noise_sigma
from options.types import class_names
from util.distributed import Processes
from util.errors import UserError
from util.opt_file import OPT_FILE, read_options
from util.visualizer import (
    History,
    HtmlLog,
    LossLog,
    MetricsLog,
    Sink,
    Summary,
    TensorBoard,
    VisdomPlots,
    Visualizer,
)
from util.visualizer.samples import write_samples

logger = logging.getLogger(__name__)

# Losses that share a scale in the training log.
LOSS_CHARTS = {
    "Adversarial losses": ("loss_G_Adv", "loss_D_real", "loss_D_fake"),
    "Reconstruction losses": ("loss_G_Rec", "loss_G_Cycle", "loss_G_Paired", "loss_G_SSIM"),
    "Identity and age features": ("loss_G_identity_reconst", "loss_G_age_reconst"),
    "R1 penalty": ("loss_D_reg",),
}


@dataclass(frozen=True)
class Cadence:
    """Intervals of a run in training pairs; `save_epoch` and `epochs`, the last epoch, are in epochs."""

    print: int
    display: int
    save_latest: int
    save_display: int
    save_epoch: int
    epochs: int

    def saves_epoch(self, epoch: int) -> bool:
        """Whether an epoch gets a checkpoint of its own; the last one always does."""
        return epoch % self.save_epoch == 0 or epoch == self.epochs


def make_trainer(options: argparse.Namespace, device: torch.device, processes: Processes) -> Trainer:
    """The networks with their initial or pretrained weights, and their trainer."""
    if options.cuda_graph and (device.type != "cuda" or processes.count > 1):
        raise UserError("--cuda_graph: needs a run on exactly one NVIDIA GPU; leave it out")
    if options.precision == "bf16" and fast_precision(device) == "fp32":
        logger.warning("--precision bf16: this device only imitates it and is faster with fp32; leave it out")
    torch.manual_seed(options.seed)
    generator = Generator(generator_config(options))
    discriminator = MultiScaleDiscriminator(
        DiscriminatorConfig(
            ndf=options.ndf,
            num_classes=len(options.sort_order),
            in_channels=options.output_nc,
            layers=options.n_layers_D,
            scales=options.num_D,
            equalized=options.conv_weight_norm,
        )
    )
    if options.init == "centered":
        initialize_centered(generator)
    if options.train_outer_levels:
        generator.freeze_inner(options.train_outer_levels)
    trainer = Trainer(
        generator.to(device),
        # This is the generator's memory layout, too. torch's stubs lack the argument.
        discriminator.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        weights=LossWeights(
            adv=options.lambda_adv,
            rec=options.lambda_rec,
            cycle=options.lambda_cyc,
            identity=options.lambda_id,
            age=options.lambda_age,
            r1=options.lambda_r1,
            id_warmup=options.lambda_id_warmup,
            id_stop_gradient=options.id_stop_gradient,
            paired=options.lambda_paired,
            ssim=options.lambda_ssim,
        ),
        optimizer=OptimizerConfig(
            lr=options.lr,
            betas=(options.beta1, options.beta2),
            decay_gamma=options.decay_gamma,
            decay_epochs=options.decay_epochs,
            slow_style_branches=options.decay_adain_affine_layers,
            steady_start=options.steady_start,
        ),
        rng=torch.Generator().manual_seed(options.seed),
        noise_sigma=noise_sigma(options),
        execution=Execution(
            precision=options.precision,
            accumulate=options.accumulate,
            compile=options.compile,
            r1_interval=options.r1_interval,
            cuda_graph=options.cuda_graph,
        ),
        processes=processes,
        moving_average=not options.no_moving_avg,
    )
    if options.load_pretrain:
        model = pretrained_model(options)
        load_pretrained(trainer.networks, model, classes=options.sort_order, config=generator.config)
    return trainer


def pretrained_model(options: argparse.Namespace) -> PretrainedModel:
    """The model to start from; values that its opt.txt lacks are those of the published models."""
    path = options.load_pretrain / OPT_FILE
    saved = read_options(path) if path.is_file() else {}
    return PretrainedModel(
        folder=CheckpointFolder(options.load_pretrain),
        epoch=options.which_epoch,
        classes=class_names(str(saved.get("sort_order", ",".join(ANCHORS)))),
        ngf=int(str(saved.get("ngf", options.ngf))),
        downsamplings=int(str(saved.get("n_downsample", options.n_downsample))),
    )


def make_visualizer(options: argparse.Namespace, cadence: Cadence, folder: Path, processes: Processes) -> Visualizer:
    """A visualizer with text logs, the HTML log and visdom unless turned off, and TensorBoard if chosen."""
    metrics = MetricsLog(folder)
    history = History(metrics.path)
    if not processes.writes:
        return Visualizer([], history)
    sinks: list[Sink] = [LossLog(folder), metrics, Summary(folder, history)]
    if not options.no_html:
        facts = {"model": options.name, "data set": str(options.dataroot), "seed": str(options.seed)}
        title, every = f"Training of {options.name}", cadence.save_display
        sinks.append(HtmlLog(folder, title, history, picture_every=every, charts=LOSS_CHARTS, facts=facts))
    if options.tensorboard:
        sinks.append(TensorBoard(folder, history.total_pairs, picture_every=cadence.display))
    if options.display_id:
        sinks.append(
            VisdomPlots(
                port=options.display_port,
                name=options.name,
                window=options.display_id,
                columns=options.display_single_pane_ncols,
                width=options.display_winsize,
                history=history,
                picture_every=cadence.display,
            )
        )
    return Visualizer(sinks, history)


def sample_writer(trainer: Trainer, inputs: Sequence[np.ndarray]) -> Callable[[Path], None]:
    """A function that writes the averaged model's pictures of the inputs, always with the same age codes."""
    transformer = AgeTransformer(TorchEngine(trainer.average, trainer.device), trainer.noise_sigma)
    render = partial(transformer.frames, blends=anchor_blends(len(inputs)), seed=0)
    return partial(write_samples, inputs=inputs, render=render)


def make_cadence(options: argparse.Namespace, position: Position) -> Cadence:
    """The frequencies of a run; with --debug, every iteration of a single epoch is shown."""
    debug = options.debug
    return Cadence(
        print=1 if debug else options.print_freq,
        display=1 if debug else options.display_freq,
        save_latest=options.save_latest_freq,
        save_display=1 if debug else options.save_display_freq,
        save_epoch=options.save_epoch_freq,
        epochs=position.epoch if debug else options.epochs,
    )


def log_run(
    options: argparse.Namespace, classes: Sequence[ClassImages], sampler: PairSampler, trainer: Trainer
) -> None:
    """Logs the classes, the networks and the length of a run before it begins."""
    for images in classes:
        logger.info("class %s: %d pictures", images.name, len(images.paths))
    unused = [name for name in class_folders(options.dataroot, options.phase) if name not in options.sort_order]
    if unused:
        names = ", ".join(f"{options.phase}{name}" for name in unused)
        logger.info("class folders that --sort_order does not name are ignored: %s", names)
    for name, network in trainer.networks.items():
        logger.info("network %s: %.1f million parameters", name, sum(p.numel() for p in network.parameters()) / 1e6)
        if options.verbose:
            logger.info("%s", network)
    epochs, batches = 1 if options.debug else options.epochs, sampler.batches_per_epoch
    logger.info("%d epochs of %d batches of %d pairs", epochs, batches, sampler.batch_size)
