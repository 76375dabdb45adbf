"""Uses a model on photos, or on test images for a page of results; `python test.py --help` says what it can make."""

from util.errors import UserError, run_command

# isort: split
import argparse
import logging
from collections.abc import Iterator, Sequence
from itertools import islice, product, zip_longest
from pathlib import Path

import numpy as np
import torch
from tqdm.contrib.logging import logging_redirect_tqdm

from data.classes import ClassImages, find_classes
from data.photo_list import face_name, find_photos, for_each_portrait, output_names
from data.portrait import Portrait, read_portrait
from evaluation.judge import log_age
from models.age_code import anchor_blends
from models.transformer import AgeTransformer
from options.base import CommandParser
from options.build import load_transformer, portrait_reader, transform
from options.non_default import non_default_values
from options.outputs import MODEL_SETTINGS, Output, planned_outputs
from options.test import parse_test_options, test_parser
from util.device import choose_device
from util.files import FolderError, keep_only
from util.html import Picture, picture_table, write_page
from util.images import resize, write_image
from util.progress import progress
from util.provenance import ProvenanceRecord

logger = logging.getLogger(__name__)

# Results of this many faces in a photo are checked before the work starts, and further ones when they are made.
_FACES_CHECKED = 9


def main() -> int:
    parser = test_parser()
    options = parse_test_options(parser)
    seeded = f"_seed{options.random_seed}" if options.random_seed >= 0 else ""
    of_model = Path(options.name, f"{options.phase}_{options.which_epoch}{seeded}")
    folder = options.results_dir / ("" if options.portrait else of_model)
    make = use_photos if options.image_path_file else write_results
    with logging_redirect_tqdm():
        return make(options, parser, folder)


def use_photos(options: argparse.Namespace, parser: CommandParser, folder: Path) -> int:
    """Makes the outputs that the options ask for from each photo; returns the exit code."""
    photos = find_photos(options.image_path_file, "--image_path_file")
    outputs, to_model_size = planned_outputs(options, parser), transform(options, flip=False)
    device = choose_device(options.gpu_ids)
    read = portrait_reader(options, device)
    transformer = None if options.portrait else load_transformer(options, device)
    endings = [ending for output in outputs for ending in output.endings]
    names = output_names(photos, endings, ascii_only=options.ascii_names)
    record = ProvenanceRecord(options.results_dir, overwrite=options.overwrite)
    numbers = range(1, _FACES_CHECKED + 1) if options.face == "all" else [None]
    for photo, name in zip(photos, names, strict=True):
        for output, number in product(outputs, numbers):
            record.check(output.record_paths(folder, face_name(name, number)), photo, output.settings)

    def use(name: str, portrait: Portrait) -> None:
        pixels, seed = portrait.at_size(to_model_size), noise_seed(options)
        facts = log_age(name, portrait.pixels) if options.in_the_wild else {}
        for output in outputs:
            record.add(output.record_paths(folder, name), portrait.path, output.settings, **facts)
            frames = rendered(output, transformer, pixels, seed, options.output_size)
            output.write(output.paths(folder, name), resize(pixels, options.output_size), frames)

    skipped = for_each_portrait(photos, read, use, names)
    logger.info("%d of %d photos done; results in %s", len(photos) - skipped, len(photos), folder)
    return 1 if skipped else 0


def rendered(
    output: Output, transformer: AgeTransformer | None, pixels: np.ndarray, seed: int, size: int | None
) -> Iterator[np.ndarray]:
    """Yields an output's frames (H, W, 3) uint8 of a portrait, and makes each one on demand."""
    frames = transformer.frames(pixels, output.blends, seed) if transformer else ()
    for frame in progress(frames, total=len(output.blends), unit="frame", leave=False):
        yield resize(frame, size)


def noise_seed(options: argparse.Namespace) -> int:
    """The seed of a portrait's age codes, a new one each time unless the user gave one."""
    return options.random_seed if options.random_seed >= 0 else torch.Generator().seed()


def write_results(options: argparse.Namespace, parser: CommandParser, folder: Path) -> int:
    """Writes a page that shows test images of each class at all ages; returns the exit code."""
    most = min(options.ntest, options.max_dataset_size)
    classes = find_classes(options.dataroot, options.phase, options.sort_order, most)
    transformer = load_transformer(options, choose_device(options.gpu_ids))
    to_model_size = transform(options, flip=False)
    record = ProvenanceRecord(options.results_dir, overwrite=options.overwrite)
    settings = non_default_values(options, parser, ("output_size", *MODEL_SETTINGS))
    record.add([folder / "index.html"], options.dataroot, settings)
    images = in_turn(classes, options.how_many)
    rows: list[list[Picture]] = []
    skipped = 0
    for name, path in progress(images, unit="image"):
        try:
            pixels = read_portrait(path).at_size(to_model_size)
            for row in result_rows(options, transformer, name, pixels):
                rows.append(written(row, folder, path.stem, name))
        except FolderError:
            raise
        except UserError as error:
            skipped += 1
            logger.error("skipped: %s", error)
    done = len(images) - skipped
    facts = {
        "model": f"{options.name}, epoch {options.which_epoch}",
        "classes": ", ".join(options.sort_order),
        "test images": f"{done} of {sum(len(of_class.paths) for of_class in classes)} in {options.dataroot}",
        "options": f"{f'seed {options.random_seed}' if options.random_seed >= 0 else 'no seed'}, "
        f"{options.fineSize} pixels by {options.resize_or_crop}, "
        f"{options.precision}, {'last weights' if options.no_moving_avg else 'moving average'}, "
        f"age codes {'without' if options.no_cond_noise else 'with'} noise, "
        f"at most {options.how_many} images of each class",
    }
    title = f"{options.name}: results of epoch {options.which_epoch}"
    write_page(folder / "index.html", title, facts, [picture_table(["input", *options.sort_order], rows)])
    keep_only(folder / "images", {Path(picture.path).name for row in rows for picture in row})
    logger.info("%d of %d images done; see %s", done, len(images), folder / "index.html")
    return 1 if skipped else 0


def in_turn(classes: Sequence[ClassImages], turns: int) -> list[tuple[str, Path]]:
    """Class names and images. Each turn takes one image of each class that still has one."""
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
    """An image at all ages, by label; in debug mode, a second row leads each age back to the image's own class."""
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
