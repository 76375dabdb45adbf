"""A person's series of ages: made coarsely first, then refined, encoded for the page, and written to files."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.age_classes import OLDEST, position
from data.transforms import Transform
from models.age_code import traversal_blends
from models.transformer import AgeTransformer
from util.errors import UserError
from util.images import resize, row_after_gap, write_image
from util.video import write_video

# Frames from one anchor to the next; with six anchors a series has 101.
_STEPS = 20
# Every tenth frame is made first, so that the whole life can be seen after a second.
_COARSE = 10
# The noise of the age codes. A fixed seed gives a visitor the same pictures again.
_SEED = 0
_QUALITY = 90
VIDEOS = ("mp4",)
_FPS, _CRF = 20, 16
# Models of fewer pixels get their results enlarged.
_SMALLEST_RESULT = 256


@dataclass(frozen=True)
class UsableModel:
    """A model, and how pictures get to its size.

    Attributes:
        name: what users call it.
        transformer: makes its frames.
        transform: brings portraits of `load_size` pixels to the network's size.
        load_size: pixels.
        classes: names of the anchor classes, the youngest first.
    """

    name: str
    transformer: AgeTransformer
    transform: Transform
    load_size: int
    classes: Sequence[str]

    def at_size(self, portrait: np.ndarray) -> np.ndarray:
        """A portrait (S, S, 3) uint8 as the network gets it."""
        return self.transform(resize(portrait, self.load_size))


class ShownSeries:
    """One face at all ages by one model. Frames exist once `make` has been iterated over.

    Args:
        model: makes the frames.
        portrait: (S, S, 3) uint8, aligned and masked.
    """

    def __init__(self, model: UsableModel, portrait: np.ndarray) -> None:
        self.model = model
        self.pixels = model.at_size(portrait)
        self.blends = traversal_blends(len(model.classes), 1 / _STEPS)
        self.ages = ages_in_words(model.classes, len(self.blends))
        self.frames: dict[int, np.ndarray] = {}
        self._addresses: dict[str, str] = {}

    def coarse(self) -> list[int]:
        """The frames that are made first."""
        return [index for index in range(0, len(self.blends), _COARSE) if index not in self.frames]

    def missing(self) -> list[int]:
        """The frames that are not made yet; every other one is made before those between."""
        indices = [index for index in range(len(self.blends)) if index not in self.frames]
        return sorted(indices, key=lambda index: (index % 5 > 0, index % 2 > 0, index))

    def make(self, indices: Sequence[int]) -> Iterator[int]:
        """Makes these frames, and yields how many of the series are done after each one."""
        if not indices:
            return
        frames = self.model.transformer.frames(self.pixels, self.blends[list(indices)], _SEED)
        for index, frame in zip(indices, frames, strict=True):
            self.frames[index] = frame
            self._addresses[str(index)] = data_address(frame)
            yield len(self.frames)

    def view(self) -> dict[str, Any]:
        """What the page's script shows (interface/scrubber.js). The frames so far are addresses by index."""
        return {
            "series": id(self),
            "before": data_address(self.pixels),
            "ages": self.ages,
            "classes": list(self.model.classes),
            "frames": dict(self._addresses),
        }

    def write(self, kind: str, index: int, folder: Path) -> Path:
        """Writes a result that the visitor wants to keep.

        Args:
            kind: "age" for the frame on show, "row" for the anchors, or a video's format.
            index: of the frame on show.
            folder: where the file goes.

        Raises:
            UserError: the frames that it needs are not made yet, or there is no such kind.
        """
        every = range(len(self.blends))
        needed = {"age": [index], "row": every[::_STEPS], **dict.fromkeys(VIDEOS, every)}.get(kind)
        if needed is None or index not in every:
            raise UserError(f"{kind}: there is no such download")
        if not self.frames.keys() >= set(needed):
            raise UserError("some of its pictures are not computed yet; wait until all ages are there")
        frames = [self._result(self.frames[number]) for number in needed]
        if kind in VIDEOS:
            path = folder / f"lifespan.{kind}"
            write_video(path, frames, _FPS, _CRF)
        elif kind == "row":
            path = folder / "lifespan_row.png"
            write_image(path, row_after_gap(self._result(self.pixels), frames))
        else:
            path = folder / f"lifespan_{self.ages[index].replace(' ', '_')}.png"
            write_image(path, frames[0])
        return path

    @staticmethod
    def _result(pixels: np.ndarray) -> np.ndarray:
        return resize(pixels, max(_SMALLEST_RESULT, *pixels.shape[:2]))


def data_address(pixels: np.ndarray) -> str:
    """A picture (H, W, 3) uint8 as an address that holds its data, so that showing it needs no file or request."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "WEBP", quality=_QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def ages_in_words(classes: Sequence[str], count: int) -> list[str]:
    """The ages of a traversal's frames: the class at an anchor, and years between."""
    places = np.arange(count) / _STEPS
    try:
        years = np.arange(0, OLDEST, 0.25)
        known = np.interp(places, [position(year, classes) for year in years], years)
        between = [f"about {year:.0f} years" for year in known]
    except UserError:  # the classes are no ranges of years
        between = [f"between {low} and {high}" for low, high in pairwise(classes) for _ in range(_STEPS)]
    return [between[n] if n % _STEPS else f"{classes[n // _STEPS]} years" for n in range(count)]
