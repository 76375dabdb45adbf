"""Handles TIFFs that Pillow cannot read or reads wrongly: float or 32-bit colours, and camera raw files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from util.color import to_bytes

_MAGIC = (b"II*\0", b"MM\0*")
_GREY, _COLORS = (0, 1), 2  # Base.PhotometricInterpretation


def read_tags(path: Path) -> Mapping[int, Any]:
    """The tags of a TIFF's first picture; empty for other files."""
    with path.open("rb") as file:
        header = file.read(8)
        if header[:4] not in _MAGIC:
            return {}
        tags = ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
    return tags


def check_tags(tags: Mapping[int, Any]) -> None:
    """Raises ValueError for TIFFs that Pillow would misread."""
    # A camera raw file begins with a small preview, which would make a blurred portrait.
    if tags.get(Base.NewSubfileType, 0) & 1:
        raise ValueError("it begins with a preview, as camera raw files do")
    if tags.get(Base.PlanarConfiguration) == 2 and max(tags.get(Base.BitsPerSample, (8,))) > 8:
        raise ValueError("its colours lie in separate planes of more than 8 bits")


def open_deep_tiff(path: Path, tags: Mapping[int, Any]) -> Image.Image:
    """Reads a TIFF by OpenCV, which also turns it upright.

    Raises:
        ValueError: OpenCV cannot read it, or would misread it.
    """
    kind, bits = tags.get(Base.PhotometricInterpretation), max(tags.get(Base.BitsPerSample, (1,)))
    pixels = None
    if kind in (*_GREY, _COLORS) and bits in (16, 32, 64):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError(f"unknown kind of TIFF with {bits} bits")
    values = to_bytes(pixels if pixels.ndim == 2 else pixels[..., 2::-1])
    image = Image.fromarray(255 - values if kind == 0 else values)
    if profile := tags.get(Base.InterColorProfile):
        image.info["icc_profile"] = profile
    return image
