"""A photo -> the landmarks of its largest face (spec/method.md section 7.1)."""

import importlib.util
import logging
from functools import cache
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from PIL import Image

from util.errors import UserError

logger = logging.getLogger(__name__)

DOWNLOADED = Path(__file__).parents[2] / "util" / "shape_predictor_68_face_landmarks.dat"
# Larger photos are searched on a reduced copy: the detector's time and memory grow with their area, and the faces
# that are worth the work stay large enough.
_MOST_SEARCHED = 4_000_000


def find_landmarks(photo: Image.Image, name: str) -> np.ndarray:
    """The 68 landmarks of the largest face.

    Args:
        photo: RGB.
        name: what to call the photo in messages.

    Returns:
        (68, 2) float64, x and y in pixels of the photo.

    Raises:
        UserError: no face was found.
    """
    scale = min(1.0, (_MOST_SEARCHED / (photo.width * photo.height)) ** 0.5)
    searched = photo if scale == 1 else photo.resize((round(photo.width * scale), round(photo.height * scale)))
    pixels = np.asarray(searched)
    boxes = find_boxes(pixels)
    if not boxes:
        raise UserError(f"{name}: no face found; give a photo of a face that looks towards the camera")
    if len(boxes) > 1:
        logger.warning("%s: %d faces found, the largest is taken; cut the photo to choose another", name, len(boxes))
    points = np.array([(point.x, point.y) for point in find_shape(pixels, boxes[0]).parts()], float)
    return points if scale == 1 else points * (photo.width / searched.width, photo.height / searched.height)


def find_boxes(pixels: np.ndarray) -> list[Any]:
    """The `dlib.rectangle`s of the faces in (H, W, 3) uint8, the largest first."""
    return sorted(_detector()(pixels, 1), key=lambda box: -box.area())


def find_shape(pixels: np.ndarray, box: Any) -> Any:
    """The 68 landmarks of a face as dlib's `full_object_detection`."""
    return _predictor()(pixels, box)


def packaged_model(name: str) -> Path:
    """A model file of the package face_recognition_models.

    Raises:
        UserError: the package is not installed.
    """
    # It cannot be imported where setuptools has no pkg_resources; its files are all that is wanted.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise UserError("face_recognition_models: not installed; run pip install -r requirements.txt")
    return Path(spec.origin).parent / "models" / name


@cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _predictor() -> Any:
    path = DOWNLOADED if DOWNLOADED.is_file() else packaged_model(DOWNLOADED.name)
    try:
        return dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise UserError(f"{path}: not a readable landmark predictor ({error}); fetch it again") from error
