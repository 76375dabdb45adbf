"""Measures peak memory and seconds a frame of a traversal at default size, against decoding all frames at once.

Each measurement runs in a process of its own, because a process's peak never goes down again. The baseline is the
original's way, which decodes the latents of the whole series as one batch.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import torch

from models.age_code import make_codes, traversal_blends
from models.generator import Generator, GeneratorConfig
from models.transformer import AgeTransformer
from util.images import to_pixels, to_tensor

SIZE = 256
# The number of frames of a traversal over six anchors, and its step (tests/golden/README.md).
STEPS = {11: 0.5, 26: 0.2, 51: 0.1, 101: 0.05}


def measure(frames: int, *, at_once: bool) -> tuple[float, float]:
    """Makes one series and returns (peak memory of the process in MiB, seconds a frame)."""
    torch.manual_seed(0)
    config = GeneratorConfig()
    generator = Generator(config).eval().requires_grad_(False)
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    blends = traversal_blends(config.num_classes, STEPS[frames])
    start = time.perf_counter()
    if at_once:
        codes = make_codes(torch.arange(6), 6, config.dim_per_class, torch.Generator(), 0.2)
        with torch.inference_mode():
            features = generator.encode(to_tensor(pixels)[None]).expand(len(blends), -1, -1, -1)
            made = len(to_pixels(generator.decode(features, blends @ generator.latents(codes))))
    else:
        transformer = AgeTransformer(generator, torch.device("cpu"), 0.2)
        made = sum(1 for _ in transformer.frames(pixels, blends, seed=0))
    seconds = time.perf_counter() - start
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, seconds / made


def measure_apart(frames: int, *, at_once: bool) -> tuple[float, float]:
    """Runs `measure` in a new process."""
    command = [sys.executable, "-m", "benchmarks.traversal", "--one", str(frames)]
    command += ["--at_once"] if at_once else []
    memory, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(memory), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs=2, choices=STEPS, default=(26, 101), metavar="N")
    parser.add_argument("--one", type=int, choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--at_once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        sys.stdout.write("{} {}\n".format(*measure(options.one, at_once=options.at_once)))
        return
    few, many = options.frames
    results = {
        f"{few} frames": measure_apart(few, at_once=False),
        f"{many} frames": measure_apart(many, at_once=False),
        f"{few} frames at once (baseline)": measure_apart(few, at_once=True),
    }
    for name, (memory, seconds) in results.items():
        sys.stdout.write(f"{name}: peak {memory:.0f} MiB, {seconds:.2f} s a frame\n")
    (few_memory, few_seconds), (many_memory, _), (base_memory, base_seconds) = results.values()
    sys.stdout.write(
        f"peak of {many} frames against {few}: {many_memory / few_memory:.3f}; "
        f"against the baseline: memory {few_memory / base_memory:.2f}, time {few_seconds / base_seconds:.2f}\n"
    )


if __name__ == "__main__":
    main()
