"""Scores a model on people whose true pictures at every age are known."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag

from data.classes import find_classes, keep_pairs
from evaluation.candidate import Candidate
from evaluation.intervals import Figure, mean_over_people
from evaluation.metrics import estimated_age, l1, nearest, psnr, sharpness, ssim
from evaluation.pages import best_median_worst, chart_over_ages, save_picture, table_text, write_report
from evaluation.pasted import pasted_l1
from evaluation.people import Person, read_people, read_training_people
from models.age_code import anchor_blends, traversal_blends
from util.errors import UserError
from util.html import Picture, picture_table
from util.progress import progress

logger = logging.getLogger(__name__)

_FEW_PEOPLE = 50

# The number of a person -> pictures of that person by input and target class, (C, C, H, W, 3) uint8.
PicturesOf = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Scores:
    """Scores of pictures by person, input class and target class: each (people, C, C) float64.

    Attributes:
        l1, psnr, ssim: closeness to the true picture inside the head (0 to 1; dB; at most 1).
        sharpness: differences between neighbouring pixels inside the head, as a share of the true picture's.
        age_accuracy: 1 if the person's true picture that is nearest is that of the target class, else 0.
        estimated_age: years.
        age_error: years between the estimated age and the centre of the target class.
        identity: 1 if the nearest of all people's true pictures at the target class is this person's, else 0.
    """

    l1: np.ndarray
    psnr: np.ndarray
    ssim: np.ndarray
    sharpness: np.ndarray
    age_accuracy: np.ndarray
    estimated_age: np.ndarray
    age_error: np.ndarray
    identity: np.ndarray


def evaluate_people(
    candidate: Candidate, *, root: Path, phase: str, most: float, most_training: int, steps: int, folder: Path
) -> int:
    """Scores a model on the people of a data set, beside three baselines, and writes the report; returns 0.

    Args:
        candidate: the model.
        root, phase: the data set, and the prefix of the class folders of the people to score.
        most, most_training: at most so many people are scored, and compared with; 0 leaves that baseline out.
        steps: a traversal takes so many from one class to the next.
        folder: of the report.

    Raises:
        UserError: the classes are not in ascending order, or there are fewer than two people.
    """
    names, ages = list(candidate.ages), list(candidate.ages.values())
    if ages != sorted(set(ages)):
        raise UserError(f"--sort_order {','.join(names)}: must be in ascending order of age")
    if not root.is_dir():
        raise UserError(f"--paired {root}: no such folder; make one with datasets/synthesize.py --paired")
    classes = keep_pairs(find_classes(root, phase, names))
    people = read_people(classes, candidate.to_model_size, most)
    if len(people) < 2:
        raise UserError(f"--paired {root}: at least two people are needed to tell apart; add some to the data set")
    if len(people) < _FEW_PEOPLE:
        logger.warning("identity is easy to tell among %d people: compare it only with as many", len(people))
    training = read_training_people(root, names, candidate.to_model_size, most=most_training, like=people[0])
    compared = _compared(candidate, people, training)
    scores = {row: score(people, ages, pictures_of) for row, pictures_of in compared.items()}
    blends = traversal_blends(len(ages), 1 / steps)
    series = {row: crossfade(pictures_of, blends.numpy()) for row, pictures_of in compared.items()}
    # The model makes real series, each person's from another input class in turn.
    series[candidate.name] = lambda n: candidate.frames(people[n].truths[n % len(ages)], blends, (n, n % len(ages)))
    table = {row: figures(of_row, monotone_steps(people, ages, series[row])) for row, of_row in scores.items()}
    for row, row_of in _in_turn(candidate, people, compared).items():
        if (samples := pasted_l1(people, candidate.to_model_size, row_of)) is not None:
            table[row]["l1_pasted"] = mean_over_people(samples)
    details = {"pairs": {row: _by_pair(of_row, names) for row, of_row in scores.items()}}
    body = _curves(candidate.ages, scores[candidate.name])
    body += _examples(folder, names, people, scores[candidate.name], compared[candidate.name])
    facts = {**candidate.facts(root), "people": len(people)}
    title = f"{candidate.name}: evaluation on true pictures"
    write_report(folder, title, facts, table=table, details=details, body=body)
    logger.info("%s", table_text(table))
    logger.info("%d people scored; report in %s", len(people), folder / "index.html")
    return 0


def score(people: Sequence[Person], ages: Sequence[float], pictures_of: PicturesOf) -> Scores:
    """Scores of pictures of everybody, for each pair of input and target class."""
    pools = [np.stack([person.truths[target] for person in people]) for target in range(len(ages))]

    def of_picture(picture: np.ndarray, number: int, target: int) -> tuple[float, ...]:
        person = people[number]
        truth, head, age = person.truths[target], person.heads[target], estimated_age(picture, person.truths, ages)
        return (
            l1(picture, truth, head),
            psnr(picture, truth, head),
            ssim(picture, truth, head),
            sharpness(picture, truth, head),
            nearest(picture, person.truths) == target,
            age,
            abs(age - ages[target]),
            nearest(picture, pools[target]) == number,
        )

    rows = [
        [[of_picture(picture, number, target) for target, picture in enumerate(made)] for made in pictures_of(number)]
        for number in progress(range(len(people)), desc="scoring", unit="person", leave=False)
    ]
    return Scores(*np.moveaxis(np.array(rows, dtype=np.float64), -1, 0))


def monotone_steps(
    people: Sequence[Person], ages: Sequence[float], series: Callable[[int], np.ndarray]
) -> np.ndarray:
    """(people,): the share of steps in each person's series, oldest last, that do not make the person younger."""
    shares = []
    for number, person in enumerate(progress(people, desc="traversing", unit="person", leave=False)):
        estimates = [estimated_age(picture, person.truths, ages) for picture in series(number)]
        shares.append(np.mean(np.diff(estimates) >= 0))
    return np.array(shares)


def nearest_training_person(people: Sequence[Person], training: Sequence[Person]) -> PicturesOf:
    """Pictures of the training person who looks most like the input at the input's class."""
    pools = np.stack([person.truths for person in training], axis=1)

    def pictures_of(number: int) -> np.ndarray:
        inputs = people[number].truths
        return np.stack([training[nearest(*pair)].truths for pair in zip(inputs, pools, strict=True)])

    return pictures_of


def crossfade(pictures_of: PicturesOf, blends: np.ndarray) -> Callable[[int], np.ndarray]:
    """A baseline has only one picture for each class, so its series fades from each picture into the next.

    Each person's series starts from another input class in turn.
    """

    def series(number: int) -> np.ndarray:
        pictures = pictures_of(number)
        return np.tensordot(blends, pictures[number % len(pictures)], 1).round().astype(np.uint8)

    return series


def figures(scores: Scores, monotone: np.ndarray) -> dict[str, Figure | None]:
    """The figures of a row: means over all people and pairs of classes."""
    # The mean of the estimated ages over all targets would say nothing.
    shown = {name: values for name, values in vars(scores).items() if name != "estimated_age"}
    by_person = {name: values.mean(axis=(1, 2)) for name, values in shown.items()}
    classes = np.arange(scores.l1.shape[1])
    apart = abs(classes[:, None] - classes) >= 2
    if apart.any():
        by_person["l1_two_or_more_apart"] = scores.l1[:, apart].mean(axis=1)
    by_person["monotone_steps"] = monotone
    return {name: mean_over_people(samples) for name, samples in by_person.items()}


def _compared(candidate: Candidate, people: Sequence[Person], training: Sequence[Person]) -> dict[str, PicturesOf]:
    """The rows of the table: the model, and the baselines it is compared with."""
    count = len(candidate.ages)
    blends = anchor_blends(count)

    def made(number: int) -> np.ndarray:
        truths = people[number].truths
        return np.stack([candidate.frames(truth, blends, (number, source)) for source, truth in enumerate(truths)])

    compared: dict[str, PicturesOf] = {
        candidate.name: made,
        "copy of the input": lambda number: people[number].truths[:, None].repeat(count, axis=1),
    }
    if training:
        compared["nearest training person"] = nearest_training_person(people, training)
    compared["truth"] = lambda number: people[number].truths[None].repeat(count, axis=0)
    return compared


def _in_turn(
    candidate: Candidate, people: Sequence[Person], compared: Mapping[str, PicturesOf]
) -> dict[str, PicturesOf]:
    """The rows' pictures of one input class only, another for each person in turn: each (C, H, W, 3) uint8."""
    count = len(candidate.ages)

    def made(number: int) -> np.ndarray:
        source = number % count
        return candidate.frames(people[number].truths[source], anchor_blends(count), (number, source))

    def chosen(pictures_of: PicturesOf) -> PicturesOf:
        return lambda number: pictures_of(number)[number % count]

    return {**{row: chosen(pictures_of) for row, pictures_of in compared.items()}, candidate.name: made}


def _by_pair(scores: Scores, names: Sequence[str]) -> dict[str, dict[str, float]]:
    return {
        f"{source} to {target}": {figure: float(values[:, s, t].mean()) for figure, values in vars(scores).items()}
        for s, source in enumerate(names)
        for t, target in enumerate(names)
    }


def _curves(ages: Mapping[str, float], scores: Scores) -> list[dom_tag]:
    charts = []
    for title, values, y_label in (
        ("Estimated age", scores.estimated_age, "estimated age, years"),
        ("L1", scores.l1, "L1"),
    ):
        by_input = zip(ages, values.mean(axis=0).tolist(), strict=True)
        curves = {f"from {name}": curve for name, curve in by_input}
        counts = {name: [len(values)] * len(ages) for name in curves}
        charts.append(
            chart_over_ages(f"{title} over target age", list(ages.values()), curves, y_label, counts=counts)
        )
    return charts


def _examples(
    folder: Path, names: Sequence[str], people: Sequence[Person], scores: Scores, pictures_of: PicturesOf
) -> list[dom_tag]:
    """The best, the median and the worst person: the true pictures, and a row of made ones for each input."""

    def row(person: Person, labels: Sequence[str], pictures: np.ndarray) -> list[Picture]:
        named = zip(labels, pictures, strict=True)
        return [save_picture(folder, f"{person.name}_{label}", pixels, label) for label, pixels in named]

    body: list[dom_tag] = []
    errors = scores.l1.mean(axis=(1, 2))
    for word, number in best_median_worst(errors).items():
        person = people[number]
        truths = row(person, [f"true {name}" for name in names], person.truths)
        rows = [[truths[0], *truths]]
        for source, truth, made in zip(names, truths, pictures_of(number), strict=True):
            rows.append([truth, *row(person, [f"{source} to {target}" for target in names], made)])
        body.append(tags.h2(f"{word}: {person.name}, L1 {errors[number]:.4f}"))
        body.append(picture_table(["input or truth", *names], rows))
    return body
