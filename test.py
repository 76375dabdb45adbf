"""Uses a model on photos, or on test images for a page of results; `python test.py --help` says what it can make."""

import argparse
import logging
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from data.classes import ClassImages, find_classes
from data.photo_list import find_photos, for_each_portrait, output_names
from data.portrait import Portrait, read_portrait
from models.age_code import anchor_blends
from models.transformer import AgeTransformer
from options.build import load_transformer, portrait_reader, transform
from options.outputs import Output, planned_outputs
from options.test import parse_test_options, test_parser
from util.device import choose_device
from util.errors import UserError, run_command
from util.html import Picture, picture_table, write_page
from util.images import resize, write_image

logger = logging.getLogger(__name__)


def main() -> int:
    options = parse_test_options(test_parser())
    if options.portrait:
        return write_portraits(options)
    seeded = f"_seed{options.random_seed}" if options.random_seed >= 0 else ""
    folder = options.results_dir / options.name / f"{options.phase}_{options.which_epoch}{seeded}"
    with logging_redirect_tqdm():
        return use_photos(options, folder) if options.image_path_file else write_results(options, folder)


def use_photos(options: argparse.Namespace, folder: Path) -> int:
    """Makes of each photo what the options ask for; returns the exit code."""
    photos = find_photos(options.image_path_file, "--image_path_file")
    outputs = planned_outputs(options)
    device = choose_device(options.gpu_ids)
    transformer, read = load_transformer(options, device), portrait_reader(options, device)
    to_model_size = transform(options, flip=False)

    def use(name: str, portrait: Portrait) -> None:
        pixels, seed = portrait.at_size(to_model_size), noise_seed(options)
        for output in outputs:
            frames = rendered(output, transformer, pixels, seed, options.output_size)
            targets = [str(folder / output.folder / f"{name}{ending}") for ending in output.endings]
            output.write(targets, resize(pixels, options.output_size), frames)

    names = output_names(photos, [ending for output in outputs for ending in output.endings])
    skipped = for_each_portrait(photos, read, use, names)
    logger.info("%d of %d photos done; results in %s", len(photos) - skipped, len(photos), folder)
    return 1 if skipped else 0


def write_portraits(options: argparse.Namespace) -> int:
    """Writes the aligned and masked portrait of each photo, which needs no model; returns the exit code."""
    photos = find_photos(options.image_path_file, "--image_path_file")
    read, folder = portrait_reader(options, choose_device(options.gpu_ids)), options.results_dir / "portraits"

    def use(name: str, portrait: Portrait) -> None:
        write_image(folder / f"{name}_portrait.png", resize(portrait.pixels, options.output_size))

    skipped = for_each_portrait(photos, read, use, output_names(photos, ["_portrait"]))
    logger.info("%d of %d photos done; portraits in %s", len(photos) - skipped, len(photos), folder)
    return 1 if skipped else 0


def rendered(
    output: Output, transformer: AgeTransformer, pixels: np.ndarray, seed: int, size: int | None
) -> Iterator[np.ndarray]:
    """Yields an output's frames (H, W, 3) uint8 of a portrait, each made when it is asked for."""
    frames = transformer.frames(pixels, output.blends, seed)
    for frame in tqdm(frames, total=len(output.blends), unit="frame", leave=False):
        yield resize(frame, size)


def noise_seed(options: argparse.Namespace) -> int:
    """The seed of a portrait's age codes, a new one each time unless the user gave one."""
    return options.random_seed if options.random_seed >= 0 else torch.Generator().seed()


def write_results(options: argparse.Namespace, folder: Path) -> int:
    """Writes a page that shows test images of each class at all ages; returns the exit code."""
    most = min(options.ntest, options.max_dataset_size)
    classes = find_classes(options.dataroot, options.phase, options.sort_order, most)
    transformer = load_transformer(options, choose_device(options.gpu_ids))
    to_model_size = transform(options, flip=False)
    images = in_turn(classes, options.how_many)
    rows: list[list[Picture]] = []
    skipped = 0
    for name, path in tqdm(images, unit="image"):
        try:
            pixels = read_portrait(path).at_size(to_model_size)
            for row in result_rows(options, transformer, name, pixels):
                rows.append(written(row, folder, path.stem, name))
        except UserError as error:
            skipped += 1
            logger.error("skipped: %s", error)
    done = len(images) - skipped
    facts = {
        "model": f"{options.name}, epoch {options.which_epoch}",
        "classes": ", ".join(options.sort_order),
        "test images": f"{done} of {sum(len(of_class.paths) for of_class in classes)} in {options.dataroot}",
        "options": f"seed {options.random_seed}, {options.fineSize} pixels by {options.resize_or_crop}, "
        f"{options.precision}, {'last weights' if options.no_moving_avg else 'moving average'}, "
        f"age codes {'without' if options.no_cond_noise else 'with'} noise, "
        f"at most {options.how_many} images of each class",
    }
    title = f"{options.name}: results of epoch {options.which_epoch}"
    write_page(folder / "index.html", title, facts, [picture_table(["input", *options.sort_order], rows)])
    logger.info("%d of %d images done; see %s", done, len(images), folder / "index.html")
    return 1 if skipped else 0


def in_turn(classes: Sequence[ClassImages], turns: int) -> list[tuple[str, Path]]:
    """Class names and images: each turn takes one of each class; classes with fewer images run out first."""
    chosen = islice(zip_longest(*(of_class.paths for of_class in classes)), turns)
    return [
        (of_class.name, path)
        for turn in chosen
        for of_class, path in zip(classes, turn, strict=True)
        if path is not None
    ]


def result_rows(
    options: argparse.Namespace, transformer: AgeTransformer, name: str, pixels: np.ndarray
) -> list[dict[str, np.ndarray]]:
    """An image at all ages, by label; in debug mode also what the way back to its own class makes of these."""
    classes, seed = options.sort_order, noise_seed(options)
    blends, own = anchor_blends(len(classes)), classes.index(name)
    frames = list(transformer.frames(pixels, blends, seed))
    rows = [{"input": pixels, **dict(zip(classes, frames, strict=True))}]
    if options.debug_mode:
        back = [next(transformer.frames(frame, blends[own : own + 1], seed)) for frame in frames]
        labels = [f"{age} back" for age in classes]
        rows.append({"reconstruction": frames[own], **dict(zip(labels, back, strict=True))})
    return [{label: resize(frame, options.output_size) for label, frame in row.items()} for row in rows]


def written(row: dict[str, np.ndarray], folder: Path, stem: str, name: str) -> list[Picture]:
    """Writes a row's pictures below the page's folder."""
    pictures = []
    for label, pixels in row.items():
        caption = f"{stem} ({name})" if label == "input" else label
        pictures.append(Picture(f"images/{name}_{stem}_{label}.png", caption))
        write_image(folder / pictures[-1].path, pixels)
    return pictures


if __name__ == "__main__":
    run_command(main)
