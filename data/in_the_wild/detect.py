"""A photo -> its faces and their landmarks (docs/method.md, Photos)."""

import importlib.util
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import dlib
import numpy as np
from PIL import Image

from util.errors import UserError

logger = logging.getLogger(__name__)

# Which faces of a photo become portraits: the largest, all, or one by its number from the left.
FaceChoice = Literal["largest", "all"] | int

# Larger photos are searched on a reduced copy: the detector's time and memory grow with their area, and the faces
# that are worth the work stay large enough.
_MOST_SEARCHED = 2_500_000
# Photos without a face are turned and searched again, three times. Smaller copies keep that short.
_MOST_SEARCHED_TURNED = 1_000_000
# The detector's scores: faces that look at the camera get about 1, heads tilted by 15 degrees 0.3, and patterns on
# clothes up to 0.5. So less is needed for a photo's only face than for one beside another.
_SURE = 0.25
_SURE_BESIDE = 0.5
_SHARE_OF_BEST = 0.4
# The detector finds heads that are tilted by up to 40 degrees. These and the turns leave no gap.
_TILTS = (45, -45, 135, -135)
_TURNS = {
    Image.Transpose.ROTATE_90: "a quarter to the left",
    Image.Transpose.ROTATE_270: "a quarter to the right",
    Image.Transpose.ROTATE_180: "upside down",
}
# The detector changes while it searches, so threads take turns; otherwise memory is damaged.
_SEARCHING = threading.Lock()


@dataclass(frozen=True)
class Face:
    """One face of a photo.

    Attributes:
        landmarks: (68, 2) float64, x and y in pixels of the photo.
        area: of the detector's box.
        score: how sure the detector is.
    """

    landmarks: np.ndarray
    area: float
    score: float


def find_faces(photo: Image.Image, most_searched: int = _MOST_SEARCHED, tilt: float = 0) -> list[Face]:
    """The faces of an RGB photo that stand upright once it is tilted by degrees, from left to right."""
    # A long and narrow photo covers much more once it is tilted.
    area = (photo.width + photo.height) ** 2 / 2 if tilt else photo.width * photo.height
    scale = min(1.0, (most_searched / area) ** 0.5)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    searched = photo if scale == 1 else photo.resize(size)
    if tilt:
        searched = searched.rotate(tilt, Image.Resampling.BILINEAR, expand=True)
    pixels = np.asarray(searched)
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    stretch = photo.width / size[0], photo.height / size[1]
    faces = []
    for box, score in _detect(pixels):
        points = np.array([(point.x, point.y) for point in find_shape(pixels, box).parts()], float)
        if tilt:
            # The middle of a pixel is half a pixel from its corner, about which pictures turn.
            points += 0.5 - np.divide(searched.size, 2)
            points = points @ ((cos, sin), (-sin, cos)) + np.divide(size, 2) - 0.5
        faces.append(Face(points * stretch, box.area(), score))
    return sorted(faces, key=lambda face: face.landmarks[:, 0].mean())


def turn_upright(photo: Image.Image, name: str) -> tuple[Image.Image, list[Face]]:
    """Finds the faces of a photo, and turns it by quarters if it shows none upright.

    Args:
        photo: RGB.
        name: what messages call the photo.

    Returns:
        The photo, upright, and its faces from left to right.

    Raises:
        UserError: no face was found either way.
    """
    turn, faces = find_upright(photo, name)
    return photo if turn is None else photo.transpose(turn), faces


def find_upright(photo: Image.Image, name: str) -> tuple[Image.Transpose | None, list[Face]]:
    """As `turn_upright`, but returns the turn instead of the turned photo; None if it needs no turn."""
    turn = None
    faces = find_faces(photo)
    if _best(faces) < _SURE:
        scores = {turn: _best(find_faces(photo.transpose(turn), _MOST_SEARCHED_TURNED)) for turn in _TURNS}
        best = max(scores, key=scores.__getitem__)
        if scores[best] >= _SURE:
            turn = best
            faces = find_faces(photo.transpose(turn))
            logger.warning("%s: no face found upright; it was turned %s", name, _TURNS[turn])
        else:
            tilted = max((find_faces(photo, _MOST_SEARCHED_TURNED, tilt) for tilt in _TILTS), key=_best)
            if _best(tilted) >= _SURE_BESIDE:
                faces = tilted
                logger.warning("%s: the face is tilted; it was turned upright", name)
    if not faces:
        raise UserError(f"{name}: no face found; give a photo of a face that looks towards the camera")
    return turn, faces


def choose_faces(faces: Sequence[Face], choice: FaceChoice, name: str) -> list[tuple[int, Face]]:
    """The chosen faces, each with its number from the left, and a message if there was a choice.

    Args:
        faces: from left to right.
        choice: which of them.
        name: what messages call the photo.

    Raises:
        UserError: there are fewer faces than the number asked for.
    """
    numbered = list(enumerate(faces, start=1))
    count = len(faces)
    if choice == "all":
        if count > 1:
            logger.info("%s: %d faces found, all are taken, numbered from the left", name, count)
        return numbered
    if choice == "largest":
        number, face = max(numbered, key=lambda pair: pair[1].area)
        if count > 1:
            logger.warning(
                "%s: %d faces found, the largest is taken, number %d from the left; --face all or --face NUMBER "
                "takes others",
                name,
                count,
                number,
            )
        return [(number, face)]
    if choice > count:
        raise UserError(f"{name}: --face {choice}: only {count} found; faces are numbered from the left, from 1")
    logger.info("%s: face %d of %d from the left is taken", name, choice, count)
    return [numbered[choice - 1]]


def find_boxes(pixels: np.ndarray) -> list[Any]:
    """The `dlib.rectangle`s of the faces in (H, W, 3) uint8, the largest first."""
    return sorted((box for box, _ in _detect(pixels)), key=lambda box: -box.area())


def find_shape(pixels: np.ndarray, box: Any) -> Any:
    """The 68 landmarks of a face as dlib's `full_object_detection`."""
    return _predictor()(pixels, box)


def packaged_model(name: str) -> Path:
    """A model file of the package face_recognition_models.

    Raises:
        UserError: the package is not installed.
    """
    # The package cannot be imported where setuptools has no pkg_resources, and only its files are needed.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise UserError("face_recognition_models: not installed; run pip install -r requirements.txt")
    return Path(spec.origin).parent / "models" / name


def _best(faces: Sequence[Face]) -> float:
    return max((face.score for face in faces), default=-np.inf)


def _detect(pixels: np.ndarray) -> list[tuple[Any, float]]:
    """Boxes and scores, the surest first, each face once."""
    with _SEARCHING:
        boxes, scores, _ = _detector().run(pixels, 1)
    found: list[tuple[Any, float]] = []
    for box, score in sorted(zip(boxes, scores, strict=True), key=lambda pair: -pair[1]):
        doubtful = bool(found) and score < max(_SURE_BESIDE, _SHARE_OF_BEST * found[0][1])
        if not doubtful and not any(_overlap(box, other) for other, _ in found):
            found.append((box, score))
    return found


def _overlap(box: Any, other: Any) -> bool:
    """Whether the smaller box lies in the other for the most part: then they are one face."""
    return box.intersect(other).area() > 0.5 * min(box.area(), other.area())


@cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _predictor() -> Any:
    path = packaged_model("shape_predictor_68_face_landmarks.dat")
    try:
        return dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise UserError(f"{path}: not a readable landmark predictor ({error}); install the package again") from error
