"""The page of app.py: seconds from a photo's arrival to the first frame and to all of them, without the browser."""

import importlib.util
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks.measure import Row
from data.age_classes import ANCHORS
from data.in_the_wild.grabcut import parse_by_grabcut
from data.transforms import Transform
from evaluation.judge import seen_age
from interface.portraits import ReadPhoto
from interface.series import UsableModel
from interface.shelf import Shelf
from models.age_code import NOISE_SIGMA
from models.checkpoint import CheckpointFolder, write_tensors
from models.generator import Generator, GeneratorConfig
from models.precision import fast_precision
from models.transformer import AgeTransformer

_ASTRONAUT = Path(__file__).parent.parent / "assets" / "astronaut.png"
_CONFIG, _SIZE, _NAME = GeneratorConfig(), 256, "default"
_CPU = torch.device("cpu")
_AIMS = {"first frame": "under 5 s", "all 101 frames": "under 15 s"}


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """A visitor's waiting times on the CPU with the default network at 256x256; a `quick` visitor leaves early."""
    if importlib.util.find_spec("gradio") is None:
        yield from (Row("page", variant, None, "s", note="gradio is not installed") for variant in _AIMS)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        weights = CheckpointFolder(Path(folder, _NAME)).weights("latest", "g_running")
        write_tensors(weights, Generator(_CONFIG).state_dict())
        events = _events(Path(folder), weights)
        events.warm_up()
        visits = [_visit(events, str(number), quick=quick) for number in range(rounds)]
    for variant, seconds in zip(_AIMS, zip(*visits, strict=True), strict=False):
        yield Row("page", variant, median(seconds), "s", aim=_AIMS[variant])


def _events(folder: Path, weights: Path) -> Any:
    from interface.events import Events
    from interface.visits import Visits

    def load(name: str) -> UsableModel:
        precision = fast_precision(_CPU)
        by = AgeTransformer.load(weights, _CONFIG, device=_CPU, noise_sigma=NOISE_SIGMA, precision=precision)
        return UsableModel(name, "", by, Transform("resize_and_crop", _SIZE, _SIZE), _SIZE, ANCHORS)

    return Events(
        shelf=Shelf(folder, load, fetchable={}, root=folder),
        visits=Visits(folder / "private", most=1),
        parser=lambda: parse_by_grabcut,
        judge=seen_age,
        samples={_ASTRONAUT: ReadPhoto.read},
        licence="",
    )


def _visit(events: Any, name: str, *, quick: bool) -> list[float]:
    """Seconds from the photo to the first frame and, unless `quick`, to the last one."""
    request = SimpleNamespace(session_hash=name)
    start = time.perf_counter()
    events.take_sample(SimpleNamespace(index=0), request)
    shown = events.start(_NAME, None, False, request)
    next(shown)  # what was detected
    next(shown)
    seconds = [time.perf_counter() - start]
    if not quick:
        for views in (shown, events.refine(request)):
            for _ in views:
                pass
        seconds.append(time.perf_counter() - start)
    return seconds
