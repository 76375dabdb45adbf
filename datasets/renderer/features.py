"""Paints eyes, brows, nose, mouth and glasses, in face units (head.py)."""

import numpy as np

from data.masking import Label
from datasets.renderer.canvas import ellipse, mirror, ribbon, spline
from datasets.renderer.painter import LIGHT, SIDES, Painter, mix
from datasets.renderer.skin import skin_color


def paint_eyes(face: Painter) -> None:
    """Paints whites, irises, lids and lashes."""
    identity, now = face.head.identity, face.head.stage
    female = identity.gender == "female"
    width = 0.138 * (1 + 0.09 * identity.eye_size) * (1 + 0.24 * now.child)
    upper = 0.074 * (1 + 0.14 * identity.eye_size) * (1 + 0.42 * now.child - 0.26 * now.sag)
    lower = (
        0.046
        * (1 + 0.1 * identity.eye_size)
        * (1 + 0.45 * now.child - 0.1 * now.sag)
        * (1 - 0.15 * face.head.pose.smile)
    )
    slant = 0.022 * identity.eye_slant - 0.028 * now.sag + 0.004
    skin = skin_color(face.head)
    lash = mix((30, 22, 20), skin, 0.12 + 0.25 * now.sag)
    for side in SIDES:
        middle = np.array((side * face.head.eyes, 0.0))

        def at(
            points: np.ndarray | list[tuple[float, float]], side: int = side, middle: np.ndarray = middle
        ) -> np.ndarray:
            return np.asarray(points) * (side, 1) + middle

        corner_in, corner_out = (-width, 0.016), (width, -slant)
        lid = [
            corner_in,
            (-0.5 * width, -0.78 * upper),
            (0.05 * width, -upper),
            (0.62 * width, -0.74 * upper - 0.5 * slant),
            corner_out,
        ]
        rim = [
            corner_out,
            (0.5 * width, 0.86 * lower - 0.4 * slant),
            (-0.05 * width, lower),
            (-0.6 * width, 0.7 * lower),
            corner_in,
        ]
        lid_line, rim_line = spline(at(lid)), spline(at(rim))
        shape = np.concatenate([lid_line, rim_line])
        # The folds around the eye are painted first, so that the eye covers them.
        crease = spline(
            at(
                [
                    (-0.9 * width, -0.5 * upper),
                    (-0.3 * width, -1.42 * upper),
                    (0.4 * width, -1.5 * upper),
                    (1.1 * width, -0.7 * upper - slant),
                ]
            )
        )
        face.shade(ribbon(crease, (0.004, 0.028, 0.03, 0.006)), 0.62 - 0.2 * now.child, 0.008)
        bag = spline(at([(-0.85 * width, 1.5 * lower), (-0.1 * width, 2.75 * lower), (0.9 * width, 1.7 * lower)]))
        face.shade(ribbon(bag, (0.004, 0.03, 0.006)), 0.12 + 0.06 * now.settled + 0.62 * now.wrinkles, 0.01)
        if now.sag > 0.05:
            hood = np.concatenate([crease, lid_line[::-1]])
            face.shade(hood, 0.3 * now.sag, 0.015)
        eye = face.fill(
            shape,
            mix((242, 238, 234), (226, 214, 198), now.sag),
            label=Label.RIGHT_EYE if side > 0 else Label.LEFT_EYE,
        )
        ball = face.within(face.canvas.cover(eye))
        radius = 0.079 * (1 + 0.16 * now.child)
        iris = middle + (0.02 * face.head.pose.turn, -0.016 - 0.004 * now.child)
        ball.fill(ellipse(iris, (radius, radius)), np.array(identity.iris) * 0.5)
        ball.fill(ellipse(iris, (radius * 0.84, radius * 0.84)), mix(identity.iris, (150, 150, 150), 0.12 * now.sag))
        ball.fill(
            ellipse(iris + (0, 0.5 * radius), (radius * 0.55, radius * 0.4)),
            np.array(identity.iris) * 1.25 + 14,
            0.6,
            0.012,
        )
        ball.fill(ellipse(iris, (0.44 * radius, 0.44 * radius)), (14, 11, 12))
        ball.shade(ribbon(lid_line, 0.06), 0.75, 0.012)
        ball.fill(
            ellipse(
                iris + (0.3 * radius * np.sign(face.head.pose.light + 0.01), -0.36 * radius),
                (0.2 * radius, 0.2 * radius),
            ),
            (255, 255, 255),
            0.95,
        )
        thick = (0.016 + 0.014 * female * now.mature) * (1 - 0.25 * now.sag)
        face.fill(ribbon(lid_line + (0, -0.003), (0.004, thick, thick, thick * 1.15, 0.004)), lash, 0.95)
        if female and now.mature > 0.2:
            wing = spline(
                at(
                    [
                        (0.75 * width, -0.55 * upper - slant),
                        (1.0 * width, -0.25 * upper - slant),
                        (1.17 * width, -0.62 * upper - slant),
                    ]
                )
            )
            face.fill(ribbon(wing, (0.018, 0.016, 0.0)), lash, 0.8 * now.mature)
        face.fill(ribbon(rim_line, (0.003, 0.008, 0.006, 0.003)), mix(lash, skin, 0.45), 0.75)
        face.fill(ellipse(at([(-width * 0.96, 0.014)])[0], (0.013, 0.012), 10), (206, 138, 128), 0.7)


def paint_brows(face: Painter) -> None:
    """Paints brows: light and thin on children, bushy and grey on old men."""
    identity, now = face.head.identity, face.head.stage
    male = identity.gender == "male"
    color = mix(np.array(identity.hair) * 0.78, (178, 174, 170), 0.7 * now.grey)
    thick = (0.05 + 0.018 * identity.brow_thickness + (0.016 if male else -0.008) * now.mature) * (
        0.72 + 0.28 * now.mature
    )
    y = (
        -0.205
        - 0.03 * identity.brow_height
        - (0.025 if not male else 0.0) * now.mature
        - 0.02 * now.child
        + 0.02 * now.sag
    )
    arch = 0.05 + 0.03 * identity.brow_arch + (0.015 if not male else -0.01) * now.mature - 0.015 * now.sag
    for side in SIDES:
        x = face.head.eyes + np.array((-0.185, -0.07, 0.07, 0.2))
        line = spline(
            np.stack(
                [side * x, y + np.array((0.03 * now.mature, -0.35 * arch, -arch, 0.012 + 0.03 * now.sag))], axis=1
            )
        )
        face.fill(
            ribbon(line, (thick * 0.75, thick, thick * 0.85, 0.012)),
            color,
            (0.36 + 0.54 * now.mature) * (1 - 0.25 * now.sag * (not male)),
            0.008,
            Label.RIGHT_BROW if side > 0 else Label.LEFT_BROW,
        )


def paint_nose(face: Painter) -> None:
    """Paints the bridge's light and shadow, the tip, the wings and the nostrils."""
    identity, now, light = face.head.identity, face.head.stage, face.head.pose.light
    male = identity.gender == "male"
    half = (
        0.152
        * (1 + 0.17 * identity.nose_width)
        * (1 - 0.12 * now.child)
        * (1 + (0.07 if male else -0.03) * now.mature + 0.08 * now.sag)
    )
    base = face.head.nose_y
    away = -1 if light > 0 else 1
    shape = spline(
        np.array(
            [
                (0.05, -0.04),
                (0.055, 0.18),
                (half * 0.82, base - 0.11),
                (half, base - 0.04),
                (half * 0.72, base + 0.015),
                (0.04, base + 0.03),
            ]
        )
    )
    face.canvas.label(face.patch(np.concatenate([shape, mirror(shape)[::-1]])), Label.NOSE)
    strength = 0.55 + 0.45 * now.mature
    flank = spline(
        np.array(
            [
                (away * 0.085, -0.1),
                (away * 0.075, 0.12),
                (away * half * 0.72, base - 0.12),
                (away * half * 0.9, base - 0.02),
            ]
        )
    )
    face.shade(ribbon(flank, (0.05, 0.055, 0.07, 0.05)), 0.55 * strength, 0.025)
    face.shade(ribbon(flank * (-1, 1), (0.03, 0.04, 0.05, 0.03)), 0.22 * strength, 0.025)
    face.shade(
        ribbon(np.array([(-away * 0.012, -0.08), (-away * 0.012, 0.1), (0.0, base - 0.12)]), (0.03, 0.035, 0.05)),
        0.75 * strength,
        0.016,
        LIGHT,
    )
    tip = 0.075 * (1 + 0.16 * identity.nose_tip)
    face.shade(ellipse((0, base - 0.075), (tip, tip * 0.85)), 0.6, 0.03, LIGHT)
    face.shade(ellipse((0, base + 0.035), (half * 0.75, 0.03)), 0.5, 0.02)
    for side in SIDES:
        wing = spline(
            np.array(
                [
                    (half * 0.78, base - 0.105),
                    (half * 1.0, base - 0.05),
                    (half * 0.86, base + 0.008),
                    (half * 0.6, base + 0.012),
                ]
            )
        ) * (side, 1)
        face.shade(ribbon(wing, (0.004, 0.022, 0.02, 0.004)), 0.72 * strength + 0.1, 0.007)
        hole = ellipse((side * half * 0.48, base + 0.002), (half * 0.24, 0.02 + 0.004 * male))
        face.fill(hole, skin_color(face.head) * (0.36, 0.24, 0.22), 0.85, 0.006)
    under = spline(np.array([(-half * 0.3, base + 0.012), (0, base + 0.028), (half * 0.3, base + 0.012)]))
    face.shade(ribbon(under, (0.004, 0.014, 0.004)), 0.6, 0.005)
    face.shade(
        [np.array([(-0.022, base + 0.06), (0.022, base + 0.06), (0.03, base + 0.17), (-0.03, base + 0.17)])],
        0.22,
        0.012,
    )


def paint_mouth(face: Painter) -> None:
    """Paints the lips, and teeth if the smile is wide."""
    identity, now, smile = face.head.identity, face.head.stage, face.head.pose.smile
    female = identity.gender == "female"
    y = face.head.mouth_y
    half = 0.235 * (1 + 0.09 * identity.mouth_width) * (1 - 0.12 * now.child) * (1 + 0.12 * smile)
    full = (1 + 0.2 * identity.lip_fullness) * (1 - 0.42 * now.sag) * (1 + (0.12 if female else -0.1) * now.mature)
    corner = y - 0.055 * smile + 0.02 * now.sag
    opened = 0.05 * max(0.0, smile - 0.7) / 0.3
    skin = skin_color(face.head)
    color = mix(
        skin * (0.94, 0.68, 0.66),
        (188, 62, 72),
        (0.12 + 0.1 * identity.lip_color) + 0.22 * female * now.mature * (1 - 0.5 * now.sag),
    )
    color = mix(color, skin * (0.88, 0.72, 0.68), 0.5 * now.sag)
    top = spline(
        np.array(
            [
                (-half, corner),
                (-0.45 * half, y - 0.052 * full),
                (-0.15 * half, y - 0.068 * full),
                (0, y - 0.05 * full),
                (0.15 * half, y - 0.068 * full),
                (0.45 * half, y - 0.052 * full),
                (half, corner),
            ]
        )
    )
    line = spline(
        np.array([(-half, corner), (-0.5 * half, y + 0.004), (0, y + 0.012), (0.5 * half, y + 0.004), (half, corner)])
    )
    below = line + np.stack([np.zeros(len(line)), opened * np.sin(np.linspace(0, np.pi, len(line)))], axis=1)
    low = spline(
        np.array(
            [
                (-half, corner),
                (-0.55 * half, y + 0.06 * full),
                (0, y + 0.1 * full),
                (0.55 * half, y + 0.06 * full),
                (half, corner),
            ]
        )
    )
    low = low + np.stack([np.zeros(len(low)), opened * np.sin(np.linspace(0, np.pi, len(low)))], axis=1)
    face.fill(np.concatenate([top, line[::-1]]), color * 0.88, label=Label.UPPER_LIP, blur=0.004)
    face.fill(np.concatenate([below, low[::-1]]), color, label=Label.LOWER_LIP, blur=0.004)
    shine = spline(
        np.array(
            [
                (-0.35 * half, y + 0.055 * full + opened),
                (0, y + 0.065 * full + opened),
                (0.35 * half, y + 0.055 * full + opened),
            ]
        )
    )
    face.shade(ribbon(shine, (0.0, 0.026, 0.0)), 0.9, 0.01, LIGHT)
    if opened > 0.004:
        inside = face.fill(np.concatenate([line, below[::-1]]), (92, 32, 34), label=Label.MOUTH)
        if now.age > 1:
            teeth = np.concatenate([line * (0.86, 1), (mix(line, below, 0.72) * (0.8, 1))[::-1]])
            face.within(face.canvas.cover(inside)).fill(teeth, mix((244, 240, 234), (226, 212, 184), now.sag), 0.95)
    face.fill(ribbon(line, (0.006, 0.017, 0.014, 0.017, 0.006)), skin * (0.42, 0.26, 0.26), 0.8, 0.003)
    for side in SIDES:
        face.shade(ellipse((side * half * 1.04, corner), (0.022, 0.026)), 0.4 + 0.25 * smile, 0.012)


def paint_glasses(painter: Painter) -> None:
    """Paints frames and lenses; both are labelled as glasses."""
    identity, head = painter.head.identity, painter.head
    if not identity.glasses or head.stage.age < 7:
        return
    dark = (46, 38, 40) if identity.index % 2 else (104, 70, 44)
    width, height = 0.215, 0.165 if identity.glasses == 1 else 0.14
    power = 2.3 if identity.glasses == 1 else 4.0
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    rim = np.stack(
        [
            np.sign(cosine) * np.abs(cosine) ** (2 / power) * width,
            np.sign(sine) * np.abs(sine) ** (2 / power) * height,
        ],
        axis=1,
    )
    for side in SIDES:
        lens = rim + (side * (head.eyes + 0.01), 0.02)
        painter.fill(lens, (235, 242, 250), 0.10, label=Label.GLASSES)
        ring = ribbon(np.concatenate([lens, lens[:2]]), 0.026)
        painter.fill(ring, dark, label=Label.GLASSES)
        painter.fill(
            ribbon(np.array([(side * (head.eyes + width), -0.02), (side * 0.70, -0.05)]), 0.024),
            dark,
            label=Label.GLASSES,
        )
    bridge = spline(np.array([(-head.eyes + width - 0.01, 0.0), (0, -0.04), (head.eyes - width + 0.01, 0.0)]))
    painter.fill(ribbon(bridge, 0.024), dark, label=Label.GLASSES)
