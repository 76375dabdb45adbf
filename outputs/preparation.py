"""Prepares photos for the model, in worker processes if there are many photos."""

from collections.abc import Callable, Mapping, Sequence
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
class Prepared:
    """People of a photo who are ready for the model and share outputs; usually it is one person.

    Attributes:
        name: of the outputs.
        portraits: as they were read.
        pixels: each portrait at the model's size, (H, W, 3) uint8.
        looks: the age that is seen, in years, by the name of the outputs, or of the face if several share outputs;
            None without an estimate.
    """

    name: str
    portraits: Sequence[Portrait]
    pixels: Sequence[np.ndarray]
    looks: Mapping[str, int | None]


@dataclass(frozen=True)
class Preparation:
    """The work on a photo before the model is needed, as a callable that can be sent to another process.

    Attributes:
        read: makes the portraits of a path.
        to_model_size: brings them to the model's size.
        see_age: whether the age of each face is estimated.
        together: whether all faces of a photo share outputs.
    """

    read: Callable[[Path], Sequence[Portrait]]
    to_model_size: Transform
    see_age: bool
    together: bool

    def __call__(self, task: Task) -> list[Prepared]:
        """The people of a photo; raises UserError if it cannot be used."""
        people = [(face_name(task.name, portrait.face), portrait) for portrait in self.read(task.photo)]
        if self.together:
            return [self._prepared(task.name, people)]
        return [self._prepared(name, [(name, portrait)]) for name, portrait in people]

    def _prepared(self, name: str, people: Sequence[tuple[str, Portrait]]) -> Prepared:
        portraits = [portrait for _, portrait in people]
        pixels = [portrait.at_size(self.to_model_size) for portrait in portraits]
        looks: dict[str, int | None] = {name: None}
        for face, portrait in people:
            looks[face] = (log_age(face, portrait.pixels) if self.see_age else {}).get("looks")
        return Prepared(name, portraits, pixels, looks)
