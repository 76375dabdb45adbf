"""What the files of outputs show of a photo: its portrait alone, or the photo with the aged heads in it."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np

from data.in_the_wild.pasted_photo import PastedPhoto
from data.transforms import Transform
from outputs.plan import Output
from outputs.preparation import Prepared
from util.images import resize


class View(Protocol):
    """Turns frames of the model into what an output shows, (H, W, 3) uint8."""

    def input(self, output: Output) -> np.ndarray:
        """The picture before ageing."""

    def shown(self, output: Output, frames: Sequence[np.ndarray]) -> np.ndarray:
        """The picture of an age, from each person's frame (S, S, 3) uint8."""


class PortraitView:
    """The portrait alone.

    Args:
        prepared: one person.
        size: pixels that pictures are scaled to; None leaves them as they are.
    """

    def __init__(self, prepared: Prepared, size: int | None) -> None:
        self._input, self._size = resize(prepared.pixels[0], size), size

    def input(self, output: Output) -> np.ndarray:
        return self._input

    def shown(self, output: Output, frames: Sequence[np.ndarray]) -> np.ndarray:
        return resize(frames[0], self._size)


class PhotoView:
    """The photo with everybody's aged head in it.

    Args:
        prepared: the people.
        to_model_size: what brought their portraits to the model's size.
        size: pixels that pictures are scaled to; None leaves them as they are.
    """

    def __init__(self, prepared: Prepared, to_model_size: Transform, size: int | None) -> None:
        self._prepared, self._size = prepared, size
        # Series may show a smaller photo than single pictures.
        self._photo = cache(lambda most_pixels: PastedPhoto(prepared.portraits, to_model_size, most_pixels))

    def input(self, output: Output) -> np.ndarray:
        if output.shows_portrait:
            return resize(np.hstack(self._prepared.pixels), self._size)
        photo: PastedPhoto = self._photo(output.most_pixels)
        return resize(photo.pixels, self._size)

    def shown(self, output: Output, frames: Sequence[np.ndarray]) -> np.ndarray:
        photo: PastedPhoto = self._photo(output.most_pixels)
        return resize(photo.with_heads(frames), self._size)
