"""Turns portraits into series, progressions and comparisons of ages (spec/cli.md)."""

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from data.age_classes import position
from data.aging_dataset import read_portrait
from data.photo_list import find_photos, output_names
from models.age_code import anchor_blends, path_blends, position_blends, traversal_blends
from models.checkpoint import CheckpointFolder
from models.transformer import AgeTransformer
from options.base import generator_config, noise_sigma, transform
from options.test import parse_test_options, test_parser
from util.device import choose_device
from util.errors import UserError, run_command
from util.images import resize, to_pixels, to_tensor, write_image
from util.in_the_wild import PortraitMaker
from util.sheets import row, row_after_gap
from util.video import write_video

logger = logging.getLogger(__name__)

# A series (F, num_classes) of blends -> its frames (H, W, 3) uint8, made as they are asked for.
Render = Callable[[Tensor], Iterator[np.ndarray]]


def main() -> int:
    options = parse_test_options(test_parser())
    photos = find_photos(options.image_path_file)
    asked = asked_blends(options)
    device = choose_device(options.gpu_ids)
    transformer = AgeTransformer.load(
        CheckpointFolder(options.checkpoints_dir / options.name).weights(
            options.which_epoch, "G" if options.no_moving_avg else "g_running"
        ),
        generator_config(options),
        device,
        noise_sigma(options),
        options.precision,
    )
    read = PortraitMaker(options.loadSize, options.parser, device) if options.in_the_wild else read_portrait
    to_model_size = transform(options, flip=False)
    seeded = f"_seed{options.random_seed}" if options.random_seed >= 0 else ""
    folder = options.results_dir / options.name / f"{options.phase}_{options.which_epoch}{seeded}"

    failed = 0
    with logging_redirect_tqdm():
        for photo, name in zip(tqdm(photos, unit="photo"), output_names(photos), strict=True):
            try:
                pixels = to_model_size(read(photo).pixels)
                write_outputs(options, asked, folder, name, pixels, renderer(options, transformer, pixels))
            except UserError as error:
                failed += 1
                logger.error("skipped: %s", error)
    logger.info("%d of %d photos done; results in %s", len(photos) - failed, len(photos), folder)
    return 1 if failed else 0


def renderer(options: argparse.Namespace, transformer: AgeTransformer, pixels: np.ndarray) -> Render:
    """How the series of one portrait, (H, W, 3) uint8, are drawn; each with the same codes."""
    image = to_tensor(pixels)
    seed = options.random_seed if options.random_seed >= 0 else torch.Generator().seed()

    def render(blends: Tensor) -> Iterator[np.ndarray]:
        frames = transformer.transform(image, blends, torch.Generator().manual_seed(seed))
        for frame in tqdm(frames, total=len(blends), unit="frame", leave=False):
            yield resize(to_pixels(frame), options.output_size)

    return render


def asked_blends(options: argparse.Namespace) -> Tensor | None:
    """The series of the ages asked for; None where none were, so that each output has its own."""
    if not options.ages:
        return None
    classes = options.sort_order
    return position_blends(len(classes), [position(age, classes) for age in options.ages])


def write_outputs(
    options: argparse.Namespace, asked: Tensor | None, folder: Path, name: str, pixels: np.ndarray, render: Render
) -> None:
    """Writes all that was asked for of one portrait, (H, W, 3) uint8."""
    classes = options.sort_order
    portrait = resize(pixels, options.output_size)
    if options.traverse:
        write_series(options, folder / "traversal", name, render, asked)
        if options.in_the_wild:
            write_image(folder / "traversal" / f"{name}_portrait.png", portrait)
    if options.deploy:
        labels = [f"{age:g}" for age in options.ages] if options.ages else classes
        frames = render(anchor_blends(len(classes)) if asked is None else asked)
        if options.full_progression:
            write_image(folder / "deploy" / f"{name}.png", row_after_gap(portrait, frames))
        else:
            for label, frame in zip(labels, frames, strict=True):
                write_image(folder / "deploy" / f"{name}_{label}.png", frame)
        if options.in_the_wild:
            write_image(folder / "deploy" / f"{name}_portrait.png", portrait)
    if options.compare_to_trained_outputs:
        number, jump = options.compare_to_trained_class, options.trained_class_jump
        trained = row(render(anchor_blends(len(classes))[number : number + 1]))
        path = render(path_blends(len(classes), number - jump, number + jump, options.interp_step))
        target = folder / "traversal" / f"{name}_compare_to_{number}_jump_{jump}.png"
        write_image(target, row_after_gap(trained, path))


def write_series(options: argparse.Namespace, folder: Path, name: str, render: Render, asked: Tensor | None) -> None:
    """A series through all ages, or the ages asked for: a video, or a folder of numbered pictures."""
    blends = traversal_blends(len(options.sort_order), options.interp_step) if asked is None else asked
    if options.make_video:
        write_video(folder / f"{name}.mp4", render(blends), options.fps)
    else:
        for number, frame in enumerate(render(blends)):
            write_image(folder / name / f"{number:03d}.png", frame)


if __name__ == "__main__":
    run_command(main)
