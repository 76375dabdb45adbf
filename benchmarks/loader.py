"""How many training pictures one process reads in a second, compared with the original's way of reading.

The baseline reads a picture and its map with `np.array(image.getdata())` and masks it label by label.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import parser_of, timed
from data.age_classes import ANCHORS
from data.aging_dataset import AgingDataset
from data.classes import ClassImages, find_classes
from data.loader import PairLoader, PairSampler
from data.masking import MASK_COLOR, MASKED_LABELS
from data.portrait import parsing_path
from data.transforms import Transform
from datasets.population import class_jobs, write_portrait
from util.interrupt import StopRequest


def naive_image(path: Path, size: int) -> torch.Tensor:
    """Reads a picture as the original does."""
    image, parsing = Image.open(path).convert("RGB"), Image.open(parsing_path(path))
    pixels = np.array(image.getdata(), dtype=np.uint8).reshape(*image.size[::-1], 3)
    labels = np.array(parsing.getdata(), dtype=np.uint8).reshape(parsing.size[::-1])
    for label in MASKED_LABELS:
        pixels[labels == label] = MASK_COLOR
    resized = Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(resized, np.float32)).permute(2, 0, 1) / 127.5 - 1


def read_naively(classes: list[ClassImages], pairs: int, size: int) -> None:
    """Reads the pictures of `pairs` pairs, from two classes at a time."""
    for number in range(pairs):
        for of_class in (classes[number % len(classes)], classes[(number + 1) % len(classes)]):
            naive_image(of_class.paths[number % len(of_class.paths)], size)


def main() -> None:
    options = parser_of(__doc__, {"--size": 256, "--identities": 30, "--workers": 0}).parse_args()
    torch.set_num_threads(1)  # as a loader's worker does
    with tempfile.TemporaryDirectory() as folder:
        for job in class_jobs(Path(folder), identities=options.identities, together=True):
            write_portrait(job, seed=0, size=options.size)
        classes = find_classes(Path(folder), "train", ANCHORS)
        dataset = AgingDataset(classes, Transform("resize_and_crop", options.size, options.size, flip=True))
        sampler = PairSampler([len(of_class.paths) for of_class in classes], 6, seed=0)
        with PairLoader(dataset, sampler, options.workers) as loader:
            sum(1 for _ in loader.epoch(StopRequest()))  # fills the system's file cache
            seconds, pairs = timed(lambda: sum(len(batch.A) for batch in loader.epoch(StopRequest())))
        naive_seconds, _ = timed(lambda: read_naively(classes, pairs, options.size))
    ours, naive = 2 * pairs / seconds, 2 * pairs / naive_seconds
    sys.stdout.write(
        f"{ours:.0f} pictures a second with {options.workers} workers; "
        f"the original's way (baseline) {naive:.0f}: {ours / naive:.1f} times faster\n"
    )


if __name__ == "__main__":
    main()
