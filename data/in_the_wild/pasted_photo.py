"""A photo in which the heads of its portraits are replaced."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from data.in_the_wild.paste_back import PasteBack
from data.masking import head_mask
from data.portrait import Portrait
from data.transforms import Transform
from util.errors import UserError

# Videos, and other pictures that come in series, need not be larger than full HD.
MOST_SERIES_PIXELS = 1920 * 1080


class PastedPhoto:
    """A photo, upright, in which frames take the place of the heads.

    Attributes:
        pixels: (H, W, 3) uint8, the photo itself.

    Args:
        portraits: of one photo.
        to_model_size: what brought them to the frames' size.
        most_pixels: a larger photo is reduced to so many; None leaves it at its own size.

    Raises:
        UserError: the photo cannot be read any more, or a portrait is not square.
    """

    def __init__(
        self, portraits: Sequence[Portrait], to_model_size: Transform, most_pixels: int | None = None
    ) -> None:
        first = portraits[0]
        origins = [portrait.origin for portrait in portraits if portrait.origin]
        if len(origins) < len(portraits):
            raise UserError(
                f"{first.path}: cannot be pasted back, because what is around the head is not known; give a photo "
                "from the wild, or a square portrait with its parsing map"
            )
        photo = origins[0].read()
        scale = min(1.0, ((most_pixels or np.inf) / (photo.width * photo.height)) ** 0.5)
        if scale < 1:
            size = max(1, int(photo.width * scale)), max(1, int(photo.height * scale))
            photo = photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        self.pixels = np.asarray(photo)
        self._pastes = [
            PasteBack(
                photo,
                origin.square.scaled(scale).part(*to_model_size.window(len(portrait.pixels))),
                portrait.at_size(to_model_size),
                to_model_size(head_mask(portrait.parsing).astype(np.uint8)) > 0,
            )
            for portrait, origin in zip(portraits, origins, strict=True)
        ]

    def with_heads(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """The photo with a frame (S, S, 3) uint8 in the place of each portrait's head: (H, W, 3) uint8."""
        pasted = self.pixels
        for paste, frame in zip(self._pastes, frames, strict=True):
            pasted = paste(pasted, frame)
        return pasted

    def series(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the photo with each of the frames of its only portrait."""
        return (self.with_heads([frame]) for frame in frames)
