"""Age clusters, anchor classes, and the position of an age in years between them (docs/method.md, Ages)."""

import re
from collections.abc import Sequence

import numpy as np

from util.errors import UserError

CLUSTERS = ("0-2", "3-6", "7-9", "10-14", "15-19", "20-29", "30-39", "40-49", "50-69", "70-120")
ANCHORS = ("0-2", "3-6", "7-9", "15-19", "30-39", "50-69")
OLDEST = 120


def age_range(name: str) -> tuple[int, int]:
    """First and last year of a class with a name such as '15-19'.

    Raises:
        UserError: the name is not a range of years.
    """
    match = re.fullmatch(r"(\d+)-(\d+)", name)
    if not match or int(match[1]) > int(match[2]):
        raise UserError(f"--sort_order: class '{name}' is not a range of years such as 15-19, but ages need one")
    return int(match[1]), int(match[2])


def centre(name: str) -> float:
    """The middle of a class in years: 17.5 for 15-19, because people are 19 until their 20th birthday."""
    low, high = age_range(name)
    return (low + high + 1) / 2


def position(age: float, anchors: Sequence[str]) -> float:
    """The position of an age between the anchors, from 0 (the first centre) to len(anchors) - 1 (the last centre).

    Each centre has a whole number. Between centres the position is interpolated smoothly and monotonically (PCHIP),
    so that a series of equal steps in years does not change its pace suddenly at an anchor.

    Raises:
        UserError: the age is not from 0 to 120, or the anchors are not ranges of years in ascending order.
    """
    if not 0 <= age <= OLDEST:
        raise UserError(f"--ages: {age:g} is not an age from 0 to {OLDEST}")
    centres = _centres(anchors)
    if age >= centres[-1]:
        return float(len(centres) - 1)
    return float(_positions(age, centres)) if age > centres[0] else 0.0


def years(positions: Sequence[float], anchors: Sequence[str]) -> list[float]:
    """The ages that lie at positions between the anchors: the inverse of `position`, to 0.01 years.

    Raises:
        UserError: the anchors are not ranges of years in ascending order.
    """
    centres = _centres(anchors)
    if all(float(place).is_integer() for place in positions):
        return [centres[int(place)] for place in positions]
    ages = np.linspace(centres[0], centres[-1], 1 + round(100 * (centres[-1] - centres[0])))
    return np.interp(positions, _positions(ages, centres), ages).tolist()


def _centres(anchors: Sequence[str]) -> list[float]:
    centres = [centre(name) for name in anchors]
    if centres != sorted(set(centres)):
        raise UserError(f"--sort_order: {','.join(anchors)} is not in ascending order, as ages need it; reorder it")
    return centres


def _positions(ages: float | np.ndarray, centres: list[float]) -> np.ndarray:
    # Importing scipy.interpolate takes 0.4 seconds, so only users of ages should have to wait for it.
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(centres, range(len(centres)))(ages)
