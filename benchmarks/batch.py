"""Many photos from files to videos: the batch of test.py, and the same work one photo after another."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.measure import Row, alternated, compared
from options.build import load_transformer, noise_seed, portrait_reader, transform
from options.test import parse_test_options, test_parser
from outputs.photos import use_photos
from outputs.plan import planned_outputs
from outputs.preparation import Preparation, Task
from util.provenance import Source
from util.workers import usable_cores

_ROOT = Path(__file__).parent.parent
_ASTRONAUT = _ROOT / "assets" / "astronaut.png"
_PHOTOS, _PHOTOS_IF_QUICK = 12, 3
_WORK = (
    "--name demo_model --gpu_ids -1 --in_the_wild --parser grabcut --traverse --make_video --interp_step 0.25 "
    f"--overwrite --checkpoints_dir {_ROOT / 'checkpoints'}"
).split()


def one_by_one(folder: Path) -> None:
    """Each photo is prepared, its frames are made, and its files are written before the next one begins."""
    parser = test_parser()
    options = parse_test_options(parser, [*_WORK, "--image_path_file", str(folder / "photos")])
    device = torch.device("cpu")
    prepare = Preparation(
        portrait_reader(options, device), transform(options, flip=False), see_age=True, together=False
    )
    transformer = load_transformer(options, device)
    for path in sorted((folder / "photos").iterdir()):
        for people in prepare(Task(Source(path), path.stem, "")):
            (pixels,) = people.pixels
            for output in planned_outputs(options, parser):
                frames = transformer.frames(pixels, output.blends, noise_seed(options))
                output.make(folder / "one_by_one", people.name, portrait=pixels, frames=frames, facts=None)


def as_a_batch(folder: Path, workers: int) -> None:
    """The same through the batch of test.py."""
    parser = test_parser()
    asked = ["--image_path_file", str(folder / "photos"), "--results_dir", str(folder), "--nThreads", str(workers)]
    if use_photos(parse_test_options(parser, [*_WORK, *asked]), parser, folder / "batch"):
        raise RuntimeError("some photos failed")


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """Seconds a photo, with 21 frames at the demo model's 64 pixels in each video."""
    logging.getLogger().setLevel(logging.ERROR)
    count, workers = _PHOTOS_IF_QUICK if quick else _PHOTOS, usable_cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        for number in range(count):
            shutil.copy(_ASTRONAUT, folder / "photos" / f"{number:03d}.png")
        works = {
            "baseline": partial(one_by_one, folder),
            "without worker processes": partial(as_a_batch, folder, 0),
            f"{workers} worker processes": partial(as_a_batch, folder, workers),
        }
        yield from compared(f"{count} photos to videos", alternated(works, rounds), unit="s a photo", scale=1 / count)
