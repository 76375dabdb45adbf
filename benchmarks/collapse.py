"""Shows which initialisation frees training from its flat picture (docs/training_notes.md).

Trains each variant for a few hundred iterations on synthetic people and reports, on unseen pictures, the mean
absolute error of the reconstruction, in [-1, 1], and the spread of the synthesised pictures: their standard deviation
over space, which is to be compared with that of the true pictures. A flat picture has none. The third figure is how
much the identity features differ between people: their standard deviation over the people, as a share of their mean
magnitude. A constant encoder has none.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import product
from typing import get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from data.age_classes import ANCHORS, centre
from data.masking import mask
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from models.age_code import make_codes
from models.batch import Batch
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.execution import Execution
from models.generator import Generator, GeneratorConfig
from models.initialization import center_kernels, shrink_head
from models.losses import LossWeights, l1_loss
from models.optimizers import OptimizerConfig
from models.precision import Precision, set_tf32
from models.trainer import Trainer
from options.types import gpu_ids
from util.device import choose_device
from util.images import to_tensor
from util.progress import progress

logger = logging.getLogger(__name__)

_UNSEEN = 24  # pictures

# Which parts of the published initialisation are changed (models/initialization.py).
VARIANTS = {
    "paper": (),
    "head": ("head",),
    "encoder": ("id_encoder",),
    "decoder": ("decoder",),
    "kernels": ("id_encoder", "decoder"),
    "centered": ("id_encoder", "decoder", "head"),
}


def main() -> None:
    options = parse()
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    set_tf32(options.precision)
    device = choose_device(options.gpu_ids)
    images, classes = people(options.size, options.identities)
    spread = images[:_UNSEEN].std(dim=(2, 3)).mean()
    settings = f"{options.size}x{options.size}, ngf {options.ngf}, {options.pairs} pairs, lr {options.lr:g}"
    logger.info("%s, loss: %s; spread of the true pictures %.3f", settings, options.loss, spread)
    logger.info("| norm | init | styles | warm-up | %s | s/iteration |", " | ".join(map(str, options.report)))
    for norm, variant, styles, warmup in product(options.norms, options.inits, options.styles, options.warmups):
        trainer = make_trainer(options, device, norm=norm, changes=VARIANTS[variant], styles=styles, warmup=warmup)
        start = time.perf_counter()
        cells = [" / ".join(f"{value:.3f}" for value in found) for found in study(trainer, images, classes, options)]
        pace = (time.perf_counter() - start) / max(options.report)
        logger.info("| %s |", " | ".join([norm, variant, styles, str(warmup), *cells, f"{pace:.2f}"]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"--size": 32, "--ngf": 16, "--pairs": 4, "--lr": 3e-3, "--identities": 60}
    for name, default in sizes.items():
        parser.add_argument(name, type=type(default), default=default, help=f"default: {default}")
    parser.add_argument("--loss", choices=("reconstruction", "whole"), default="reconstruction")
    parser.add_argument("--norms", nargs="+", choices=("pixel", "instance"), default=("pixel", "instance"))
    parser.add_argument("--inits", nargs="+", choices=VARIANTS, default=tuple(VARIANTS))
    slow = "slow: style branches learn at a hundredth of the rate"
    parser.add_argument("--styles", nargs="+", choices=("slow", "fast"), default=("slow",), help=slow)
    parser.add_argument("--warmups", nargs="+", type=int, default=(0,), help="of the identity loss, iterations")
    parser.add_argument("--id_stop_gradient", action="store_true", help="as train.py's default")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32", help="default: fp32")
    parser.add_argument("--gpu_ids", type=gpu_ids, default=(0,), help="-1 for the CPU")
    parser.add_argument("--report", nargs="+", type=int, default=(100, 200, 400), help="at these iterations")
    return parser.parse_args()


def people(size: int, identities: int) -> tuple[Tensor, Tensor]:
    """Masked portraits (N, 3, size, size) in [-1, 1] of people at the anchor ages, shuffled, and their classes."""
    drawn = [
        (to_tensor(mask(*draw(sample_identity(0, index), centre(name), size))), number)
        for index in range(identities)
        for number, name in enumerate(ANCHORS)
    ]
    order = np.random.default_rng(0).permutation(len(drawn))
    return torch.stack([drawn[i][0] for i in order]), torch.tensor([drawn[i][1] for i in order])


def make_trainer(
    options: argparse.Namespace, device: torch.device, *, norm: str, changes: Sequence[str], styles: str, warmup: int
) -> Trainer:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(ngf=options.ngf, id_norm=norm))  # type: ignore[arg-type]
    for part in changes:
        if part == "head":
            shrink_head(generator)
        else:
            center_kernels(generator.get_submodule(part))
    layers = int(np.log2(options.size)) - 2
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(ndf=options.ngf, layers=layers))
    return Trainer(
        generator.to(device),
        discriminator.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        weights=LossWeights(id_warmup=warmup, id_stop_gradient=options.id_stop_gradient),
        optimizer=OptimizerConfig(lr=options.lr, slow_style_branches=styles == "slow"),
        rng=torch.Generator().manual_seed(0),
        noise_sigma=0.2,
        execution=Execution(options.precision),
    )


def study(
    trainer: Trainer, images: Tensor, classes: Tensor, options: argparse.Namespace
) -> Iterable[tuple[float, float, float]]:
    """Trains, and yields (error, spread, variation of the features) at each iteration to report."""
    rng = torch.Generator().manual_seed(1)
    step = trainer.step if options.loss == "whole" else partial(reconstruct, trainer)
    for iteration in progress(range(1, max(options.report) + 1), leave=False):
        a, b = (torch.randint(_UNSEEN, len(images), (options.pairs,), generator=rng) for _ in range(2))
        step(Batch(images[a], images[b], classes[a], classes[b]))
        if iteration in options.report:
            yield measure(trainer, images[:_UNSEEN].to(trainer.device), classes[:_UNSEEN])


def reconstruct(trainer: Trainer, batch: Batch) -> None:
    """One iteration of self-reconstruction alone."""
    batch = batch.to(trainer.device)
    made = trainer.generator.synthesize(batch.reals, codes(trainer, batch.source))
    trainer.optimizer_g.zero_grad(set_to_none=True)
    l1_loss(made, batch.reals).backward()
    trainer.optimizer_g.step()


@torch.no_grad()
def measure(trainer: Trainer, images: Tensor, classes: Tensor) -> tuple[float, float, float]:
    features = trainer.generator.encode(images)
    made = trainer.generator.decode(features, trainer.generator.latents(codes(trainer, classes)))
    variation = features.std(dim=0).mean() / features.abs().mean()
    return float(l1_loss(made, images)), float(made.std(dim=(2, 3)).mean()), float(variation)


def codes(trainer: Trainer, classes: Tensor) -> Tensor:
    config = trainer.generator.config
    made = make_codes(classes, config.num_classes, config.dim_per_class, trainer.rng, trainer.noise_sigma)
    return made.to(trainer.device)


if __name__ == "__main__":
    main()
