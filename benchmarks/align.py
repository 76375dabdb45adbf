"""Milliseconds to align a photo, compared with the method's way over a 4096x4096 intermediate picture."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import parser_of, timed
from data.in_the_wild.align import Square, align, find_square
from data.in_the_wild.detect import choose_faces, turn_upright
from util.images import read_image

_METHODS_OVERSAMPLING = 4096


def over_4096(photo: Image.Image, square: Square, size: int) -> np.ndarray:
    """Aligns as the method does (docs/method.md, Photos); for squares inside the photo that need no shrinking."""
    data = tuple((square.corners + 0.5).ravel().tolist())
    fine = (_METHODS_OVERSAMPLING, _METHODS_OVERSAMPLING)
    upright = photo.transform(fine, Image.Transform.QUAD, data, Image.Resampling.BILINEAR)
    return np.asarray(upright.resize((size, size), Image.Resampling.LANCZOS))


def main() -> None:
    parser = parser_of(__doc__, {"--photo": Path("assets/astronaut.png"), "--size": 256, "--repeats": 5})
    options = parser.parse_args()
    name = str(options.photo)
    photo, faces = turn_upright(read_image(options.photo), name)
    ((_, face),) = choose_faces(faces, "largest", name)
    square = find_square(face.landmarks)
    fast, made = timed(lambda: align(photo, square, options.size), options.repeats)
    slow, expected = timed(lambda: over_4096(photo, square, options.size), options.repeats)
    error = np.square(made.astype(float) - expected).mean()
    sys.stdout.write(
        f"alignment {1000 * fast:.1f} ms a photo; over 4096x4096 (baseline) {1000 * slow:.1f} ms: "
        f"{slow / fast:.1f} times faster, PSNR between both {10 * np.log10(255**2 / error):.1f} dB\n"
    )


if __name__ == "__main__":
    main()
