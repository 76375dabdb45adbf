"""Turns portraits into series, progressions and comparisons of ages, and test images into a page (spec/cli.md)."""

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from data.age_classes import position
from data.classes import ClassImages, find_classes
from data.photo_list import find_photos, for_each_portrait
from data.portrait import Portrait, read_portrait
from models.age_code import anchor_blends, path_blends, position_blends, traversal_blends
from models.transformer import AgeTransformer
from options.build import load_transformer, portrait_reader, transform
from options.test import parse_test_options, test_parser
from util.device import allow_tf32, choose_device
from util.errors import UserError, run_command
from util.html import Picture, picture_table, write_page
from util.images import resize, write_image
from util.sheets import row, row_after_gap
from util.video import write_video

logger = logging.getLogger(__name__)

# A series (F, num_classes) of blends -> its frames (H, W, 3) uint8, made as they are asked for.
Render = Callable[[Tensor], Iterator[np.ndarray]]


def main() -> int:
    options = parse_test_options(test_parser())
    of_photos = options.image_path_file is not None
    photos = find_photos(options.image_path_file, "--image_path_file") if of_photos else []
    most = min(options.ntest, options.max_dataset_size)
    classes = [] if of_photos else find_classes(options.dataroot, options.phase, options.sort_order, most)
    asked = asked_blends(options)
    device = choose_device(options.gpu_ids)
    if options.portrait:
        return write_portraits(options, device, photos)
    allow_tf32(False)
    transformer = load_transformer(options, device)
    seeded = f"_seed{options.random_seed}" if options.random_seed >= 0 else ""
    folder = options.results_dir / options.name / f"{options.phase}_{options.which_epoch}{seeded}"
    with logging_redirect_tqdm():
        if of_photos:
            return use_photos(options, transformer, device, photos, asked, folder)
        return write_results(options, transformer, classes, folder)


def use_photos(
    options: argparse.Namespace,
    transformer: AgeTransformer,
    device: torch.device,
    photos: Sequence[Path],
    asked: Tensor | None,
    folder: Path,
) -> int:
    """Makes of each photo what was asked for; returns the exit code."""
    read = portrait_reader(options, device)
    to_model_size = transform(options, flip=False)

    def use(name: str, portrait: Portrait) -> None:
        pixels = portrait.at_size(to_model_size)
        write_outputs(options, asked, folder, name, pixels, renderer(options, transformer, pixels))

    failed = for_each_portrait(photos, read, use)
    logger.info("%d of %d photos done; results in %s", len(photos) - failed, len(photos), folder)
    return 1 if failed else 0


def write_portraits(options: argparse.Namespace, device: torch.device, photos: Sequence[Path]) -> int:
    """Writes the aligned and masked portrait of each photo; returns the exit code."""
    folder = options.results_dir / "portraits"

    def use(name: str, portrait: Portrait) -> None:
        write_image(folder / f"{name}_portrait.png", resize(portrait.pixels, options.output_size))

    failed = for_each_portrait(photos, portrait_reader(options, device), use)
    logger.info("%d of %d photos done; portraits in %s", len(photos) - failed, len(photos), folder)
    return 1 if failed else 0


def write_results(
    options: argparse.Namespace, transformer: AgeTransformer, classes: Sequence[ClassImages], folder: Path
) -> int:
    """The page of test images, one of each class in turn, at all ages; returns the exit code."""
    to_model_size = transform(options, flip=False)
    images = list(islice(in_turn(classes), options.how_many))
    rows: list[list[Picture]] = []
    for name, path in tqdm(images, unit="image"):
        try:
            pixels = read_portrait(path).at_size(to_model_size)
            rows += result_rows(options, transformer, name, path, pixels, folder)
        except UserError as error:
            logger.error("skipped: %s", error)
    done = len(rows) // (2 if options.debug_mode else 1)
    facts = {
        "model": f"{options.name}, epoch {options.which_epoch}",
        "classes": ", ".join(options.sort_order),
        "test images": f"{done} of {sum(len(images.paths) for images in classes)} in {options.dataroot}",
        "options": f"seed {options.random_seed}, {options.fineSize} pixels by {options.resize_or_crop}, "
        f"{options.precision}, {'last weights' if options.no_moving_avg else 'moving average'}, "
        f"age codes {'without' if options.no_cond_noise else 'with'} noise, at most {options.how_many} images",
    }
    title = f"{options.name}: results of epoch {options.which_epoch}"
    write_page(folder / "index.html", title, facts, [picture_table(["input", *options.sort_order], rows)])
    logger.info("%d of %d images done; see %s", done, len(images), folder / "index.html")
    return 1 if done < len(images) else 0


def in_turn(classes: Sequence[ClassImages]) -> Iterator[tuple[str, Path]]:
    """Names and images: one of each class after another; classes with fewer run out first."""
    for images in zip_longest(*(images.paths for images in classes)):
        yield from ((known.name, path) for known, path in zip(classes, images, strict=True) if path is not None)


def result_rows(
    options: argparse.Namespace,
    transformer: AgeTransformer,
    name: str,
    path: Path,
    pixels: np.ndarray,
    folder: Path,
) -> list[list[Picture]]:
    """A test image and its ages; in debug mode also what becomes of them on the way back to its own class."""
    count = len(options.sort_order)
    frames = list(renderer(options, transformer, pixels)(anchor_blends(count)))
    made = [("input", pixels), *zip(options.sort_order, frames, strict=True)]
    rows = [made]
    if options.debug_mode:
        number = options.sort_order.index(name)
        own = anchor_blends(count)[number : number + 1]
        back = [next(renderer(options, transformer, frame)(own)) for frame in frames]
        rows.append(
            [
                ("reconstruction", frames[number]),
                *((f"{age} back", f) for age, f in zip(options.sort_order, back, strict=True)),
            ]
        )
    for label, frame in chain.from_iterable(rows):
        write_image(folder / "images" / f"{name}_{path.stem}_{label}.png", resize(frame, options.output_size))

    def picture(label: str) -> Picture:
        caption = f"{path.stem} ({name})" if label == "input" else label
        return Picture(f"images/{name}_{path.stem}_{label}.png", caption)

    return [[picture(label) for label, _ in pairs] for pairs in rows]


def renderer(options: argparse.Namespace, transformer: AgeTransformer, pixels: np.ndarray) -> Render:
    """How the series of one portrait, (H, W, 3) uint8, are drawn; each with the same codes."""
    seed = options.random_seed if options.random_seed >= 0 else torch.Generator().seed()

    def render(blends: Tensor) -> Iterator[np.ndarray]:
        frames = transformer.frames(pixels, blends, seed)
        for frame in tqdm(frames, total=len(blends), unit="frame", leave=False):
            yield resize(frame, options.output_size)

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
