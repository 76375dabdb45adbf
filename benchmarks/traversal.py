"""Measures peak memory and seconds a frame of a traversal at default size, against decoding all frames at once.

The baseline is the original's way, which decodes the latents of the whole series as one batch.
"""

import argparse
import sys

import numpy as np
import torch

from benchmarks.measure import in_new_process, peak_memory, timed
from models.age_code import NOISE_SIGMA, make_codes, traversal_blends
from models.engines import TorchEngine
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
    transformer = AgeTransformer(TorchEngine(generator, torch.device("cpu")), NOISE_SIGMA)

    @torch.inference_mode()
    def in_one_batch() -> int:
        codes = make_codes(torch.arange(6), 6, config.dim_per_class, torch.Generator())
        features = generator.encode(to_tensor(pixels)[None]).expand(len(blends), -1, -1, -1)
        return len(to_pixels(generator.decode(features, blends @ generator.latents(codes))))

    def one_by_one() -> int:
        return sum(1 for _ in transformer.frames(pixels, blends, seed=0))

    seconds, made = timed(in_one_batch if at_once else one_by_one)
    return peak_memory(), seconds / made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs=2, choices=STEPS, default=(26, 101), metavar="N")
    few, many = parser.parse_args().frames
    cases = (few, False), (many, False), (few, True)
    results = [in_new_process(measure, frames, at_once=at_once) for frames, at_once in cases]
    for (frames, at_once), (memory, seconds) in zip(cases, results, strict=True):
        name = f"{frames} frames at once (baseline)" if at_once else f"{frames} frames"
        sys.stdout.write(f"{name}: peak {memory:.0f} MiB, {seconds:.2f} s a frame\n")
    (few_memory, few_seconds), (many_memory, _), (base_memory, base_seconds) = results
    sys.stdout.write(
        f"peak of {many} frames against {few}: {many_memory / few_memory:.3f}; "
        f"against the baseline: memory {few_memory / base_memory:.2f}, time {few_seconds / base_seconds:.2f}\n"
    )


if __name__ == "__main__":
    main()
