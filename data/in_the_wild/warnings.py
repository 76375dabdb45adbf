"""Simple checks of an aligned portrait that tell, in words, why its results may disappoint."""

import cv2
import numpy as np

# A head in fewer pixels is enlarged more than twofold for a model of 256 pixels.
_SMALLEST_SIDE = 128
# Degrees. Faces that look at the camera measure up to 22, because landmarks are inexact (docs/photos.md).
_MOST_TURNED = 30
# Lightness around the eyes as a share of the cheeks': 0.8 to 1.2 for bare eyes, below 0.4 behind black glasses.
_DARKEST_EYES = 0.5
# Mean chroma of the cheeks in CIELAB: 0 in grey pictures, above 20 for skin of any tone that was measured.
_LEAST_CHROMA = 4

# A head's tip of the nose, chin, outer corners of the eyes and corners of the mouth, and the landmarks that show
# them. x points to the right of the picture, y down, and z away from the camera; a unit is some 0.2 mm.
_HEAD = np.array(
    [(0, 0, 0), (0, 330, 65), (-225, -170, 135), (225, -170, 135), (-150, 150, 125), (150, 150, 125)], float
)
_HEAD_LANDMARKS = [30, 8, 36, 45, 48, 54]
# Focal length in sides of the portrait: that of a head which is far enough away to look undistorted.
_FOCAL_LENGTH = 4


def portrait_warnings(pixels: np.ndarray, landmarks: np.ndarray, side: float) -> list[str]:
    """What a user should know before judging the results; empty for a good portrait.

    Args:
        pixels: (S, S, 3) uint8, aligned, with its background.
        landmarks: (68, 2) in pixels of it.
        side: of the square around the head, in pixels of the photo.
    """
    warnings = []
    if side < _SMALLEST_SIDE:
        warnings.append(f"The face is small: the head has only {side:.0f} pixels, so results will look blurred.")
    if abs(turn := head_turn(landmarks, pixels.shape[0])) > _MOST_TURNED:
        warnings.append(
            f"The head is turned away by about {abs(turn):.0f} degrees; models know faces from the front."
        )
    if eye_lightness(pixels, landmarks) < _DARKEST_EYES:
        warnings.append("The eyes are dark: glasses or a shadow may hide them, and the model will invent some.")
    if face_chroma(pixels, landmarks) < _LEAST_CHROMA:
        warnings.append("The picture is grey, but models learned from colour, so results may be tinted.")
    return warnings


def head_turn(landmarks: np.ndarray, size: int) -> float:
    """Degrees by which the head is turned sideways, 0 for a face that looks at the camera.

    A rigid head of average shape is fitted to six of the 68 landmarks (68, 2) of a portrait of `size` pixels.
    """
    focal = _FOCAL_LENGTH * size
    camera = np.array([(focal, 0, size / 2), (0, focal, size / 2), (0, 0, 1)], float)
    _, rotation, _ = cv2.solvePnP(_HEAD, landmarks[_HEAD_LANDMARKS].astype(float), camera, None)
    # The third column is where the head's back points to; a turn sideways moves it along x.
    back = cv2.Rodrigues(rotation)[0][:, 2]
    return float(np.degrees(np.arctan2(back[0], back[2])))


def eye_lightness(pixels: np.ndarray, landmarks: np.ndarray) -> float:
    """Median lightness around the darker eye as a share of the cheeks'."""
    lightness = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[..., 0]
    around = [_around(landmarks[first : first + 6]) for first in (36, 42)]
    eyes = min(float(np.median(lightness[_filled(lightness, eye)])) for eye in around)
    return eyes / max(1.0, float(np.median(lightness[_cheeks(lightness, landmarks)])))


def face_chroma(pixels: np.ndarray, landmarks: np.ndarray) -> float:
    """Mean distance of the cheeks' colours from grey, in units of CIELAB."""
    colors = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[_cheeks(pixels, landmarks)]
    return float(np.hypot(colors[:, 1], colors[:, 2]).mean()) if len(colors) else 0.0


def _cheeks(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Between jaw, nose and mouth, (S, S) bool."""
    return _filled(pixels, landmarks[[2, 3, 4, 48, 31]], landmarks[[14, 13, 12, 54, 35]])


def _around(eye: np.ndarray) -> np.ndarray:
    """An ellipse (N, 2) twice as wide as an eye's outline; it has one shape, so that narrow eyes count too."""
    angles = np.linspace(0, 2 * np.pi, 36)
    width = float(np.ptp(eye[:, 0]))
    ellipse: np.ndarray = eye.mean(axis=0) + width * np.stack([np.cos(angles), 0.6 * np.sin(angles)], axis=1)
    return ellipse


def _filled(pixels: np.ndarray, *outlines: np.ndarray) -> np.ndarray:
    mask = np.zeros(pixels.shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    return mask.astype(bool)
