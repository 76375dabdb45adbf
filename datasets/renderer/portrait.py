"""Draws a person's portrait at any age, with its parsing map."""

import cv2
import numpy as np

from data.masking import Label
from datasets.renderer.canvas import Canvas, ellipse, mirror, ribbon, spline
from datasets.renderer.features import paint_brows, paint_eyes, paint_glasses, paint_mouth, paint_nose
from datasets.renderer.hair import paint_hair, paint_hair_behind, paint_hat
from datasets.renderer.head import Pose, make_head
from datasets.renderer.identity import Identity
from datasets.renderer.painter import SIDES, Painter
from datasets.renderer.skin import paint_beard, paint_ears, paint_skin, paint_wrinkles, skin_color

_CLOTHES = (
    (58, 76, 112),
    (122, 48, 54),
    (70, 96, 78),
    (196, 178, 148),
    (52, 52, 58),
    (148, 112, 148),
    (214, 210, 204),
    (176, 120, 64),
)
_WALLS = ((186, 196, 206), (208, 200, 188), (150, 168, 160), (176, 160, 168), (120, 134, 152), (214, 206, 214))


# Smaller pictures are drawn larger and then reduced, because strokes thinner than a pixel would come out too strong.
_SMALLEST_DRAWN = 192


def draw(identity: Identity, age: float, size: int, picture: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draws a person.

    Args:
        identity: the person.
        age: the person's age in years, 0 to 75.
        size: the side of the square picture in pixels.
        picture: the picture's number. It decides what changes from photo to photo (pose, smile, light, clothes and
            background), so two pictures with the same number differ by age alone.

    Returns:
        The picture (size, size, 3) uint8 RGB, and its labels (size, size) uint8 (`data.masking.Label`; left and right
        are the viewer's).
    """
    rng = np.random.default_rng((identity.index, picture, 0xFACE))
    pose = Pose(
        roll=float(rng.normal(0, 0.035)),
        turn=float(np.clip(rng.normal(0, 0.4), -1, 1)),
        shift=(float(rng.normal(0, 0.006)), float(rng.normal(0, 0.006))),
        zoom=float(rng.normal(1, 0.015)),
        smile=float(rng.random() ** 1.3),
        light=float(rng.uniform(-1, 1)),
    )
    head = make_head(identity, age, pose)
    finer = -(-_SMALLEST_DRAWN // size)
    canvas = Canvas(_background(rng, size * finer))
    painter = Painter(canvas, head)
    cloth = np.array(_CLOTHES[rng.integers(len(_CLOTHES))]) * rng.uniform(0.85, 1.15)
    wears_hat, necklace = rng.random() < 0.03, rng.random() < 0.25

    paint_hair_behind(painter)
    _paint_body(painter, cloth, int(rng.integers(3)))
    if identity.gender == "female" and necklace and age > 12:
        _paint_necklace(painter)
    paint_ears(painter)
    if identity.earrings and age > 14:
        _paint_earrings(painter)
    face = painter.within(paint_skin(painter))
    paint_beard(face)
    paint_nose(face)
    paint_mouth(face)
    paint_eyes(face)
    paint_wrinkles(face)
    paint_brows(face)
    paint_hair(painter)
    paint_glasses(painter)
    if wears_hat:
        paint_hat(painter, cloth)
    image: np.ndarray = cv2.resize(canvas.image, (size, size), interpolation=cv2.INTER_AREA)
    labels = canvas.labels[finer // 2 :: finer, finer // 2 :: finer]
    return np.clip(image + 0.5, 0, 255).astype(np.uint8), np.ascontiguousarray(labels)


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    """A wall that is out of focus, (size, size, 3) float32."""
    wall = np.array(_WALLS[rng.integers(len(_WALLS))]) * rng.uniform(0.7, 1.05)
    coarse = wall + rng.normal(0, 14, (4, 4, 1)) + rng.normal(0, 5, (4, 4, 3))
    smooth: np.ndarray = cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return smooth.clip(0, 255)


def _paint_body(painter: Painter, cloth: np.ndarray, neckline: int) -> None:
    """Paints the neck with the jaw's shadow on it, the shoulders and the clothes."""
    head = painter.head
    now, male = head.stage, head.identity.gender == "male"
    grown = now.mature
    half = 0.36 + (0.09 if male else 0.0) * grown + 0.04 * now.settled + 0.02 * now.sag - 0.02 * now.baby
    shoulder = head.chin_y + 0.13 + 0.12 * grown
    skin = skin_color(head) * (0.90, 0.83, 0.80)
    neck = spline(
        np.array(
            [
                (half * 1.02, 0.5),
                (half, head.chin_y),
                (half * 1.02, shoulder),
                (half * 1.5, shoulder + 0.2),
                (half * 1.6, shoulder + 0.7),
            ]
        )
    )
    patch = painter.fill(np.concatenate([neck, mirror(neck)[::-1]]), skin, label=Label.NECK)
    throat = painter.within(painter.canvas.cover(patch))
    throat.shade(head.outline + (-0.04 * head.pose.light, 0.1), 0.75, 0.05)
    throat.shade(
        spline(
            np.array(
                [
                    (half * 0.5, head.chin_y),
                    (half * 0.86, head.chin_y),
                    (half, shoulder + 0.1),
                    (half * 0.7, shoulder + 0.1),
                ]
            ),
            True,
        )
        * (-np.sign(head.pose.light + 0.01), 1),
        0.4,
        0.06,
    )
    for side in SIDES:
        tendon = spline(
            np.array(
                [
                    (side * half * 0.62, head.chin_y + 0.02),
                    (side * half * 0.4, shoulder),
                    (side * half * 0.16, shoulder + 0.2),
                ]
            )
        )
        throat.shade(ribbon(tendon, (0.01, 0.04, 0.03)), 0.14 * grown + 0.36 * now.sag, 0.018)
    for drop in (0.1, 0.17):
        crease = spline(
            np.array(
                [(-half * 0.7, head.chin_y + drop), (0, head.chin_y + drop + 0.035), (half * 0.7, head.chin_y + drop)]
            )
        )
        throat.shade(ribbon(crease, (0, 0.02, 0)), 0.6 * now.wrinkles + 0.25 * now.baby, 0.008)

    wide = (1.32 if male else 1.14) * (0.82 + 0.18 * grown)
    depth = (0.16, 0.40, 0.10)[neckline]
    collar = [(0, shoulder + depth), (half * 0.62, shoulder + 0.35 * depth), (half * 1.12, shoulder - 0.02)]
    side_line = [
        (half * 1.7, shoulder + 0.06),
        (wide * 0.85, shoulder + 0.2),
        (wide, shoulder + 0.42),
        (wide * 1.06, shoulder + 1.2),
    ]
    right = spline(np.array(collar + side_line))
    cloth_patch = painter.fill(np.concatenate([right, mirror(right)[::-1]]), cloth, label=Label.CLOTH)
    fabric = painter.within(painter.canvas.cover(cloth_patch))
    for side in SIDES:
        fabric.shade(
            ribbon(
                np.array(
                    [
                        (side * half * 1.5, shoulder + 0.1),
                        (side * half * 1.2, shoulder + 0.4),
                        (side * half * 0.9, shoulder + 0.9),
                    ]
                ),
                0.07,
            ),
            0.3,
            0.04,
        )
        fabric.shade(ellipse((side * wide, shoulder + 0.7), (0.3, 0.6)), 0.55, 0.12)
        if neckline == 2:
            lapel = np.array(
                [
                    (side * half * 1.1, shoulder - 0.05),
                    (side * half * 1.4, shoulder + 0.03),
                    (side * half * 0.85, shoulder + 0.32),
                    (side * 0.02, shoulder + 0.11),
                ]
            )
            painter.fill(lapel, cloth * 1.13 + 6, label=Label.CLOTH)
    rim = spline(np.array([(-x, y) for x, y in collar[::-1]] + collar[1:]))
    fabric.shade(ribbon(rim, 0.035), 0.55, 0.008)


def _paint_necklace(painter: Painter) -> None:
    y = painter.head.chin_y + 0.13
    chain = spline(np.array([(-0.36, y), (-0.2, y + 0.2), (0, y + 0.27), (0.2, y + 0.2), (0.36, y)]))
    painter.fill([ellipse(point, (0.02, 0.02), 8) for point in chain[::2]], (226, 196, 120), label=Label.NECKLACE)


def _paint_earrings(painter: Painter) -> None:
    x = 0.70 * (1 + 0.05 * painter.head.identity.head_width)
    drops = [ellipse((side * x, 0.33), (0.028, 0.045), 12) for side in SIDES]
    painter.fill(drops, (230, 202, 130), label=Label.EARRING)
