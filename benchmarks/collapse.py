"""Shows which initialisation frees training from its flat picture (docs/training_notes.md).

Trains each variant on synthetic people and reports, on unseen people:

- error: the mean absolute error of the reconstruction, in [-1, 1];
- spread: the standard deviation of the synthesised pictures over space. A flat picture has none;
- variation: how much the identity features differ between people, as their standard deviation over the people and a
  share of their mean magnitude. A constant encoder has none;
- age_accuracy and identity: those of evaluate.py (docs/demo_model.md).

With --csv the rows are appended to a file, and variants that it holds to their last iteration are not trained again.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from functools import partial
from itertools import product
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.collapse_table import COLUMNS, Row, Variant, append, finished
from data.age_classes import ANCHORS, centre
from data.masking import mask
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from evaluation.metrics import nearest
from models.age_code import make_codes
from models.batch import Batch
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.execution import Execution
from models.generator import Generator, GeneratorConfig
from models.initialization import center_kernels, even_styles, shrink_head
from models.losses import LossWeights, l1_loss
from models.optimizers import OptimizerConfig
from models.precision import Precision, set_tf32
from models.trainer import Trainer
from options.types import gpu_ids
from util.device import choose_device
from util.images import to_pixels, to_tensor
from util.progress import progress

logger = logging.getLogger(__name__)

# Which parts of the published initialisation are changed (models/initialization.py).
VARIANTS = {
    "paper": (),
    "head": ("head",),
    "encoder": ("id_encoder",),
    "decoder": ("decoder",),
    "kernels": ("id_encoder", "decoder"),
    "random_styles": ("id_encoder", "decoder", "head"),
    "centered": ("id_encoder", "decoder", "head", "styles"),
}


def main() -> None:
    options = parse()
    cv2.setNumThreads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    set_tf32(options.precision)
    device = choose_device(options.gpu_ids)
    drawn = people(options.size, options.identities, options.unseen)
    logger.info("spread of the true pictures: %.3f", drawn[0].flatten(0, 1).std(dim=(2, 3)).mean())
    logger.info(",".join(COLUMNS))
    done = finished(options.csv)
    same = (options.size, options.ngf, options.pairs, options.lr, options.loss, options.precision)
    varied = (options.norms, options.inits, options.styles, options.lambda_adv, options.warmups)
    for choice in product(*varied, options.id_stop_gradient, options.steady_starts, options.seeds):
        variant = Variant(*same, *choice)
        if (*map(str, astuple(variant)), str(max(options.report))) in done:
            continue
        rows = []
        for row in study(variant, drawn, options.report, device, compile=options.compile):
            rows.append([str(value) for value in (*astuple(variant), *astuple(row))])
            logger.info(",".join(rows[-1]))
        if options.csv:
            append(options.csv, rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = {"--size": 32, "--ngf": 16, "--pairs": 4, "--lr": 3e-3, "--identities": 60, "--unseen": 4}
    for name, default in numbers.items():
        parser.add_argument(name, type=type(default), default=default, help=f"default: {default}")
    parser.add_argument("--loss", choices=("reconstruction", "whole"), default="reconstruction")
    parser.add_argument("--norms", nargs="+", choices=("pixel", "instance"), default=("pixel", "instance"))
    parser.add_argument("--inits", nargs="+", choices=VARIANTS, default=tuple(VARIANTS))
    parser.add_argument("--styles", nargs="+", choices=("slow", "fast"), default=("slow",), help="style branches")
    parser.add_argument("--lambda_adv", nargs="+", type=float, default=(4.0,), help="the paper has 1")
    parser.add_argument("--warmups", nargs="+", type=int, default=(0,), help="of the identity loss, iterations")
    parser.add_argument("--id_stop_gradient", nargs="+", type=int, choices=(0, 1), default=(1,), help="1: true")
    parser.add_argument("--steady_starts", nargs="+", type=int, default=(500,), help="iterations; the paper has 0")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0,), help="of the initial weights and the pairs")
    parser.add_argument("--precision", choices=get_args(Precision), default="fp32", help="default: fp32")
    parser.add_argument("--compile", action="store_true", help="as that of train.py")
    parser.add_argument("--gpu_ids", type=gpu_ids, default=(0,), help="-1 for the CPU")
    parser.add_argument("--report", nargs="+", type=int, default=(100, 200, 400), help="at these iterations")
    parser.add_argument("--csv", type=Path, help="append the rows to this file")
    options = parser.parse_args()
    if not 0 < options.unseen < options.identities:
        parser.error(f"--unseen {options.unseen}: must be at least 1, and leave some of --identities to train on")
    return options


def people(size: int, identities: int, unseen: int) -> tuple[Tensor, Tensor, Tensor]:
    """Masked portraits in [-1, 1] at the anchor ages.

    Those of the unseen people (unseen, classes, 3, size, size); all others (N, 3, size, size), and their classes.
    """
    drawn = torch.stack(
        [
            torch.stack([to_tensor(mask(*draw(sample_identity(0, index), centre(name), size))) for name in ANCHORS])
            for index in range(identities)
        ]
    )
    classes = torch.arange(len(ANCHORS)).repeat(identities - unseen)
    return drawn[:unseen], drawn[unseen:].flatten(0, 1), classes


def make_trainer(variant: Variant, device: torch.device, *, compile: bool) -> Trainer:
    torch.manual_seed(variant.seed)
    generator = Generator(GeneratorConfig(ngf=variant.ngf, id_norm=variant.norm))  # type: ignore[arg-type]
    for part in VARIANTS[variant.init]:
        match part:
            case "head":
                shrink_head(generator)
            case "styles":
                even_styles(generator)
            case _:
                center_kernels(generator.get_submodule(part))
    discriminator = MultiScaleDiscriminator(DiscriminatorConfig(variant.ngf, layers=int(np.log2(variant.size)) - 2))
    return Trainer(
        generator.to(device),
        discriminator.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        weights=LossWeights(
            adv=variant.lambda_adv, id_warmup=variant.warmup, id_stop_gradient=bool(variant.id_stop_gradient)
        ),
        optimizer=OptimizerConfig(
            lr=variant.lr,
            slow_style_branches=variant.styles == "slow",
            steady_start=variant.steady_start,
        ),
        rng=torch.Generator().manual_seed(0),
        noise_sigma=0.2,
        execution=Execution(variant.precision, compile=compile),
    )


def study(
    variant: Variant,
    drawn: tuple[Tensor, Tensor, Tensor],
    report: Sequence[int],
    device: torch.device,
    *,
    compile: bool,
) -> Iterable[Row]:
    """Trains a variant on drawn people, and yields what it shows at each iteration to report."""
    truths, images, classes = drawn
    trainer = make_trainer(variant, device, compile=compile)
    rng = torch.Generator().manual_seed(variant.seed + 1)
    step = trainer.step if variant.loss == "whole" else partial(reconstruct, trainer)
    start = time.perf_counter()
    for iteration in progress(range(1, max(report) + 1), leave=False):
        a, b = (torch.randint(len(images), (variant.pairs,), generator=rng) for _ in range(2))
        step(Batch(images[a], images[b], classes[a], classes[b]))
        if iteration in report:
            yield Row(iteration, *measure(trainer, truths), round(time.perf_counter() - start))


def reconstruct(trainer: Trainer, batch: Batch) -> None:
    """One iteration of self-reconstruction alone."""
    batch = batch.to(trainer.device)
    made = trainer.generator.synthesize(batch.reals, codes(trainer, batch.source))
    trainer.optimizer_g.zero_grad(set_to_none=True)
    l1_loss(made, batch.reals).backward()
    trainer.optimizer_g.step()


@torch.no_grad()
def measure(trainer: Trainer, truths: Tensor) -> tuple[float, float, float, float, float]:
    """Error, spread, variation, age accuracy and identity on the unseen people (people, classes, 3, H, W)."""
    generator, count = trainer.generator, truths.shape[1]
    images = truths.flatten(0, 1).to(trainer.device)
    features = generator.encode(images)
    # Every picture at every age: (pictures, targets, 3, H, W).
    sources, targets = torch.arange(len(images)).repeat_interleave(count), torch.arange(count).repeat(len(images))
    made = generator.decode(features[sources], generator.latents(codes(trainer, targets))).unflatten(0, (-1, count))
    rebuilt = made[torch.arange(len(images)), torch.arange(count).repeat(len(truths))]
    of_people, pixels = to_pixels(truths), to_pixels(made)
    aged = [(pixels[n, target], n // count, target) for n in range(len(images)) for target in range(count)]
    ages = [nearest(picture, of_people[person]) == target for picture, person, target in aged]
    identities = [nearest(picture, of_people[:, target]) == person for picture, person, target in aged]
    return (
        round(float(l1_loss(rebuilt, images)), 4),
        round(float(rebuilt.std(dim=(2, 3)).mean()), 4),
        round(float(features.std(dim=0).mean() / features.abs().mean()), 4),
        round(float(np.mean(ages)), 4),
        round(float(np.mean(identities)), 4),
    )


def codes(trainer: Trainer, classes: Tensor) -> Tensor:
    config = trainer.generator.config
    made = make_codes(classes, config.num_classes, config.dim_per_class, trainer.rng, trainer.noise_sigma)
    return made.to(trainer.device)


if __name__ == "__main__":
    main()
