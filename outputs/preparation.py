"""Prepares photos for the model, in worker processes if there are many photos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.photo_list import face_name
from data.portrait import Portrait
from data.transforms import Transform
from evaluation.judge import log_age
from util.provenance import Source


@dataclass(frozen=True)
class Task:
    """A photo to make outputs of.

    Attributes:
        source: the photo.
        name: of its outputs.
        made_by: identity of the model, and of what cuts the person out.
    """

    source: Source
    name: str
    made_by: str

    @property
    def photo(self) -> Path:
        """The photo's path."""
        return self.source.path


@dataclass(frozen=True)
class PreparedFace:
    """A face of a photo that is ready for the model.

    Attributes:
        name: of its outputs.
        portrait: as it was read.
        pixels: (H, W, 3) uint8, the portrait at the model's size.
        looks: the age that is seen, in years; None without an estimate.
    """

    name: str
    portrait: Portrait
    pixels: np.ndarray
    looks: int | None


@dataclass(frozen=True)
class Preparation:
    """The work on a photo before the model is needed, as a callable that can be sent to another process.

    Attributes:
        read: makes the portraits of a path.
        to_model_size: brings them to the model's size.
        see_age: whether the age of each face is estimated.
    """

    read: Callable[[Path], Sequence[Portrait]]
    to_model_size: Transform
    see_age: bool

    def __call__(self, task: Task) -> list[PreparedFace]:
        """The faces of a photo; raises UserError if it cannot be used."""
        faces = []
        for portrait in self.read(task.photo):
            name, pixels = face_name(task.name, portrait.face), portrait.at_size(self.to_model_size)
            facts = log_age(name, portrait.pixels) if self.see_age else {}
            faces.append(PreparedFace(name, portrait, pixels, facts.get("looks")))
        return faces
