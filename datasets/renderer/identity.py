"""Who a drawn person is: everything that stays the same from birth to old age."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Gender = Literal["male", "female"]
Color = tuple[float, float, float]

MALE_STYLES = ("short", "side", "curly", "crop")
FEMALE_STYLES = ("long", "bob", "wavy", "bun", "pixie")

# Skin colours from light to dark, hair colours and iris colours; RGB, 0 to 255.
_SKIN = ((247, 216, 194), (238, 196, 166), (222, 173, 137), (193, 138, 100), (150, 99, 68), (104, 67, 47))
_HAIR = ((38, 28, 24), (66, 44, 30), (104, 68, 40), (148, 102, 58), (205, 166, 106), (150, 70, 36))
_IRIS = ((74, 46, 26), (110, 72, 38), (92, 116, 70), (84, 122, 150), (104, 140, 172), (96, 104, 108))


@dataclass(frozen=True)
class Identity:
    """One person. Shape parameters are deviations from the average, about -1 to 1, unless listed with another range.

    Attributes:
        index: the person's number in the population; it also seeds skin marks, wrinkles, strands and poses.
        skin, hair, iris: RGB colours, 0 to 255; `hair` before any greying.
        undertone: how red the skin is.
        hair_style: one of `MALE_STYLES` or `FEMALE_STYLES`.
        parting: where the hair is parted, -1 left to 1 right.
        bangs: whether a fringe covers the forehead.
        balding: 0 to 1, how far a man's hairline has gone back in old age.
        grey_onset: the age in years around which the hair loses its colour.
        beard: 0 to 1, how full a grown man's beard is.
        freckles: 0 to 1.
        mole: its place (x, y) in face units (head.py), or None.
        glasses: 0 none, 1 round, 2 square.
        wrinkling: a factor on wrinkles, about 1.
    """

    index: int
    gender: Gender
    skin: Color
    undertone: float
    hair: Color
    iris: Color
    head_width: float
    jaw_width: float
    chin_length: float
    cheeks: float
    forehead: float
    eye_spacing: float
    eye_size: float
    eye_slant: float
    eye_height: float
    brow_thickness: float
    brow_arch: float
    brow_height: float
    nose_width: float
    nose_length: float
    nose_tip: float
    mouth_width: float
    lip_fullness: float
    lip_color: float
    ear_size: float
    hair_style: str
    hair_volume: float
    parting: float
    bangs: bool
    balding: float
    grey_onset: float
    beard: float
    freckles: float
    mole: tuple[float, float] | None
    glasses: int
    earrings: bool
    wrinkling: float


def sample_identity(seed: int, index: int) -> Identity:
    """Person `index` of the population `seed`; even numbers are male, odd ones female."""
    rng = np.random.default_rng((seed, index, 0x11FE))
    male = index % 2 == 0

    def deviation() -> float:
        return float(np.clip(rng.normal(0, 0.5), -1, 1))

    tone = rng.random() ** 1.25 * (len(_SKIN) - 1)
    # People with dark skin mostly have dark hair and eyes.
    lightness = 1 - tone / (len(_SKIN) - 1)
    hair = rng.choice(len(_HAIR), p=_normalized((2.0, 2.0, *(np.array((2.0, 2.0, 2.2, 1.0)) * lightness**2))))
    iris = rng.choice(len(_IRIS), p=_normalized((2.0, 1.5, *(np.array((1.5, 2.0, 1.8, 1.2)) * lightness**2.5))))
    styles = MALE_STYLES if male else FEMALE_STYLES
    return Identity(
        index=index,
        gender="male" if male else "female",
        skin=_between(_SKIN, tone),
        undertone=deviation(),
        hair=_vary(rng, _HAIR[hair]),
        iris=_vary(rng, _IRIS[iris]),
        head_width=deviation(),
        jaw_width=deviation(),
        chin_length=deviation(),
        cheeks=deviation(),
        forehead=deviation(),
        eye_spacing=deviation(),
        eye_size=deviation(),
        eye_slant=deviation(),
        eye_height=deviation(),
        brow_thickness=deviation(),
        brow_arch=deviation(),
        brow_height=deviation(),
        nose_width=deviation() + 0.5 * (0.5 - lightness),
        nose_length=deviation(),
        nose_tip=deviation(),
        mouth_width=deviation(),
        lip_fullness=deviation() + 0.6 * (0.5 - lightness),
        lip_color=deviation(),
        ear_size=deviation(),
        hair_style=str(rng.choice(styles)),
        hair_volume=deviation(),
        parting=float(rng.uniform(-0.8, 0.8)),
        bangs=bool(not male and rng.random() < 0.35),
        balding=float(rng.random()) if male else 0.0,
        # Between 45 and 65 years, people have about a quarter grey hair (Panhard, Lozano and Loussouarn 2012).
        grey_onset=float(rng.uniform(56, 64)),
        beard=float(max(0.0, rng.uniform(-0.8, 1))) if male else 0.0,
        freckles=float(max(0.0, rng.uniform(-1.5, 1)) * lightness),
        mole=(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.15, 0.85))) if rng.random() < 0.3 else None,
        glasses=int(rng.choice(3, p=(0.84, 0.08, 0.08))),
        earrings=bool(not male and rng.random() < 0.3),
        wrinkling=float(rng.uniform(0.8, 1.2)),
    )


def _normalized(weights: tuple[float, ...]) -> np.ndarray:
    return np.array(weights) / sum(weights)


def _between(colors: tuple[Color, ...], position: float) -> Color:
    below = min(int(position), len(colors) - 2)
    mixed = np.array(colors[below]) + (position - below) * (np.array(colors[below + 1]) - np.array(colors[below]))
    return _color(mixed)


def _vary(rng: np.random.Generator, color: Color) -> Color:
    return _color(np.clip(np.array(color) * rng.uniform(0.85, 1.15) + rng.normal(0, 4, 3), 8, 245))


def _color(values: np.ndarray) -> Color:
    return float(values[0]), float(values[1]), float(values[2])
