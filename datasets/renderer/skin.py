"""Paints skin: face, ears, marks, folds and beard, in face units (head.py)."""

import numpy as np

from data.masking import Label
from datasets.renderer.canvas import ellipse, mirror, ribbon, spline
from datasets.renderer.head import Head
from datasets.renderer.painter import LIGHT, SHADOW, SIDES, Painter, mix

_BLUSH = (224, 92, 84)


def skin_color(head: Head) -> np.ndarray:
    """The skin's colour (3,) RGB. Infants are pinker, children lighter, old people darker and more yellow."""
    now = head.stage
    color = np.array(head.identity.skin) + head.identity.undertone * np.array((4, -3, -3))
    color += now.baby * np.array((6, 1, 2)) + now.child * np.array((8, 7, 7))
    color += now.settled * np.array((-7, -9, -10)) + now.sag * np.array((-6, -8, -11))
    return np.clip(color, 0, 255)


def paint_ears(painter: Painter) -> None:
    """Paints both ears; the face will cover their inner edges."""
    identity, now = painter.head.identity, painter.head.stage
    size = (1 + 0.15 * identity.ear_size) * (1 + 0.14 * now.sag + 0.08 * now.child)
    edge = 0.675 * (1 + 0.05 * identity.head_width)
    skin = skin_color(painter.head)
    for side in SIDES:
        shell = np.array(
            [
                (-0.05, -0.16),
                (0.04, -0.21),
                (0.105, -0.17),
                (0.115, -0.04),
                (0.08, 0.07),
                (0.055, 0.2),
                (0.0, 0.24),
                (-0.06, 0.1),
            ]
        )
        outer = spline(shell * size * (side, 1) + (side * edge, 0.06), closed=True)
        painter.fill(outer, skin * (0.93, 0.86, 0.83), label=Label.RIGHT_EAR if side > 0 else Label.LEFT_EAR)
        shade = painter.within(painter.canvas.cover(painter.patch(outer)))
        shade.shade(ellipse((side * (edge + 0.04 * size), -0.01), (0.035 * size, 0.11 * size)), 0.6, 0.015)


def paint_skin(painter: Painter) -> np.ndarray:
    """Paints the face's skin and the light on it, and returns its cover (size, size)."""
    head = painter.head
    now, light = head.stage, head.pose.light
    patch = painter.fill(head.outline, skin_color(head), label=Label.SKIN)
    cover = painter.canvas.cover(patch)
    # The skin gets darker towards the outline, and more so on the side away from the light.
    facing = painter.canvas.cover(painter.patch(head.outline * (0.87, 0.93) + (0.05 * light, -0.01), 0.16))
    turned = (cover * (1 - facing))[patch.rows, patch.columns, None]
    painter.canvas.image[patch.rows, patch.columns] *= 1 - turned * (1 - np.array(SHADOW, np.float32)) * 0.9
    face = painter.within(cover)
    for x, y, radius, strength in (
        (0, -0.45, 0.3, 0.55),
        (-0.37, 0.3, 0.15, 0.5),
        (0.37, 0.3, 0.15, 0.5),
        (0, 0.93, 0.09, 0.4),
    ):
        face.shade(ellipse((x + 0.06 * light, y), (radius, radius * 0.75)), strength, 0.09, LIGHT)
    blush = (0.10 + 0.22 * now.baby + 0.12 * now.child) * (0.5 if sum(head.identity.skin) < 380 else 1)
    blush += 0.05 * (head.identity.gender == "female") * now.mature
    face.fill([ellipse((side * 0.42, 0.36), (0.15, 0.12)) for side in SIDES], _BLUSH, blush, 0.08)
    # Shadows lie in the eye sockets and under the lower lip.
    face.shade([ellipse((side * 0.31, -0.07), (0.2, 0.085)) for side in SIDES], 0.24 + 0.16 * now.mature, 0.05)
    face.shade(ellipse((0, head.mouth_y + 0.14), (0.13, 0.03)), 0.35 * (1 - 0.4 * now.baby), 0.03)
    # Grown and old faces have hollow cheeks.
    hollow = [ellipse((side * 0.5, 0.6), (0.07, 0.16)) for side in SIDES]
    face.shade(hollow, 0.16 * now.mature * (1 - head.identity.cheeks) + 0.35 * now.sag, 0.07)
    _paint_marks(face)
    return cover


def _paint_marks(face: Painter) -> None:
    """Paints freckles, a mole and age spots; each stays in its place at every age."""
    identity, now = face.head.identity, face.head.stage
    rng = np.random.default_rng((identity.index, 7))
    skin = skin_color(face.head)
    across = rng.uniform(-0.5, 0.5, 60)
    freckles = [
        ellipse((x, y), (r, r), 8)
        for x, y, r in zip(across, rng.normal(0.27, 0.1, 60), rng.uniform(0.008, 0.016, 60), strict=True)
    ]
    strength = identity.freckles * min(1.0, face.head.stage.age / 5) * (1 - 0.5 * now.sag)
    if strength > 0.05:
        face.fill(freckles, skin * (0.72, 0.55, 0.45), 0.75 * strength, 0.004)
    places = zip(
        rng.choice(SIDES, 16) * rng.uniform(0.3, 0.62, 16),
        rng.uniform(-0.7, 0.6, 16),
        rng.uniform(0.012, 0.034, 16),
        strict=True,
    )
    spots = [ellipse((x, y), (r, r * 0.8), 10) for x, y, r in places]
    if now.spots > 0.02:
        face.fill(spots, skin * (0.74, 0.60, 0.48), 0.6 * now.spots, 0.006)
    if identity.mole and face.head.stage.age > 3:
        face.fill(ellipse(identity.mole, (0.02, 0.02), 10), skin * (0.42, 0.32, 0.28), 0.9, 0.003)


def paint_wrinkles(face: Painter) -> None:
    """Paints folds that come with age, each a dark line with a lit edge below it."""
    now, head = face.head.stage, face.head
    smile, old = head.pose.smile, now.wrinkles
    rng = np.random.default_rng((head.identity.index, 11))

    def fold(points: list[tuple[float, float]], width: float, strength: float, both: bool = True) -> None:
        if strength < 0.02:
            return
        line = spline(np.array(points))
        for side in SIDES if both else (1,):
            face.shade(ribbon(line * (side, 1), (0.0, width, width, 0.0)), strength, 0.006)
            face.shade(
                ribbon(line * (side, 1) + (0, width * 1.1), (0.0, width, width, 0.0)), 0.45 * strength, 0.006, LIGHT
            )

    cheek = head.nose_y
    nasolabial = 0.08 * now.mature + 0.26 * now.settled + 0.24 * smile * now.mature + 0.6 * old
    fold(
        [(0.19, cheek - 0.04), (0.28, cheek + 0.1), (0.325, cheek + 0.2), (0.33, head.mouth_y + 0.03)],
        0.024,
        nasolabial,
    )
    wave = rng.uniform(-0.012, 0.012, (4, 3))
    for number, (y, reach) in enumerate(((-0.40, 0.30), (-0.50, 0.36), (-0.60, 0.32), (-0.69, 0.22))):
        a, b, c = wave[number]
        fold(
            [
                (-reach, y + 0.03 + a),
                (-0.4 * reach, y - 0.006 + b),
                (0.3 * reach, y - 0.004 + c),
                (reach, y + 0.03 - a),
            ],
            0.02,
            0.62 * old - 0.08 * number,
            False,
        )
    fold([(0.055, -0.28), (0.045, -0.21), (0.052, -0.13)], 0.016, 0.6 * old - 0.06)
    for drop in (-0.04, 0.02, 0.075):
        fold(
            [(head.eyes + 0.165, drop * 0.4 + 0.01), (head.eyes + 0.23, drop * 0.9), (head.eyes + 0.3, drop * 1.7)],
            0.014,
            0.66 * old + 0.12 * smile * now.mature - 0.06,
        )
    fold([(head.eyes - 0.1, 0.15), (head.eyes + 0.02, 0.19), (head.eyes + 0.16, 0.15)], 0.02, 0.62 * old - 0.2)
    fold(
        [(0.25, head.mouth_y + 0.04), (0.275, head.mouth_y + 0.13), (0.255, head.mouth_y + 0.22)],
        0.022,
        0.78 * old - 0.15,
    )
    fold([(0.44, 0.42), (0.475, 0.55), (0.47, 0.68)], 0.016, 0.55 * old - 0.26)
    for x in (-0.11, -0.05, 0.01, 0.07, 0.12):
        fold([(x, head.mouth_y - 0.14), (x * 0.96, head.mouth_y - 0.085)], 0.01, 0.5 * old - 0.26, False)
    fold(
        [(-0.1, head.chin_y - 0.17), (0.0, head.chin_y - 0.185), (0.1, head.chin_y - 0.17)],
        0.02,
        0.16 * now.mature + 0.3 * old,
        False,
    )


def paint_beard(face: Painter) -> None:
    """Paints a grown man's beard, from stubble to a full beard."""
    identity, now, head = face.head.identity, face.head.stage, face.head
    strength = identity.beard * now.mature**3 * (0.25 + 0.75 * now.settled)
    if strength < 0.05:
        return
    color = mix(np.array(identity.hair) * 0.9, (190, 188, 186), now.grey)
    y, chin = head.mouth_y, head.chin_y
    area = np.array(
        [(0.72, 0.08), (0.62, 0.14), (0.56, 0.42), (0.42, 0.60), (0.27, y - 0.1), (0.10, y - 0.155), (0, y - 0.13)]
    )
    half = spline(area)
    right = np.concatenate([half[::-1], [(0.8, 0.6), (0.5, chin + 0.08), (0, chin + 0.1)]])
    shape = np.concatenate([right, mirror(right)[::-1]])
    face.fill(shape, color, min(0.85, 0.18 + 0.85 * strength**1.5), 0.03)
