"""Makes what the options ask for from each photo."""

import argparse
import logging
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from data.photo_list import face_name, find_photos, for_each_portrait, output_names
from data.portrait import Portrait
from evaluation.judge import log_age
from models.transformer import AgeTransformer
from options.base import CommandParser
from options.build import load_transformer, noise_seed, portrait_reader, transform
from options.test import out_file
from outputs.overview import Overview
from outputs.plan import Output, model_facts, planned_outputs
from util.device import choose_device
from util.errors import UserError
from util.images import resize
from util.progress import progress
from util.provenance import ProvenanceRecord

logger = logging.getLogger(__name__)

# Results of this many faces in a photo are checked before the work starts, and further ones when they are made.
_FACES_CHECKED = 9


def use_photos(options: argparse.Namespace, parser: CommandParser, folder: Path) -> int:
    """Makes the outputs that the options ask for from each photo; returns the exit code."""
    photos = find_photos(options.image_path_file, "--image_path_file")
    outputs, to_model_size = planned_outputs(options, parser), transform(options, flip=False)
    device = choose_device(options.gpu_ids)
    read = portrait_reader(options, device)
    transformer = None if options.portrait else load_transformer(options, device)
    endings = [ending for output in outputs for ending in output.endings]
    if file := out_file(options):
        if len(photos) > 1 or options.face == "all":
            raise UserError(f"--out {file}: is one file, but there may be results of several faces; name a folder")
        names = [file.stem]
    else:
        names = output_names(photos, endings, ascii_only=options.ascii_names)
    record = ProvenanceRecord(options.results_dir, overwrite=options.overwrite)
    about, captions = model_facts(options), dict[str, str]()
    overview = Overview(options, folder, outputs, record) if len(photos) > 1 else None
    numbers = range(1, _FACES_CHECKED + 1) if options.face == "all" else [None]
    for photo, name in zip(photos, names, strict=True):
        for output, number in product(outputs, numbers):
            record.check(output.record_paths(folder, face_name(name, number)), photo, output.settings)

    def use(name: str, portrait: Portrait) -> None:
        pixels, seed = portrait.at_size(to_model_size), noise_seed(options)
        facts = log_age(name, portrait.pixels) if options.in_the_wild else {}
        for output in outputs:
            record.add(output.record_paths(folder, name), portrait.path, output.settings, **facts)
            frames = _rendered(output, transformer, pixels, seed, options.output_size)
            told = about and {**about, "seed": str(seed)}
            output.make(folder, name, portrait=resize(pixels, options.output_size), frames=frames, facts=told)
        captions[name] = ", ".join([portrait.path.name, *(f"{fact} {value}" for fact, value in facts.items())])

    skipped = for_each_portrait(photos, read, use, names)
    if overview and captions:
        overview.write(captions)
    logger.info("%d of %d photos done; results in %s", len(photos) - skipped, len(photos), folder)
    return 1 if skipped else 0


def _rendered(
    output: Output, transformer: AgeTransformer | None, pixels: np.ndarray, seed: int, size: int | None
) -> Iterator[np.ndarray]:
    """Yields an output's frames (H, W, 3) uint8 of a portrait, and makes each one on demand."""
    frames = transformer.frames(pixels, output.blends, seed) if transformer else ()
    for frame in progress(frames, total=len(output.blends), unit="frame", leave=False):
        yield resize(frame, size)
