"""How age changes a head: the skull grows, and signs of maturity and old age appear."""

from dataclasses import dataclass

import numpy as np

from datasets.renderer.identity import Identity

_STRAIN_AT_BIRTH = -0.15
# The strain is measured from this point inside the skull, in face units (head.py).
_ORIGIN = np.array([0.0, -0.15])


@dataclass(frozen=True)
class Stage:
    """A person's state at an age in years; every other value except the strain is from 0 to 1.

    Attributes:
        strain: the parameter of `strain()`; negative until growth has ended.
        baby: the roundness of infancy.
        child: the large eyes, small nose and smooth features of childhood.
        mature: what puberty changes: jaw, brows, nose and beard.
        settled: the fuller jaw, neck and beard, and the first lines, of the years after puberty.
        wrinkles: folds and lines.
        sag: how far lids, cheeks and jowls hang.
        grey: the share of hair without colour.
        recede: how far the hairline has gone back.
        spots: how strong the spots of aged skin are.
        hair_length: the share of the style's length; infants' hair is short, but its style can be recognised.
    """

    age: float
    strain: float
    baby: float
    child: float
    mature: float
    settled: float
    wrinkles: float
    sag: float
    grey: float
    recede: float
    spots: float
    hair_length: float


def stage(identity: Identity, age: float) -> Stage:
    """The state of a person at an age from 0 to about 75 years."""
    recede = identity.balding * _smooth(age, 20, 62)
    return Stage(
        age=age,
        strain=_STRAIN_AT_BIRTH * float(np.exp(-((age / 7.5) ** 0.9))),
        baby=float(np.exp(-age / 2.6)),
        child=float(np.exp(-((age / 10) ** 1.5))),
        mature=_smooth(age, 9.5, 18.5),
        settled=_smooth(age, 17, 34),
        wrinkles=min(1.0, identity.wrinkling * (0.32 * _smooth(age, 20, 36) + 0.75 * _smooth(age, 36, 66))),
        sag=_smooth(age, 32, 68),
        grey=_smooth(age, identity.grey_onset - 20, identity.grey_onset + 14),
        recede=recede,
        spots=_smooth(age, 42, 70),
        hair_length=_smooth(age, -1.5, 8),
    )


def strain(points: np.ndarray, k: float) -> np.ndarray:
    """Applies the revised cardioidal strain (Todd, Mark, Shaw and Pittenger 1980): R' = R (1 + k (1 - cos t)).

    Args:
        points: (N, 2) of a grown head, in face units; t is their angle from the top of the skull.
        k: negative for younger heads; the lower a point lies, the more it then moves towards the skull's centre.

    Returns:
        (N, 2), the points of the younger head.
    """
    offset = points - _ORIGIN
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    cosine = np.divide(-offset[:, 1:2], radius, out=np.ones_like(radius), where=radius > 0)
    return _ORIGIN + offset * (1 + k * (1 - cosine))


def _smooth(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, and a smooth step between them."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)
