"""Training pairs that one process reads, and portraits that it draws, in a second."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import original
from benchmarks.measure import Row, alternated
from data.age_classes import ANCHORS
from data.aging_dataset import AgingDataset
from data.classes import ClassImages, find_classes
from data.loader import PairLoader, PairSampler
from data.portrait import parsing_path
from data.transforms import Transform
from datasets.population import class_jobs, write_portrait
from util.interrupt import StopRequest

_SIZE = 256
_BATCH = 6


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """Pairs read a second against the original's way; portraits drawn a second against reading them back."""
    torch.set_num_threads(1)  # as a loader's worker does
    with tempfile.TemporaryDirectory() as folder:
        jobs = class_jobs(Path(folder), identities=4 if quick else 20, together=True)

        def draw() -> None:
            for job in jobs:
                write_portrait(job, seed=0, size=_SIZE)

        def read() -> None:
            for job in jobs:
                np.asarray(Image.open(job.path))
                np.asarray(Image.open(parsing_path(job.path)))

        drawing = alternated({"draw": draw, "read": read}, rounds=1)
        classes = find_classes(Path(folder), "train", ANCHORS)
        dataset = AgingDataset(classes, Transform("resize_and_crop", _SIZE, _SIZE, flip=True))
        sampler = PairSampler([len(of_class.paths) for of_class in classes], _BATCH, seed=0)
        pairs = sampler.batches_per_epoch * _BATCH
        with PairLoader(dataset, sampler, workers=0) as loader:
            reading = alternated(
                {
                    "baseline": lambda: _read_naively(classes, pairs),
                    "ours": lambda: sum(len(batch.tensors) for batch in loader.epoch(StopRequest())),
                },
                rounds,
            )
    for name, seconds in reading.items():
        aim = "8 times" if name == "ours" else ""
        yield Row("training pairs read", name, pairs / seconds, "pairs/s", reading["baseline"] / seconds, aim=aim)
    for name, seconds in drawing.items():
        variant = "reading them back" if name == "read" else "ours"
        yield Row("portraits drawn", variant, len(jobs) / seconds, "portraits/s")


def _read_naively(classes: list[ClassImages], pairs: int) -> None:
    """Reads the pictures of `pairs` pairs, from two classes at a time."""
    for number in range(pairs):
        for of_class in (classes[number % len(classes)], classes[(number + 1) % len(classes)]):
            original.read_picture(of_class.paths[number % len(of_class.paths)], _SIZE)
