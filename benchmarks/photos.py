"""A photo from file to masked portrait, without the face parser: ours and the original's procedure."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import original
from benchmarks.measure import Row, alternated, compared
from data.in_the_wild import PhotoReader

_SIZE = 256
_ASTRONAUT = Path(__file__).parent.parent / "assets" / "astronaut.png"
_PHONE = (4000, 4000)  # pixels


def skin_everywhere(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A parsing map without the parser's work."""
    return np.ones(pixels.shape[:2], np.uint8)


def originals_way(path: Path) -> np.ndarray:
    """Reads, finds the face, aligns and masks as the original does."""
    pixels = original.aligned(Image.open(path).convert("RGB"), _SIZE)
    return original.masked(pixels, np.ones(pixels.shape[:2], np.uint8))


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """Seconds a photo, for a small picture and, unless `quick`, for one from a phone's camera."""
    reader = PhotoReader(_SIZE, skin_everywhere)
    with tempfile.TemporaryDirectory() as folder:
        phone = Path(folder, "phone.jpg")
        photos = {"512x512": _ASTRONAUT}
        if not quick:
            Image.open(_ASTRONAUT).convert("RGB").resize(_PHONE).save(phone, quality=90)
            photos["16 megapixels"] = phone
        for name, path in photos.items():
            seconds = alternated({"baseline": partial(originals_way, path), "ours": partial(reader, path)}, rounds)
            yield from compared(f"photo to portrait, {name}", seconds, aims={"ours": "5 times"})
