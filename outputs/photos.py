"""Makes what the options ask for from each photo."""

import argparse
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch

from data.photo_list import face_name, find_photos, output_names
from data.portrait import parsing_path
from models.face_parser import uses_deeplab
from options.base import CommandParser
from options.build import (
    load_transformer,
    noise_seed,
    portrait_reader,
    transform,
    weights_path,
)
from options.test import out_file
from outputs.batch import Batch, Maker
from outputs.overview import Overview
from outputs.plan import Output, model_facts, planned_outputs
from outputs.preparation import Preparation, Prepared, Task
from outputs.views import PhotoView, PortraitView, View
from util.device import choose_device
from util.distributed import is_main_process, local_rank, process_group
from util.errors import UserError
from util.interrupt import sigterm_raises
from util.provenance import Manifest, Source, source_id
from util.workers import OrderedWorkers, usable_cores

logger = logging.getLogger(__name__)

# Results of this many faces in a photo are checked before the work starts, and further ones when they are made.
_FACES_CHECKED = 9
# Starting workers takes longer than they would save with fewer photos.
_FEWEST_FOR_WORKERS = 3
# A model on the CPU keeps these to itself. Its threads wait for one another, so workers on all cores slow it down
# more than they help: on two cores, twelve photos took twice as long.
_CORES_OF_MODEL = 2
# Processes of several machines wait for the slowest one. It ends long before this, or not at all.
_LONGEST_BATCH = timedelta(days=30)


def use_photos(options: argparse.Namespace, parser: CommandParser, folder: Path) -> int:
    """Makes the outputs that the options ask for from each photo; returns the exit code.

    Under torchrun each process makes those of its part of the photos.
    """
    photos = find_photos(options.image_path_file, "--image_path_file")
    outputs = planned_outputs(options, parser)
    endings = [ending for output in outputs for ending in output.endings]
    if file := out_file(options):
        if len(photos) > 1 or _of_each_face(options):
            raise UserError(f"--out {file}: is one file, but there may be results of several faces; name a folder")
        names = [file.stem]
    else:
        names = output_names(photos, endings, ascii_only=options.ascii_names)
    model = _model_identity(options)
    tasks = [Task(Source(p), name, model + _map_identity(options, p)) for p, name in zip(photos, names, strict=True)]
    if not is_main_process():
        # The messages of the first process hold for all of them.
        logging.getLogger().setLevel(logging.WARNING)
    advice = "the same command goes on where it stopped"
    with sigterm_raises(), process_group(torch.device("cpu"), advice, _LONGEST_BATCH) as processes:
        part = processes.rank if processes.count > 1 else None
        manifest = Manifest(folder, options.results_dir, overwrite=options.overwrite, part=part)
        overview = Overview(options, folder, outputs, manifest) if len(photos) > 1 else None
        mine = tasks[processes.rank :: processes.count]
        _keep_photos(photos, [path for output in outputs for name in names for path in output.paths(folder, name)])
        left = _not_done(options, outputs, folder, manifest, mine)
        failed = _make(options, outputs, folder, manifest, left) if left else 0
        all_failed, before = processes.total(torch.tensor([failed, len(mine) - len(left)])).tolist()
        if processes.writes:
            manifest.finish(photos)
            if overview and (captions := _captions(outputs, folder, manifest, tasks)):
                overview.write(captions)
            already = f", {before} of them by an earlier command" if before else ""
            done = len(photos) - all_failed
            logger.info("%d of %d photos done%s; results in %s", done, len(photos), already, folder)
    return 1 if all_failed else 0


def _keep_photos(photos: Sequence[Path], results: Sequence[Path]) -> None:
    """Raises UserError if a result would replace a photo, even with --overwrite."""
    originals = {photo.resolve() for photo in photos}
    for result in results:
        if result.resolve() in originals:
            raise UserError(f"{result}: is a photo that its result would replace; choose another folder for results")


def _not_done(
    options: argparse.Namespace,
    outputs: Sequence[Output],
    folder: Path,
    manifest: Manifest,
    tasks: Sequence[Task],
) -> list[Task]:
    """The photos whose outputs are still to be made; raises UserError if one may not replace what is there."""

    def files(name: str) -> Mapping[Path, Mapping[str, str]]:
        return {path: output.settings for output in outputs for path in output.made_paths(folder, name)}

    first, *others = range(1, _FACES_CHECKED + 1) if _of_each_face(options) else [None]
    left = []
    for task in tasks:
        made = files(face_name(task.name, first))
        if not options.overwrite and manifest.is_done(made, task.source, task.made_by):
            continue
        left.append(task)
        for number in (first, *others):
            for path, settings in files(face_name(task.name, number)).items():
                manifest.check([path], task.source, settings)
    return left


def _make(
    options: argparse.Namespace, outputs: Sequence[Output], folder: Path, manifest: Manifest, tasks: Sequence[Task]
) -> int:
    """Makes the outputs of photos; returns how many photos failed."""
    device = choose_device(options.gpu_ids, local_rank())
    workers = 0
    if len(tasks) >= _FEWEST_FOR_WORKERS:
        spare = 0 if device.type != "cpu" else _CORES_OF_MODEL
        workers = max(0, usable_cores() - spare) if options.nThreads is None else options.nThreads
    # A GPU can be used by one process only after a fork. The workers leave it to the model.
    read = portrait_reader(options, torch.device("cpu") if workers else device)
    to_model_size = transform(options, flip=False)
    preparation = Preparation(read, to_model_size, see_age=options.in_the_wild, together=options.paste_back)
    with OrderedWorkers(preparation, tasks, min(workers, len(tasks)), "prepared") as outcomes:
        # The workers began before the model is loaded: it takes time, and its threads would not survive a fork.
        transformer = None if options.portrait else load_transformer(options, device)
        view: Callable[[Prepared], View] = partial(PortraitView, size=options.output_size)
        if options.paste_back:
            view = partial(PhotoView, to_model_size=to_model_size, size=options.output_size)
        maker = Maker(outputs, transformer, partial(noise_seed, options), view, model_facts(options))
        batch = Batch(maker, folder, manifest, silent=not is_main_process())
        batch.run(tasks, outcomes)
    return batch.failed


def _of_each_face(options: argparse.Namespace) -> bool:
    """Whether each face of a photo has outputs of its own."""
    return bool(options.face == "all" and not options.paste_back)


def _captions(outputs: Sequence[Output], folder: Path, manifest: Manifest, tasks: Sequence[Task]) -> dict[str, str]:
    """The name and the caption of each portrait whose files are there."""
    captions = {}
    for task in tasks:
        for name, age in manifest.seen_ages(task.photo).items():
            if all(os.path.exists(path) for output in outputs for path in output.paths(folder, name)):
                captions[name] = task.photo.name + (f", looks {age}" if age is not None else "")
    return captions


def _model_identity(options: argparse.Namespace) -> str:
    """What makes the pictures: the model's weights, the face parser, and whether they say so about themselves."""
    model = "" if options.portrait else source_id(weights_path(options))
    return (
        model
        + "+deeplab" * (options.in_the_wild and uses_deeplab(options.parser))
        + "+no_metadata" * options.no_metadata
    )


def _map_identity(options: argparse.Namespace, photo: Path) -> str:
    """An aligned photo's parsing map, which may be edited as the photo may."""
    return "" if options.in_the_wild else f"+{source_id(parsing_path(photo))}"
