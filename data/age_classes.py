"""Age clusters, anchor classes, and where an age in years lies between them (docs/method.md, Ages)."""

import re
from collections.abc import Sequence

from util.errors import UserError

CLUSTERS = ("0-2", "3-6", "7-9", "10-14", "15-19", "20-29", "30-39", "40-49", "50-69", "70-120")
ANCHORS = ("0-2", "3-6", "7-9", "15-19", "30-39", "50-69")
OLDEST = 120


def age_range(name: str) -> tuple[int, int]:
    """First and last year of a class called like '15-19'.

    Raises:
        UserError: the name is no range of years.
    """
    match = re.fullmatch(r"(\d+)-(\d+)", name)
    if not match or int(match[1]) > int(match[2]):
        raise UserError(f"class '{name}' is no range of years such as 15-19, which ages in years need")
    return int(match[1]), int(match[2])


def centre(name: str) -> float:
    """The middle of a class in years: 17.5 for 15-19, since one is 19 until the 20th birthday."""
    low, high = age_range(name)
    return (low + high + 1) / 2


def position(age: float, anchors: Sequence[str]) -> float:
    """Where an age lies between the anchors: 0 up to the first one's centre, len(anchors) - 1 from the last one's.

    Centres lie on whole numbers. Between them the position grows smoothly and never turns back (PCHIP), so that a
    series of even steps in years has no sudden change of pace at an anchor.

    Raises:
        UserError: the age is not within 0 to 120, or the anchors are no ranges of years in ascending order.
    """
    # Importing scipy.interpolate takes 0.4 seconds, which only users of --ages should wait.
    from scipy.interpolate import PchipInterpolator

    if not 0 <= age <= OLDEST:
        raise UserError(f"--ages: {age:g} is not an age from 0 to {OLDEST}")
    centres = [centre(name) for name in anchors]
    if centres != sorted(set(centres)):
        raise UserError(f"--sort_order: {','.join(anchors)} is not in ascending order, which ages in years need")
    if age >= centres[-1]:
        return float(len(centres) - 1)
    return float(PchipInterpolator(centres, range(len(centres)))(age)) if age > centres[0] else 0.0
