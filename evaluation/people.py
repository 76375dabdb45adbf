"""People whose true pictures at every age are known, read from a data set."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.classes import ClassImages, find_classes, keep_pairs
from data.masking import head_mask
from data.origin import Origin
from data.portrait import Portrait, read_portrait
from data.transforms import Transform
from util.errors import UserError
from util.progress import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Person:
    """A person as the model sees people.

    Attributes:
        name: the stem of the person's files.
        truths: one true picture for each class, (C, H, W, 3) uint8, masked.
        heads: the pixels of these pictures that are not masked, (C, H, W) bool.
        origins: how to read these pictures unmasked, if they are square.
    """

    name: str
    truths: np.ndarray
    heads: np.ndarray
    origins: Sequence[Origin | None] = ()


def read_people(
    classes: Sequence[ClassImages], to_model_size: Transform, most: float, *, like: Person | None = None
) -> list[Person]:
    """The first people of a data set, at most so many; a person with an unusable picture is named and left out.

    People are compared pixel by pixel, so all must have pictures of the shape of `like`, or else of the first person.
    """
    people = []
    paths = list(zip(*(images.paths for images in classes), strict=True))
    for of_person in progress(paths[: int(min(most, len(paths)))], desc="reading", unit="person", leave=False):
        try:
            person = _person([read_portrait(path) for path in of_person], to_model_size)
            like = like or person
            if person.truths.shape != like.truths.shape:
                raise UserError(f"{of_person[0]}: its proportions differ from those of {like.name}'s pictures")
            people.append(person)
        except UserError as error:
            logger.warning("left out: %s", error)
    return people


def read_training_people(
    root: Path, names: Sequence[str], to_model_size: Transform, *, most: int, like: Person
) -> list[Person]:
    """The training people; none if nobody has a picture in every class."""
    if most == 0:
        return []
    try:
        classes = keep_pairs(find_classes(root, "train", names))
    except UserError as error:
        logger.warning("the nearest training person is left out of the table: %s", error)
        return []
    return read_people(classes, to_model_size, most, like=like)


def _person(portraits: Sequence[Portrait], to_model_size: Transform) -> Person:
    """The person of one portrait for each class; raises UserError if they do not fit together."""
    truths = [portrait.at_size(to_model_size) for portrait in portraits]
    heads = [to_model_size(head_mask(portrait.parsing).astype(np.uint8)) > 0 for portrait in portraits]
    for portrait, truth, head in zip(portraits, truths, heads, strict=True):
        if truth.shape != truths[0].shape:
            raise UserError(f"{portrait.path}: its proportions differ from those of {portraits[0].path}")
        if not head.any():
            raise UserError(f"{portrait.path}: its parsing map leaves nothing of the person")
    origins = [portrait.origin for portrait in portraits]
    return Person(portraits[0].path.stem, np.stack(truths), np.stack(heads), origins)
