"""Milliseconds to align a photo, compared with the method's way over a 4096x4096 intermediate picture."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from data.in_the_wild.align import Square, align, find_square
from data.in_the_wild.detect import choose_faces, stand_up
from util.images import read_image

_METHODS_OVERSAMPLING = 4096


def over_4096(photo: Image.Image, square: Square, size: int) -> np.ndarray:
    """Aligns as the method does (docs/method.md, Photos); for squares inside the photo that need no shrinking."""
    data = tuple((square.corners + 0.5).ravel().tolist())
    fine = (_METHODS_OVERSAMPLING, _METHODS_OVERSAMPLING)
    upright = photo.transform(fine, Image.Transform.QUAD, data, Image.Resampling.BILINEAR)
    return np.asarray(upright.resize((size, size), Image.Resampling.LANCZOS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=Path("assets/astronaut.png"))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    name = str(options.photo)
    photo, faces = stand_up(read_image(options.photo), name)
    ((_, face),) = choose_faces(faces, "largest", name)
    square = find_square(face.landmarks)

    def measure(way: Callable[[Image.Image, Square, int], np.ndarray]) -> tuple[float, np.ndarray]:
        seconds = []
        for _ in range(options.repeats):
            start = time.perf_counter()
            pixels = way(photo, square, options.size)
            seconds.append(time.perf_counter() - start)
        return 1000 * min(seconds), pixels

    (fast, made), (slow, expected) = measure(align), measure(over_4096)
    error = np.square(made.astype(float) - expected).mean()
    sys.stdout.write(
        f"alignment {fast:.1f} ms a photo; over 4096x4096 (baseline) {slow:.1f} ms: {slow / fast:.1f} times faster, "
        f"PSNR between both {10 * np.log10(255**2 / error):.1f} dB\n"
    )


if __name__ == "__main__":
    main()
