"""A traversal with the default network: seconds a frame, share of the best convolution, memory, and the first frame.

The baseline is the original's procedure: a kernel for each sample, and all frames of the series in one batch.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import get_args

import numpy as np
import torch

from benchmarks.convolution import best_convolution, operations
from benchmarks.measure import Row, alternated, in_new_process, peak_memory
from benchmarks.original import make_original
from models.age_code import NOISE_SIGMA, make_codes, traversal_blends
from models.checkpoint import CheckpointFolder, write_tensors
from models.engines import EngineName
from models.generator import Generator, GeneratorConfig
from models.precision import Precision
from models.transformer import AgeTransformer
from util.images import to_pixels, to_tensor, write_image

_CONFIG = GeneratorConfig()
_CPU = torch.device("cpu")
_PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
_AIMS = {("openvino", "fp32"): "4 times; 90 %", ("openvino", "bf16"): "8 times; 85 %"}
_FIRST_FRAME = "the command's first picture"


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """Rows of all engines and precisions on the CPU."""
    size, step, memory_step = (64, 0.5, 0.5) if quick else (256, 0.5, 0.05)
    engines = [name for name in get_args(EngineName) if name != "auto" and _is_installed(name)]
    with tempfile.TemporaryDirectory() as folder:
        weights = CheckpointFolder(Path(folder, "checkpoints", "default")).weights("latest", "g_running")
        torch.manual_seed(0)
        write_tensors(weights, Generator(_CONFIG).state_dict())
        yield from _frames(weights, engines, size, step, rounds)
        few, many = (len(traversal_blends(6, each)) for each in (0.2, memory_step))
        baseline = in_new_process(memory_of_original, size, 0.2)
        yield Row(f"memory of a traversal, {few} frames", "baseline", baseline, "MiB")
        for engine in engines:
            memory = in_new_process(memory_of, engine, weights, size, memory_step)
            aim = "at most 400 MiB" if engine == "openvino" else ""
            yield Row(f"memory of a traversal, {many} frames", engine, memory, "MiB", baseline / memory, aim=aim)
        yield from _first_frame(Path(folder), engines, size, rounds)


def _frames(weights: Path, engines: list[EngineName], size: int, step: float, rounds: int) -> Iterator[Row]:
    blends = traversal_blends(_CONFIG.num_classes, step)
    works: dict[str, Callable[[], object]] = {"baseline": originals_traversal(size, step)}
    for engine, precision in product(engines, _PRECISIONS):
        works[f"{engine}, {precision}"] = partial(_all_frames, transformer(engine, weights, precision), size, step)
    seconds = alternated(works, rounds)
    best = {precision: best_convolution(precision, _CPU, rounds) for precision in _PRECISIONS}
    generator = Generator(_CONFIG).eval()
    features = generator.encode(torch.zeros(1, 3, size, size))
    needed = operations(generator.decoder, features, torch.zeros(1, 256))
    work = f"traversal frame, {size}x{size}"
    yield Row(work, "baseline", seconds["baseline"] / len(blends), "s")
    for engine, precision in product(engines, _PRECISIONS):
        of_series = seconds[f"{engine}, {precision}"]
        frame = of_series / len(blends)
        share = needed / frame / best[precision]
        ratio, aim = seconds["baseline"] / of_series, _AIMS.get((engine, precision), "")
        yield Row(work, f"{engine}, {precision}", frame, "s", ratio, share, aim)


def _first_frame(folder: Path, engines: list[EngineName], size: int, rounds: int) -> Iterator[Row]:
    """Times `test.py` from its start to a portrait's first picture on disk, with what earlier runs have cached."""
    pixels = np.full((size, size, 3), 128, np.uint8)
    write_image(folder / "person.png", pixels)
    write_image(folder / "parsings" / "person.png", np.ones((size, size), np.uint8))
    command = [sys.executable, "test.py", "--name", "default", "--checkpoints_dir", str(folder / "checkpoints")]
    command += ["--image_path_file", str(folder / "person.png"), "--deploy", "--ages", "30", "--gpu_ids", "-1"]
    command += ["--fineSize", str(size), "--loadSize", str(size), "--results_dir", str(folder / "results")]
    for engine in engines:
        seconds = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            subprocess.run([*command, "--engine", engine, "--overwrite"], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        yield Row(_FIRST_FRAME, f"{engine}, first run", seconds[0], "s")
        yield Row(_FIRST_FRAME, f"{engine}, later runs", median(seconds[1:]), "s", aim="under 3 s")


def transformer(engine: EngineName, weights: Path, precision: Precision) -> AgeTransformer:
    return AgeTransformer.load(
        weights, _CONFIG, device=_CPU, noise_sigma=NOISE_SIGMA, precision=precision, engine=engine
    )


def originals_traversal(size: int, step: float) -> Callable[[], np.ndarray]:
    """A function that makes a series of random noise as the original does."""
    torch.manual_seed(0)
    generator = Generator(_CONFIG).eval().requires_grad_(False)
    make_original(generator)
    blends = traversal_blends(_CONFIG.num_classes, step)

    @torch.inference_mode()
    def in_one_batch() -> np.ndarray:
        anchors = torch.arange(_CONFIG.num_classes)
        codes = make_codes(anchors, _CONFIG.num_classes, _CONFIG.dim_per_class, torch.Generator())
        features = generator.encode(to_tensor(_noise(size))[None]).expand(len(blends), -1, -1, -1)
        return to_pixels(generator.decode(features, blends @ generator.latents(codes)))

    return in_one_batch


def memory_of_original(size: int, step: float) -> float:
    """The peak memory of a process that makes one series as the original does, in MiB."""
    originals_traversal(size, step)()
    return peak_memory()


def memory_of(engine: EngineName, weights: Path, size: int, step: float) -> float:
    """The peak memory of a process that makes one series, in MiB."""
    _all_frames(transformer(engine, weights, "fp32"), size, step)
    return peak_memory()


def _all_frames(made_by: AgeTransformer, size: int, step: float) -> int:
    return sum(1 for _ in made_by.frames(_noise(size), traversal_blends(_CONFIG.num_classes, step), seed=0))


def _noise(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)


def _is_installed(engine: EngineName) -> bool:
    return engine == "torch" or importlib.util.find_spec(engine) is not None
