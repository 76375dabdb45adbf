"""Finds the pictures of training by its options, and builds their data set and sampler."""

import argparse
from collections.abc import Sequence

from data.aging_dataset import AgingDataset
from data.augmentation import Augmentation
from data.classes import ClassImages, class_folders, find_classes, keep_pairs
from data.loader import PairSampler
from models.discriminator import smallest_side
from options.build import transform
from util.distributed import Processes
from util.errors import UserError


def with_discovered_classes(options: argparse.Namespace) -> argparse.Namespace:
    """The options, with the data set's classes as --sort_order if --sort_classes is false, for opt.txt to save."""
    if options.sort_classes:
        return options
    found = tuple(class_folders(options.dataroot, options.phase)) or options.sort_order
    return argparse.Namespace(**{**vars(options), "sort_order": found, "sort_classes": True})


def training_classes(options: argparse.Namespace) -> list[ClassImages]:
    """The classes to train on, with their pictures; raises UserError if one has none."""
    classes = find_classes(options.dataroot, options.phase, options.sort_order, options.max_dataset_size)
    return keep_pairs(classes) if _shows_one_person(options) else classes


def training_data(
    options: argparse.Namespace, classes: Sequence[ClassImages], processes: Processes
) -> tuple[AgingDataset, PairSampler]:
    """The pictures, and the sampler that draws this process's pairs of them.

    Raises:
        UserError: there are too few pictures, or they do not fit the discriminator.
    """
    paired = _shows_one_person(options)
    augmentation = Augmentation(options.augment_inputs) if options.augment_inputs else None
    dataset = AgingDataset(classes, transform(options, flip=not options.no_flip), paired, augmentation)
    height, width = dataset.samples[0].shape[:2]
    smallest = smallest_side(options.n_layers_D)
    if height < smallest:
        raise UserError(
            f"--resize_or_crop {options.resize_or_crop}: pictures get {width}x{height} pixels, but --n_layers_D "
            f"{options.n_layers_D} needs at least {smallest}; lower it, or crop"
        )
    sampler = PairSampler(
        [len(images.paths) for images in classes],
        batch_size=options.batchSize,
        seed=options.seed,
        serial=options.serial_batches,
        part=processes.part(options.batchSize),
        paired=paired,
    )
    return dataset, sampler


def scored(options: argparse.Namespace, classes: Sequence[ClassImages]) -> Sequence[ClassImages]:
    """The pictures for FID and KID: those of the test folders if each class has one, otherwise `classes`."""
    if set(options.sort_order) <= set(class_folders(options.dataroot, "test")):
        return find_classes(options.dataroot, "test", options.sort_order)
    return classes


def _shows_one_person(options: argparse.Namespace) -> bool:
    """Whether both pictures of a pair are of one person, as the losses need it that compare with the true picture."""
    return options.lambda_paired > 0 or options.lambda_ssim > 0
