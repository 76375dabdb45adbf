"""Draws anti-aliased shapes on a picture and on its map of labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.masking import Label

_SUBPIXEL_BITS = 4

Points = np.ndarray  # (N, 2), x and y in units of the frame: 0 to 1 within the picture


@dataclass(frozen=True)
class Patch:
    """How much of each pixel a shape covers, in the rows and columns around it: alpha (h, w) float32 in [0, 1]."""

    rows: slice
    columns: slice
    alpha: np.ndarray

    def inside(self, cover: np.ndarray) -> "Patch":
        """The patch limited to a cover of the whole canvas, (size, size) in [0, 1]."""
        return Patch(self.rows, self.columns, self.alpha * cover[self.rows, self.columns])


class Canvas:
    """A square picture that is being drawn, with the parsing label of every pixel.

    Attributes:
        size: pixels.
        image: (size, size, 3) float32, 0 to 255.
        labels: (size, size) uint8.
    """

    def __init__(self, background: np.ndarray) -> None:
        self.size = background.shape[0]
        self.image = background
        self.labels = np.zeros(background.shape[:2], np.uint8)

    def patch(self, shapes: Points | Sequence[Points], blur: float = 0.0) -> Patch:
        """The union of polygons, anti-aliased; `blur` softens its edge (sigma in units of the frame)."""
        polygons = [shapes] if isinstance(shapes, np.ndarray) else list(shapes)
        sigma = blur * self.size
        margin = 3 * sigma + 2
        corners = np.concatenate(polygons) * self.size
        left, top = np.clip(np.floor(corners.min(axis=0) - margin), 0, self.size).astype(int)
        right, bottom = np.clip(np.ceil(corners.max(axis=0) + margin), 0, self.size).astype(int)
        mask = np.zeros((max(0, bottom - top), max(0, right - left)), np.uint8)
        if mask.size:
            for polygon in polygons:
                # Pixel centres lie at half coordinates.
                pixels = polygon * self.size - (left + 0.5, top + 0.5)
                fixed = np.round(pixels * 2**_SUBPIXEL_BITS).astype(np.int32)
                cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
            if sigma > 0.3:
                mask = cv2.GaussianBlur(mask, (0, 0), sigma)
        return Patch(slice(top, bottom), slice(left, right), mask.astype(np.float32) / 255)

    def cover(self, patch: Patch) -> np.ndarray:
        """A patch's alpha on the whole canvas, (size, size)."""
        cover = np.zeros((self.size, self.size), np.float32)
        cover[patch.rows, patch.columns] = patch.alpha
        return cover

    def paint(self, patch: Patch, color: Sequence[float] | np.ndarray, opacity: float = 1.0) -> None:
        """Paints a patch in one colour, RGB 0 to 255, or in a colour for each pixel (h, w, 3)."""
        region = self.image[patch.rows, patch.columns]
        region += (np.asarray(color, np.float32) - region) * (patch.alpha * np.float32(opacity))[..., None]

    def shade(self, patch: Patch, factor: Sequence[float], opacity: float = 1.0) -> None:
        """Multiplies the colours of a patch; a factor below 1 darkens and above 1 lightens."""
        change = np.asarray(factor, np.float32) - 1
        self.image[patch.rows, patch.columns] *= 1 + (patch.alpha * np.float32(opacity))[..., None] * change

    def label(self, patch: Patch, label: Label) -> None:
        """Labels the pixels that the patch covers by half or more."""
        self.labels[patch.rows, patch.columns][patch.alpha >= 0.5] = label


def spline(points: Sequence[Sequence[float]] | np.ndarray, closed: bool = False, steps: int = 6) -> np.ndarray:
    """A Catmull-Rom curve (M, 2) through points (N, 2)."""
    points = np.asarray(points, float)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    p0, p1, p2, p3 = (padded[i : len(padded) - 3 + i, None] for i in range(4))
    t = np.arange(steps)[None, :, None] / steps
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def ribbon(line: np.ndarray, widths: float | Sequence[float]) -> np.ndarray:
    """A stroke along a line (N, 2) as a polygon; `widths` are taken at equal distances, and 0 makes a pointed end."""
    given = np.atleast_1d(np.asarray(widths, float))
    half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(given)), given)[:, None] / 2
    tangent = np.gradient(line, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    return np.concatenate([line + normal * half, (line - normal * half)[::-1]])


def ellipse(center: Sequence[float] | np.ndarray, radii: Sequence[float], points: int = 24) -> np.ndarray:
    """An ellipse as a polygon (points, 2)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([center[0] + radii[0] * np.cos(angle), center[1] + radii[1] * np.sin(angle)], axis=1)


def mirror(points: np.ndarray) -> np.ndarray:
    """The same points on the other side of the face."""
    return points * (-1, 1)
