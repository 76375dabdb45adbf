"""Draws shapes that are given in face units (head.py) on a canvas."""

from collections.abc import Sequence

import numpy as np

from data.masking import Label
from datasets.renderer.canvas import Canvas, Patch
from datasets.renderer.head import Head

SHADOW = (0.66, 0.53, 0.49)
LIGHT = (1.16, 1.15, 1.14)
SIDES = (-1, 1)  # as the viewer sees them: left, right


def mix(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, share: float) -> np.ndarray:
    """A mixture of two colours (3,) or curves (N, 2), with this share of the second."""
    start, end = np.asarray(first, float), np.asarray(second, float)
    return start + share * (end - start)


class Painter:
    """Draws on a canvas in the face units of a head.

    Attributes:
        canvas: the canvas that is drawn on.
        head: the head whose face units are used.
        inside: a cover (size, size) in [0, 1] that limits all shapes, or None.
    """

    def __init__(self, canvas: Canvas, head: Head, inside: np.ndarray | None = None) -> None:
        self.canvas = canvas
        self.head = head
        self.inside = inside

    def within(self, inside: np.ndarray) -> "Painter":
        """A painter on the same canvas whose shapes are limited to a cover (size, size)."""
        return Painter(self.canvas, self.head, inside)

    def patch(self, shapes: np.ndarray | Sequence[np.ndarray], blur: float = 0.0) -> Patch:
        """The patch of shapes (N, 2) with edges softened by `blur` (sigma), all in face units."""
        polygons = [shapes] if isinstance(shapes, np.ndarray) else shapes
        patch = self.canvas.patch([self.head.place(polygon) for polygon in polygons], blur * self.head.scale)
        return patch if self.inside is None else patch.inside(self.inside)

    def fill(
        self,
        shapes: np.ndarray | Sequence[np.ndarray],
        color: Sequence[float] | np.ndarray,
        opacity: float = 1.0,
        blur: float = 0.0,
        label: Label | None = None,
    ) -> Patch:
        """Paints shapes in a colour, RGB 0 to 255, and labels them if a label is given."""
        patch = self.patch(shapes, blur)
        self.canvas.paint(patch, color, opacity)
        if label is not None:
            self.canvas.label(patch, label)
        return patch

    def shade(
        self,
        shapes: np.ndarray | Sequence[np.ndarray],
        opacity: float,
        blur: float = 0.0,
        factor: Sequence[float] = SHADOW,
    ) -> None:
        """Darkens what is already painted inside the shapes, or lightens it with `factor=LIGHT`."""
        if opacity > 0.01:
            self.canvas.shade(self.patch(shapes, blur), factor, opacity)
