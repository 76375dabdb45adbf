"""A person's series of ages: made coarsely first, then refined, encoded for the page, and written to files."""

import base64
import io
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.age_classes import years
from data.in_the_wild.pasted_photo import MOST_SERIES_PIXELS, PastedPhoto
from data.portrait import Portrait
from data.transforms import Transform
from models.age_code import traversal_blends
from models.transformer import AgeTransformer
from util.errors import UserError
from util.images import resize, row_after_gap, write_image
from util.metadata import SYNTHETIC, Facts
from util.video import write_video

# Frames from one anchor to the next; with six anchors a series has 101.
_STEPS = 20
# Every tenth frame is made first, so that the whole life can be seen after a second.
_COARSE = 10
# The noise of the age codes. A fixed seed gives a visitor the same pictures again.
_SEED = 0
# The page shows the whole photo at no more pixels, so that a hundred of them arrive soon.
_PHOTO_PIXELS = 300_000
VIDEOS = ("mp4", "gif", "webp")
_FPS, _CRF = 20, 16
# Models of fewer pixels get their results enlarged.
_SMALLEST_RESULT = 256


@dataclass(frozen=True)
class UsableModel:
    """A model, and how pictures get to its size.

    Attributes:
        name: what users call it.
        weights: checksum of its file.
        transformer: makes its frames.
        transform: brings portraits of `load_size` pixels to the network's size.
        load_size: pixels.
        classes: names of the anchor classes, the youngest first.
    """

    name: str
    weights: str
    transformer: AgeTransformer
    transform: Transform
    load_size: int
    classes: Sequence[str]


class ShownSeries:
    """One face at all ages by one model, as the page shows it. Frames exist once `make` has been iterated over.

    Args:
        model: makes the frames.
        portrait: of the person.
        in_photo: whether the aged heads are shown in their photo.
        frames: those that another series of this model and portrait has made already.
    """

    def __init__(
        self,
        model: UsableModel,
        portrait: Portrait,
        *,
        in_photo: bool,
        frames: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        self.model = model
        self.portrait = portrait
        self.pixels = portrait.at_size(model.transform)
        self.blends = traversal_blends(len(model.classes), 1 / _STEPS)
        self.ages = ages_in_words(model.classes, len(self.blends))
        self.frames = dict(frames or {})
        self._token = secrets.token_hex(8)  # tells the page that this is another series
        self._in_photo = in_photo
        self._show = self._shower(_PHOTO_PIXELS)
        self._addresses: dict[str, str] = {}

    def coarse(self) -> list[int]:
        """The frames that are shown first."""
        return [index for index in range(0, len(self.blends), _COARSE) if str(index) not in self._addresses]

    def missing(self) -> list[int]:
        """The frames that are not shown yet; every other one comes before those between."""
        indices = [index for index in range(len(self.blends)) if str(index) not in self._addresses]
        return sorted(indices, key=lambda index: (index % 5 > 0, index % 2 > 0, index))

    def make(self, indices: Sequence[int]) -> Iterator[int]:
        """Makes these frames unless they exist, and yields how many of the series are shown after each one."""
        missing = [index for index in indices if index not in self.frames]
        frames = self.model.transformer.frames(self.pixels, self.blends[missing], _SEED) if missing else iter(())
        for index in indices:
            if index not in self.frames:
                self.frames[index] = next(frames)
            self._addresses[str(index)] = data_address(self._show(self.frames[index]))
            yield len(self._addresses)

    def view(self) -> dict[str, Any]:
        """What the page's script shows (interface/scrubber.js). The frames so far are addresses by index."""
        return {
            "series": self._token,
            "before": data_address(self._show(self.pixels)),
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
        show = self._shower(None if kind == "age" else MOST_SERIES_PIXELS)
        frames = (show(self.frames[number]) for number in needed)
        facts = self._facts(self.ages[index] if kind == "age" else ", ".join(self.model.classes))
        if kind in VIDEOS:
            path = folder / f"lifespan.{kind}"
            write_video(path, frames, _FPS, _CRF, facts=facts)
        elif kind == "row":
            path = folder / "lifespan_row.png"
            write_image(path, row_after_gap(show(self.pixels), frames), facts)
        else:
            path = folder / f"lifespan_{self.ages[index].replace(' ', '_')}.png"
            write_image(path, next(frames), facts)
        return path

    def _shower(self, most_pixels: int | None) -> Callable[[np.ndarray], np.ndarray]:
        """A function that makes what is seen of a frame (H, W, 3) uint8: the frame, or the photo with its head."""
        if self._in_photo:
            photo = PastedPhoto([self.portrait], self.model.transform, most_pixels)
            return lambda frame: photo.with_heads([frame])
        return lambda frame: resize(frame, max(_SMALLEST_RESULT, *frame.shape[:2]))

    def _facts(self, ages: str) -> Facts:
        """What a file says about itself."""
        made = {"model": self.model.name, "weights_sha256": self.model.weights, "seed": str(_SEED), "ages": ages}
        return {"software": "Lifespan", SYNTHETIC: "true", **made}


def data_address(pixels: np.ndarray) -> str:
    """A picture (H, W, 3) uint8 as an address that holds its data, so that showing it needs no file or request."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "WEBP", quality=85, method=2)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


def ages_in_words(classes: Sequence[str], count: int) -> list[str]:
    """The ages of a traversal's frames: the class at an anchor, and years between."""
    try:
        between = [f"about {age:.0f} years" for age in years([number / _STEPS for number in range(count)], classes)]
    except UserError:  # The names of the classes are no years.
        between = [f"between {low} and {high}" for low, high in pairwise(classes) for _ in range(_STEPS)]
    return [between[n] if n % _STEPS else f"{classes[n // _STEPS]} years" for n in range(count)]
