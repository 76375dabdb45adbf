"""Scores pictures that were put back into their photo, background and clothes included."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from data.in_the_wild.paste_back import PasteBack
from data.origin import whole_square
from data.transforms import Transform
from evaluation.metrics import l1
from evaluation.people import Person
from util.progress import progress


def pasted_l1(
    people: Sequence[Person], to_model_size: Transform, row_of: Callable[[int], np.ndarray]
) -> np.ndarray | None:
    """Mean difference between pasted and true pictures over everything that they show, from 0 to 1.

    Args:
        people: whom the pictures show. Their true pictures differ by age alone, with the same background.
        to_model_size: brings their true pictures to the model's size.
        row_of: the number of a person -> the pictures of this person at each class, (C, H, W, 3) uint8, made of the
            picture of class `number % C`, so that all classes are inputs in turn.

    Returns:
        (people,); None if pictures are not square.
    """
    scores = []
    for number, person in enumerate(progress(people, desc="pasting back", unit="person", leave=False)):
        source, origins = number % len(person.truths), [origin for origin in person.origins if origin]
        size = person.truths.shape[1]
        if len(origins) < len(person.truths) or person.truths.shape[2] != size:
            return None
        photos = [to_model_size(np.asarray(origin.read())) for origin in origins]
        photo, everything = photos[source], np.ones((size, size), bool)
        paste = PasteBack(Image.fromarray(photo), whole_square(size), person.truths[source], person.heads[source])
        pairs = zip(row_of(number), photos, strict=True)
        scores.append(np.mean([l1(paste(photo, picture), truth, everything) for picture, truth in pairs]))
    return np.array(scores)
