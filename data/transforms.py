"""Resizes, crops and flips pictures (docs/method.md, Data)."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from util.errors import UserError

ResizeMode = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop"]
RESIZE_MODES: tuple[ResizeMode, ...] = get_args(ResizeMode)


@dataclass(frozen=True)
class Transform:
    """Brings masked pictures to the network's size.

    Attributes:
        mode: `resize_and_crop` resizes to load_size x load_size and cuts fine_size x fine_size out. `crop` only
            cuts. `scale_width` scales to width fine_size, and `scale_width_and_crop` to width load_size before it
            cuts. The last two keep the proportions (`scale_width` rounds the height to a multiple of `step`).
        load_size: pixels before the cut.
        fine_size: pixels after the cut.
        flip: whether pictures are mirrored at random.
        step: divisor of the height, because the network halves pictures.
    """

    mode: ResizeMode
    load_size: int
    fine_size: int
    flip: bool = False
    step: int = 1

    def __call__(self, pixels: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """(H, W, 3) uint8 -> (H', W', 3) uint8. Without `rng`, the middle is cut out and nothing is mirrored.

        Raises:
            UserError: the picture is too small for the cut.
        """
        height, width = pixels.shape[:2]
        if self.mode == "resize_and_crop":
            pixels = _resize(pixels, self.load_size, self.load_size)
        elif self.mode == "scale_width":
            steps = max(1, round(height * self.fine_size / width / self.step))
            pixels = _resize(pixels, self.fine_size, steps * self.step)
        elif self.mode == "scale_width_and_crop":
            pixels = _resize(pixels, self.load_size, round(height * self.load_size / width))
        if self.mode != "scale_width":
            pixels = self._crop(pixels, rng)
        if self.flip and rng is not None and rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        return pixels

    def window(self, size: int) -> tuple[float, float]:
        """Where the middle cut of a square picture of `size` begins and ends, as shares of its sides."""
        if self.mode == "scale_width":
            return 0.0, 1.0
        size = size if self.mode == "crop" else self.load_size
        start = (size - self.fine_size) // 2
        return start / size, (start + self.fine_size) / size

    def _crop(self, pixels: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        height, width = pixels.shape[:2]
        spare = (height - self.fine_size, width - self.fine_size)
        if min(spare) < 0:
            raise UserError(
                f"{width}x{height} pixels are fewer than --fineSize {self.fine_size}: "
                "give larger pictures or use --resize_or_crop resize_and_crop"
            )
        top, left = (int(rng.integers(s + 1)) for s in spare) if rng is not None else (s // 2 for s in spare)
        return pixels[top : top + self.fine_size, left : left + self.fine_size]


def _resize(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST))
