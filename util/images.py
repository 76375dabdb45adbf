"""Reads, writes, converts and scales pictures, and puts them into a row."""

import stat
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pi_heif import register_heif_opener
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from util.color import to_srgb
from util.errors import UserError
from util.files import atomic_path
from util.metadata import Facts, png_text, xmp_packet
from util.tiff import check_tags, open_deep_tiff, read_tags

# The formats of photos. Pillow also opens formats that run other programs (EPS) or are recognised by name only.
# MPO files, in which phones keep two pictures, are opened as JPEG.
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_MOST_PIXELS = 250_000_000
# Pillow's decoders raise all of these for broken files.
_BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, RuntimeError, LookupError, ArithmeticError),
    struct.error,
)
_IN_MEMORY = Path("picture in memory")
_GAP = 10  # pixels
_WHITE = 255

register_heif_opener()
# Pillow refuses pictures of twice this size. Its own limit would refuse those of the largest phone cameras.
Image.MAX_IMAGE_PIXELS = _MOST_PIXELS // 2
# Pillow would take large profiles and descriptions in PNGs for an attack.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 64 << 20


def is_image(path: Path) -> bool:
    """Whether a file contains a picture, whatever its name is."""
    try:
        with warnings.catch_warnings(action="ignore"):
            _open(path).close()
    except Image.DecompressionBombError:
        return True
    except _BROKEN:
        return False
    return True


def file_problem(path: Path) -> str | None:
    """Why a path is not a readable file; None if it is one."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    if stat.S_ISREG(mode):
        return None
    return "it is a folder" if stat.S_ISDIR(mode) else "it is neither a file nor a folder"


def visible_files(folder: Path) -> list[Path]:
    """The files of a folder, sorted, except those that systems add (`._x.jpg`, `.DS_Store`, `Thumbs.db`)."""
    return sorted(path for path in folder.iterdir() if file_problem(path) is None and not is_hidden(path))


def is_hidden(path: Path) -> bool:
    """Whether an operating system, not a person, made the file or folder."""
    return path.name.startswith((".", "@eaDir", "__MACOSX")) or path.name.lower() in (
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
    )


def read_image(
    path: Path, background: int = 128, most_pixels: int | None = None, *, refused_pixels: int = _MOST_PIXELS
) -> Image.Image:
    """Reads any picture as upright 8-bit sRGB.

    The file's orientation and colour profile are applied. Transparent pixels show the background. If a file holds
    several pictures, the first one is read.

    Args:
        path: the picture.
        background: grey value, 0 to 255, that shows through transparent pixels.
        most_pixels: larger pictures are reduced to at most this many pixels. JPEGs are reduced while they are
            decoded, so that the full size is never in memory.
        refused_pixels: larger pictures are refused before they are decoded.

    Raises:
        UserError: the file is missing, truncated, too large, or not a picture.
    """
    path = Path(path)
    if problem := file_problem(path):
        raise UserError(f"{path}: not an image file ({problem}); check the path")
    try:
        # Pillow warns about sizes, which are checked here, and about broken metadata, which is harmless.
        with warnings.catch_warnings(action="ignore"):
            image = _open(path)
            if image.width * image.height > refused_pixels:
                raise Image.DecompressionBombError
            if most_pixels is not None:
                image.draft("RGB", _reduced_size(image, most_pixels))
            ImageOps.exif_transpose(image, in_place=True)
            image = to_srgb(image, background, path)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: is too large; reduce it below {refused_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: not a photo in a known format; export it as JPEG or PNG") from error
    except _BROKEN as error:
        raise UserError(f"{path}: not a readable image ({error}); give a PNG or JPEG photo") from error
    if most_pixels is not None and image.width * image.height > most_pixels:
        # The size is computed again because the picture may have been turned.
        image = image.resize(_reduced_size(image, most_pixels), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image


def to_rgb(picture: Image.Image | np.ndarray, background: int) -> Image.Image:
    """A picture in memory as `read_image` gives that of a file; colours that only its file declares are unknown.

    Args:
        picture: opened by Pillow, or (H, W), (H, W, 3) or (H, W, 4) uint8.
        background: grey value, 0 to 255, that shows through transparent pixels.

    Raises:
        UserError: the array has another shape or type, or the picture's file is broken.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,), (4,)):
            raise UserError(f"a picture of shape {picture.shape}, {picture.dtype}: give (height, width, 3) uint8")
        return to_srgb(Image.fromarray(picture), background, _IN_MEMORY)
    try:
        # A copy has no format, by which `to_srgb` would look into the file.
        upright = ImageOps.exif_transpose(picture.copy())
        return to_srgb(upright, background, _IN_MEMORY)
    except _BROKEN as error:
        raise UserError(f"a picture opened by Pillow: not readable ({error}); give another one") from error


def _reduced_size(image: Image.Image, most_pixels: int) -> tuple[int, int]:
    scale = min(1.0, (most_pixels / (image.width * image.height)) ** 0.5)
    return max(1, int(image.width * scale)), max(1, int(image.height * scale))


def _open(path: Path) -> Image.Image:
    """Opens a picture, whose format is found by its content; most formats are decoded later."""
    tags = read_tags(path)
    try:
        check_tags(tags)
        image = Image.open(path, formats=_FORMATS)
        # Pillow would map an uncompressed file of this name into memory, and mix up the rows of a TIFF on its side.
        image.filename = ""
        return image
    except UnidentifiedImageError:
        if not tags:
            raise
        return open_deep_tiff(path, tags)


def write_image(path: Path, pixels: np.ndarray, facts: Facts | None = None) -> None:
    """Writes an (H, W, 3) or (H, W) uint8 picture, atomically, in the format of the path's suffix.

    Args:
        path: the file.
        pixels: the picture.
        facts: what the file says about itself; for PNG, JPEG and WebP.
    """
    about: dict[str, Any] = {"pnginfo": png_text(facts), "xmp": xmp_packet(facts)} if facts else {}
    with atomic_path(Path(path)) as temporary:
        Image.fromarray(pixels).save(temporary, **about)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(..., H, W, 3) uint8 -> (..., 3, H, W) float32 in [-1, 1], in the channels-last layout."""
    return torch.from_numpy(pixels.copy()).movedim(-1, -3).float().div_(127.5).sub_(1.0)


def to_pixels(images: Tensor) -> np.ndarray:
    """(..., 3, H, W) in [-1, 1] -> (..., H, W, 3) uint8."""
    return as_bytes(images.detach()).cpu().numpy()


def as_bytes(images: Tensor) -> Tensor:
    """(..., 3, H, W) in [-1, 1] -> (..., H, W, 3) uint8."""
    return images.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).movedim(-3, -1)


def resize(pixels: np.ndarray, size: int | None) -> np.ndarray:
    """Scales (H, W, 3) uint8 smoothly so that the shorter side has `size` pixels; None leaves it unchanged."""
    height, width = pixels.shape[:2]
    if size is None or min(height, width) == size:
        return pixels
    scale = size / min(height, width)
    target = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.LANCZOS))


def row_after_gap(first: np.ndarray, others: Iterable[np.ndarray]) -> np.ndarray:
    """Puts a picture (H, W, 3) uint8, a white gap of 10 pixels, and other pictures side by side."""
    gap = np.full((first.shape[0], _GAP, 3), _WHITE, np.uint8)
    return np.hstack([first, gap, *others])


def row_pictures(row: np.ndarray, count: int) -> list[np.ndarray]:
    """Takes a row of `row_after_gap` apart into its `count` pictures of one size."""
    width = (row.shape[1] - _GAP) // count
    starts = [0, *(_GAP + number * width for number in range(1, count))]
    return [row[:, start : start + width] for start in starts]
