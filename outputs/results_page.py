"""Writes a page that shows test images of each class at all ages."""

import argparse
import logging
from collections.abc import Sequence
from datetime import date
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np

from data.classes import ClassImages, find_classes
from data.photo_list import output_names
from data.portrait import read_portrait
from models.age_code import anchor_blends
from models.transformer import AgeTransformer
from options.base import CommandParser
from options.build import load_transformer, noise_seed, transform
from options.non_default import non_default_values
from outputs.plan import model_facts, model_settings
from util.device import choose_device
from util.errors import UserError
from util.files import FolderError, keep_only
from util.html import Picture, picture_table, write_page
from util.images import resize, write_image
from util.metadata import Facts
from util.progress import progress
from util.provenance import Manifest, Source

logger = logging.getLogger(__name__)


def write_results(options: argparse.Namespace, parser: CommandParser, folder: Path) -> int:
    """Writes a page that shows test images of each class at all ages; returns the exit code."""
    most = min(options.ntest, options.max_dataset_size)
    classes = find_classes(options.dataroot, options.phase, options.sort_order, most)
    transformer = load_transformer(options, choose_device(options.gpu_ids))
    to_model_size = transform(options, flip=False)
    manifest = Manifest(folder, options.results_dir, overwrite=options.overwrite)
    settings = non_default_values(options, parser, ("output_size", *model_settings(options)))
    # A folder of the user's own may hold images already, which the page must not remove.
    made = ["index.html", "images"] if options.out else ["index.html"]
    manifest.claim([folder / file for file in made], Source(options.dataroot), settings)
    images, about = _in_turn(classes, options.how_many), model_facts(options)
    rows: list[list[Picture]] = []
    skipped = 0
    # The pictures of x.png and x.jpg, or of X.png, must not replace each other.
    endings = [f"_{label}.png" for label in ("input", *options.sort_order)]
    stems = output_names([Path(f"{name}_{path.name}") for name, path in images], endings)
    for (name, path), stem in zip(progress(images, unit="image"), stems, strict=True):
        try:
            pixels = read_portrait(path).at_size(to_model_size)
            for row in _result_rows(options, transformer, name, pixels):
                rows.append(_written(row, folder, stem=stem, shown=f"{path.stem} ({name})", about=about))
        except FolderError:
            raise
        except UserError as error:
            skipped += 1
            logger.error("skipped: %s", error)
    done = len(images) - skipped
    total = sum(len(of_class.paths) for of_class in classes)
    facts = _facts(options, f"{done} of {total}")
    title = f"{options.name}: results of epoch {options.which_epoch}"
    table = picture_table(["input", *options.sort_order], rows, slider="age")
    write_page(folder / "index.html", title, facts, [table])
    keep_only(folder / "images", {Path(picture.path).name for row in rows for picture in row})
    logger.info("%d of %d images done; see %s", done, len(images), folder / "index.html")
    return 1 if skipped else 0


def _facts(options: argparse.Namespace, images: str) -> dict[str, str]:
    """What the page's pictures depend on; `images` says how many test images it shows."""
    return {
        "model": f"{options.name}, epoch {options.which_epoch}",
        "data set": str(options.dataroot),
        "classes": ", ".join(options.sort_order),
        "test images": f"{images}, at most {options.how_many} of each class",
        "seed": str(options.random_seed) if options.random_seed >= 0 else "none, so that each run differs",
        "date": date.today().isoformat(),
        "options": f"{options.fineSize} pixels by {options.resize_or_crop}, {options.precision}, "
        f"{'last weights' if options.no_moving_avg else 'moving average'}, "
        f"age codes {'without' if options.no_cond_noise else 'with'} noise",
    }


def _in_turn(classes: Sequence[ClassImages], turns: int) -> list[tuple[str, Path]]:
    """Class names and images. Each turn takes one image of each class that still has one."""
    chosen = islice(zip_longest(*(of_class.paths for of_class in classes)), turns)
    return [
        (of_class.name, path)
        for turn in chosen
        for of_class, path in zip(classes, turn, strict=True)
        if path is not None
    ]


def _result_rows(
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


def _written(
    row: dict[str, np.ndarray], folder: Path, *, stem: str, shown: str, about: Facts | None
) -> list[Picture]:
    """Writes a row's pictures below the page's folder; `shown` is the input's caption."""
    pictures = []
    for label, pixels in row.items():
        caption = shown if label == "input" else label
        pictures.append(Picture(f"images/{stem}_{label}.png", caption))
        told = {**about, "ages": label} if about and label != "input" else None
        write_image(folder / pictures[-1].path, pixels, told)
    return pictures
