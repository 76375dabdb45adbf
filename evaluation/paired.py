"""Scores of pictures of people whose true pictures at every age are known."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from evaluation.metrics import estimated_age, l1, nearest, psnr, ssim

# Person, input class, target class -> picture.
Maker = Callable[[int, int, int], np.ndarray]


@dataclass(frozen=True)
class Scores:
    """Means over people, of one pair of classes or of several.

    Attributes:
        l1, psnr, ssim: to the true picture, inside the head (0 to 1; dB; at most 1).
        age_accuracy: share whose nearest true picture of the same person is that of the target class.
        age_error: years between the estimated age and the target class's centre.
        identity: share whose nearest true picture among all people at the target class is the same person's.
    """

    l1: float
    psnr: float
    ssim: float
    age_accuracy: float
    age_error: float
    identity: float


@dataclass(frozen=True)
class Person:
    """A test person, as the model sees people.

    Attributes:
        truths: one true picture for each class, (C, H, W, 3) uint8, masked.
        heads: what of them is not masked, (C, H, W) bool.
    """

    name: str
    truths: np.ndarray
    heads: np.ndarray


def score(people: Sequence[Person], ages: Sequence[float], make: Maker) -> dict[tuple[int, int], Scores]:
    """Scores of pictures, for each pair of input and target class."""
    count = len(ages)
    pools = [np.stack([person.truths[target] for person in people]) for target in range(count)]
    scores = {}
    for source in tqdm(range(count), desc="scoring", unit="class", leave=False):
        for target in range(count):
            rows = []
            for number, person in enumerate(people):
                picture, truth, head = make(number, source, target), person.truths[target], person.heads[target]
                rows.append(
                    (
                        l1(picture, truth, head),
                        psnr(picture, truth, head),
                        ssim(picture, truth, head),
                        nearest(picture, person.truths) == target,
                        abs(estimated_age(picture, person.truths, ages) - ages[target]),
                        nearest(picture, pools[target]) == number,
                    )
                )
            scores[source, target] = Scores(*map(float, np.mean(rows, axis=0)))
    return scores


def monotone_steps(
    people: Sequence[Person], ages: Sequence[float], series: Callable[[int], Iterable[np.ndarray]]
) -> float:
    """Share of the steps of each person's series of pictures, oldest last, that do not make the person younger."""
    forward: list[bool] = []
    for number, person in enumerate(tqdm(people, desc="traversing", unit="person", leave=False)):
        estimates = [estimated_age(picture, person.truths, ages) for picture in series(number)]
        forward += list(np.diff(estimates) >= 0)
    return float(np.mean(forward))


def nearest_training_person(people: Sequence[Person], training: Sequence[Person]) -> Maker:
    """The training person who looks most like the input at its class, at the target class."""
    count = people[0].truths.shape[0]
    pools = [np.stack([person.truths[source] for person in training]) for source in range(count)]
    found = [
        [nearest(person.truths[source], pools[source]) for source in range(count)]
        for person in tqdm(people, desc="nearest training people", unit="person", leave=False)
    ]
    return lambda person, source, target: training[found[person][source]].truths[target]
