"""Pictures between disk and memory."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from util.errors import UserError
from util.files import atomic_path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
_MOST_PIXELS = 250_000_000


def read_image(path: Path, background: int = 128, most_pixels: int | None = None) -> Image.Image:
    """Reads any picture as upright 8-bit RGB.

    The EXIF orientation is applied; transparent pixels show the background; grey, palette, CMYK and 16-bit
    pictures are converted.

    Args:
        path: the picture.
        background: grey value, 0 to 255, behind transparent pixels.
        most_pixels: larger pictures are reduced to at most this many pixels, JPEGs while they are decoded, so that
            the full size never stands in memory.

    Raises:
        UserError: the file is missing, is no picture, is truncated, or has more than 250 million pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such image file; check the path")
    try:
        with warnings.catch_warnings():
            # Our own limit below stands in for Pillow's.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(path)
        width, height = image.size
        if width * height > _MOST_PIXELS:
            raise UserError(f"{path}: {width}x{height} pixels is too large; reduce it below {_MOST_PIXELS:,} pixels")
        if most_pixels is not None and width * height > most_pixels:
            scale = (most_pixels / (width * height)) ** 0.5
            size = (max(1, int(width * scale)), max(1, int(height * scale)))
            image.draft("RGB", size)
            image = _to_rgb(image, background).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        else:
            image = _to_rgb(image, background)
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        # Pillow's decoders raise all of these for broken files.
        raise UserError(f"{path}: not a readable image ({error}); give a PNG or JPEG photo") from error
    return image


def _to_rgb(image: Image.Image, background: int) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16-bit pictures to 255 instead of scaling them.
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, (background,) * 3 + (255,))
        image = Image.alpha_composite(canvas, image)
    return image.convert("RGB")


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Writes an (H, W, 3) or (H, W) uint8 picture, atomically, in the format of the path's suffix."""
    with atomic_path(Path(path)) as temporary:
        Image.fromarray(pixels).save(temporary)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div_(127.5).sub_(1.0)


def to_pixels(images: Tensor) -> np.ndarray:
    """(..., 3, H, W) in [-1, 1] -> (..., H, W, 3) uint8."""
    scaled = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return scaled.movedim(-3, -1).cpu().numpy()


def resize(pixels: np.ndarray, size: int | None) -> np.ndarray:
    """Scales (H, W, 3) uint8 smoothly so that the shorter side has `size` pixels; None leaves it as it is."""
    height, width = pixels.shape[:2]
    if size is None or min(height, width) == size:
        return pixels
    scale = size / min(height, width)
    target = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.LANCZOS))
