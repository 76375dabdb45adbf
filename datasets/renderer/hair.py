"""Paints hair and hats, in face units (head.py)."""

import numpy as np

from data.masking import Label
from datasets.renderer.canvas import Patch, ellipse, mirror, ribbon, spline
from datasets.renderer.head import Head
from datasets.renderer.painter import SHADOW, SIDES, Painter, mix

_GREY = (186, 184, 181)
# Hair of at least this Stage.hair_length shows its style. A one-year-old's hair already does.
_STYLED = 0.16
# Where the locks of a style end on a grown head. Other styles have no locks.
_ENDS = {"long": 1.75, "wavy": 1.55, "bob": 0.92}
_VOLUME = {
    "short": 0.05,
    "side": 0.08,
    "curly": 0.11,
    "crop": 0.015,
    "long": 0.06,
    "bob": 0.09,
    "wavy": 0.1,
    "bun": 0.03,
    "pixie": 0.06,
}


def paint_hair_behind(painter: Painter) -> None:
    """Paints what lies behind the head and the neck: the back of long hair, and a bun."""
    identity, now = painter.head.identity, painter.head.stage
    if identity.hair_style == "bun" and now.hair_length > _STYLED:
        # A child's skull reaches high into the frame; a higher bun would be cut off.
        size = 0.21 * now.hair_length
        _brush(painter, painter.patch(ellipse((0.0, -1.04), (size * 1.2, size)), 0.006))
    end = _end(painter.head)
    if end is None:
        return
    width = 0.66 + 0.6 * _volume(painter.head)
    half = spline(
        np.array(
            [
                (0, -0.5),
                (width, -0.3),
                (width * 1.02, 0.4),
                (width * 0.98, max(0.5, end - 0.15)),
                (0.7 * width, end),
                (0, end),
            ]
        )
    )
    patch = painter.patch(np.concatenate([half, mirror(half)[::-1]]), 0.01)
    _brush(painter, patch)
    painter.canvas.shade(patch, SHADOW, 0.8)


def paint_hair(painter: Painter) -> None:
    """Paints the hair on the skull down to the hairline, locks beside the face, and a fringe."""
    head = painter.head
    identity, now = head.identity, head.stage
    shapes = [_cap(head)]
    end = _end(head)
    if end is not None:
        shapes += [_lock(head, end, side) for side in SIDES]
    if identity.bangs and now.hair_length > _STYLED:
        shapes.append(_fringe(head))
    elif identity.hair_style in ("side", "bob", "long", "pixie") and now.hair_length > _STYLED:
        shapes.append(_sweep(head))
    # Hair casts a soft shadow on the forehead.
    painter.shade([shape + (0, 0.035) for shape in shapes], 0.32 * now.hair_length, 0.03)
    patch = painter.patch(shapes, 0.008 + 0.006 * (1 - now.hair_length))
    thin = 1 - 0.35 * now.sag * identity.balding
    _brush(painter, patch, (0.55 + 0.45 * now.hair_length) * thin)


def paint_hat(painter: Painter, color: np.ndarray) -> None:
    """Paints a woollen hat."""
    half = spline(
        np.array([(0, -1.32), (0.5, -1.2), (0.76, -0.86), (0.79, -0.5), (0.76, -0.42), (0.4, -0.5), (0, -0.53)])
    )
    patch = painter.fill(np.concatenate([half, mirror(half)[::-1]]), color, label=Label.HAT)
    brim = spline(np.array([(-0.8, -0.5), (-0.4, -0.6), (0, -0.63), (0.4, -0.6), (0.8, -0.5)]))
    painter.fill(ribbon(brim, 0.2), color * 0.86, label=Label.HAT)
    knit = painter.within(painter.canvas.cover(patch))
    for x in np.linspace(-0.75, 0.75, 13):
        knit.shade(ribbon(np.array([(x * 0.5, -1.3), (x * 0.95, -0.9), (x, -0.45)]), 0.02), 0.4, 0.01)


def _volume(head: Head) -> float:
    identity, now = head.identity, head.stage
    volume = _VOLUME[identity.hair_style] * (1 + 0.35 * identity.hair_volume)
    return volume * (0.05 + 0.95 * now.hair_length) * (1 - 0.8 * now.recede)


def _end(head: Head) -> float | None:
    """Where locks end, or None if there are none."""
    target = _ENDS.get(head.identity.hair_style)
    if target is None or head.stage.hair_length < _STYLED:
        return None
    target = 0.75 + (target - 0.75) * (1 - 0.5 * head.stage.sag)
    return 0.15 + (target - 0.15) * head.stage.hair_length


def _cap(head: Head) -> np.ndarray:
    """The hair on the skull, between its outer outline and the hairline."""
    identity, now = head.identity, head.stage
    volume, width = _volume(head), 1 + 0.05 * identity.head_width
    top = -1.02 - 0.03 * identity.forehead
    outer = spline(
        np.array(
            [
                (0.69, 0.12),
                (0.71 + 0.7 * volume, -0.1),
                (0.70 + volume, -0.42),
                (0.60 + volume, -0.74),
                (0.36 + 0.7 * volume, top + 0.05 - volume),
                (0, top - 0.01 - 1.2 * volume),
            ]
        )
    )
    if identity.hair_style in ("curly", "wavy"):
        bumps = 0.018 * np.sin(np.linspace(0, 23, len(outer)) + identity.index)
        outer = outer * (1 + bumps[:, None] * now.hair_length)
    line = np.array([(0.66, 0.14), (0.635, -0.1), (0.60, -0.32), (0.50, -0.50), (0.27, -0.63), (0, -0.665)])
    line[:, 1] += np.array([0, 0, -0.07, -0.3, -0.42, -0.36]) * now.recede
    line[:, 1] += np.array([0, -0.02, -0.06, -0.1, -0.1, -0.1]) * (1 - now.hair_length)
    line[:, 1] += np.array([0, 0, 0.0, 0.03, 0.03, 0.02]) * (identity.gender == "female") - 0.03 * identity.forehead
    if identity.hair_style != "long":
        line[:2, 1] -= 0.08 * (identity.gender == "female")
    hairline = spline(line)
    hairline[:, 1] = np.maximum(hairline[:, 1], top - 0.005 - 0.4 * volume)
    right = np.concatenate([outer, hairline[::-1]]) * (width, 1)
    # One polygon covers both sides: up on the right, down on the left, and back along the hairline.
    return np.concatenate(
        [outer * (width, 1), mirror(outer * (width, 1))[::-1], mirror(hairline * (width, 1)), right[len(outer) :]]
    )


def _lock(head: Head, end: float, side: int) -> np.ndarray:
    """The hair that falls beside the face."""
    identity = head.identity
    volume, width = _volume(head), 1 + 0.05 * identity.head_width
    outer = spline(
        np.array(
            [
                (0.56, -0.62),
                (0.70 + volume, -0.3),
                (0.73 + 1.2 * volume, 0.2),
                (0.74 + 1.3 * volume, 0.6 * end + 0.1),
                (0.68 + volume, end),
            ]
        )
    )
    inner = spline(np.array([(0.56, end - 0.02), (0.58, 0.6 * end + 0.1), (0.635, 0.2), (0.62, -0.15), (0.5, -0.55)]))
    if identity.hair_style == "wavy":
        outer[:, 0] += 0.035 * np.sin(outer[:, 1] * 9 + identity.index)
        inner[:, 0] += 0.025 * np.sin(inner[:, 1] * 9 + identity.index + 1)
    return np.concatenate([outer, inner]) * (side * width, 1)


def _fringe(head: Head) -> np.ndarray:
    """The bangs over the forehead."""
    low = -0.33 - 0.12 * (1 - head.stage.hair_length)
    half = spline(
        np.array(
            [
                (0, -0.95),
                (0.45, -0.85),
                (0.63, -0.5),
                (0.6, low + 0.06),
                (0.42, low + 0.01),
                (0.2, low - 0.01),
                (0, low - 0.015),
            ]
        )
    )
    return np.concatenate([half, mirror(half)[::-1]])


def _sweep(head: Head) -> np.ndarray:
    """The hair that is combed from the parting to the other side of the forehead."""
    identity, now = head.identity, head.stage
    part = 0.36 * (1 if identity.parting > 0 else -1)
    lift = 0.26 * now.recede
    toward = -np.sign(part)
    shape = np.array(
        [
            (part, -0.92),
            (part * 0.9, -0.70 - lift),
            (part * 0.2, -0.56 - lift),
            (toward * 0.3, -0.5 - lift),
            (toward * 0.58, -0.34 - 0.3 * lift),
            (toward * 0.63, -0.55),
            (toward * 0.4, -0.9),
        ]
    )
    return spline(shape, closed=True)


def _brush(painter: Painter, patch: Patch, opacity: float = 1.0) -> None:
    """Paints hair with shine and with strands that fall from the crown in parabolas."""
    head, canvas = painter.head, painter.canvas
    identity, now = head.identity, head.stage
    if not patch.alpha.size:
        return
    rng = np.random.default_rng((identity.index, 3))
    rows, columns = np.mgrid[patch.rows, patch.columns].astype(np.float32)
    offset = (np.stack([columns, rows], axis=-1) + 0.5) / canvas.size - (0.5 + np.array(head.pose.shift))
    x, y = np.moveaxis(offset @ head.rotation / head.scale + head.center, -1, 0)
    crown = 0.3 * identity.parting
    strand = (x - crown) / np.sqrt(0.12 + np.maximum(0, y + 1.15))
    if identity.hair_style in ("curly", "wavy"):
        strand = strand + 0.07 * np.sin(9 * y + 7 * x)
    table = np.linspace(-2.5, 2.5, 260)
    noise = 0.6 * _smooth_noise(rng, 260, 2) + 0.6 * _smooth_noise(rng, 260, 7)
    tone = np.interp(strand, table, noise)
    shine = np.exp(-(((np.hypot(x - crown * 0.5 - 0.2 * head.pose.light, y + 1.0) - 0.42) / 0.15) ** 2))
    # Some strands lose their colour before others.
    early = 0.16 * np.interp(strand, table, noise[::-1]) * np.sin(np.pi * now.grey)
    grey = np.clip(now.grey + early, 0, 1)
    young = mix(identity.hair, (214, 190, 160), 0.3 * (1 - now.hair_length))
    color = young + grey[..., None] * (np.array(_GREY) - young)
    color = (
        color
        * (
            1
            + (0.17 - 0.07 * now.grey) * tone
            + (0.26 - 0.12 * now.grey) * shine
            - 0.1 * np.clip(y - 0.2, 0, 1)
            - 0.07 * x * head.pose.light
        )[..., None]
    )
    canvas.paint(patch, np.clip(color, 0, 255).astype(np.float32), opacity)
    canvas.label(patch, Label.HAIR)


def _smooth_noise(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    noise = np.convolve(rng.normal(0, 1, count + width - 1), np.ones(width) / width**0.5, "valid")
    return np.clip(noise, -2, 2)
