"""Scores a model on people known at every age, or on photos.

python evaluate.py --name demo_model --paired datasets/people
python evaluate.py --name females_model --photos photos.txt --in_the_wild
"""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from data.age_classes import centre
from data.classes import ClassImages, find_classes, keep_pairs
from data.masking import mask
from data.photo_list import find_photos, for_each_portrait
from data.portrait import Portrait, read_portrait
from data.transforms import Transform
from evaluation.fidelity import inception_distances
from evaluation.judge import Judge, JudgedPicture
from evaluation.pages import (
    JudgedPhoto,
    judged_picture,
    table_text,
    write_json,
    write_paired_report,
    write_photo_report,
)
from evaluation.paired import Maker, Person, Scores, monotone_steps, nearest_training_person, score
from models.age_code import anchor_blends, traversal_blends
from models.transformer import AgeTransformer
from options.build import load_transformer, portrait_reader, transform
from options.evaluate import evaluate_parser, parse_evaluate_options
from util.device import choose_device
from util.errors import UserError, run_command

logger = logging.getLogger(__name__)

_FEW_PEOPLE = 50


def main() -> int:
    options = parse_evaluate_options(evaluate_parser())
    return evaluate_photos(options) if options.photos else evaluate_paired(options)


def evaluate_photos(options: argparse.Namespace) -> int:
    """Scores what the model makes of photos by what other networks see in it; 1 if photos could not be used."""
    names = options.sort_order
    ages = [centre(name) for name in names]
    photos = find_photos(options.photos, "--photos")
    device = choose_device(options.gpu_ids)
    transformer = load_transformer(options, device)
    read = portrait_reader(options, device)
    to_model_size, judge = transform(options, flip=False), Judge()
    folder = options.results_dir / options.name / f"photos_{options.which_epoch}"
    judged: list[JudgedPhoto] = []

    def use(label: str, portrait: Portrait) -> None:
        pixels = portrait.at_size(to_model_size)
        seen = judge(pixels)
        if seen is None:
            raise UserError(f"{portrait.path}: no face found in the portrait, so there is none to compare with")
        made = _frames(transformer, pixels, anchor_blends(len(names)), (options.random_seed, len(judged)))
        pictures = [JudgedPicture(name, seen, judge(frame)) for name, frame in zip(names, made, strict=True)]
        row = [judged_picture(folder, label, pixels, seen)]
        for picture, frame in zip(pictures, made, strict=True):
            row.append(judged_picture(folder, f"{label}_{picture.target}", frame, picture.made))
        judged.append(JudgedPhoto(label, row, pictures))

    for_each_portrait(photos, read, use)
    if not judged:
        raise UserError(f"--photos {options.photos}: none of its {len(photos)} photos could be used")
    files = [[folder / picture.path for picture in photo.row] for photo in judged]
    distances = inception_distances([path for row in files for path in row[1:]], [row[0] for row in files], device)
    overall = write_photo_report(folder, options.name, names, ages, judged, distances)
    logger.info("%s", table_text(overall))
    logger.info("%d of %d photos scored; report in %s", len(judged), len(photos), folder / "index.html")
    return 0 if len(judged) == len(photos) else 1


def evaluate_paired(options: argparse.Namespace) -> int:
    """Scores what the model makes of people by their true pictures."""
    names = options.sort_order
    ages = [centre(name) for name in names]
    if ages != sorted(set(ages)):
        raise UserError(f"--sort_order {','.join(names)}: must be in ascending order to tell a person's age")
    if not options.paired.is_dir():
        raise UserError(f"--paired {options.paired}: no such folder; make one with datasets/synthesize.py")
    to_model_size = transform(options, flip=False)
    classes = keep_pairs(find_classes(options.paired, options.phase, names))
    people = read_people(classes, to_model_size, min(options.ntest, options.max_dataset_size), "test people")
    if len(people) < 2:
        raise UserError(f"--paired {options.paired}: identity needs two people at least, and there is {len(people)}")
    if len(people) < _FEW_PEOPLE:
        logger.warning("identity is easy to tell among %d people: compare it with that of as many only", len(people))
    device = choose_device(options.gpu_ids)
    transformer = load_transformer(options, device)
    made = make_all(transformer, people, options.random_seed)
    makers: dict[str, Maker] = {
        options.name: lambda *which: made[which],
        "copy of the input": lambda person, source, _target: people[person].truths[source],
    }
    training = read_training_people(options.paired, names, to_model_size, options.train_people)
    if training:
        makers["nearest training person"] = nearest_training_person(people, training)
    makers["truth"] = lambda person, _source, target: people[person].truths[target]
    scored = {maker: score(people, ages, make) for maker, make in makers.items()}
    blends = traversal_blends(len(ages), 1 / options.traversal_steps)

    def traversal(person: int) -> np.ndarray:
        """From another class for each person in turn."""
        source = person % len(ages)
        return _frames(transformer, people[person].truths[source], blends, (options.random_seed, person, source))

    series = {maker: crossfade(make, blends.numpy()) for maker, make in makers.items()} | {options.name: traversal}
    monotone = {maker: monotone_steps(people, ages, of_maker) for maker, of_maker in series.items()}
    folder = options.results_dir / options.name / f"evaluation_{options.which_epoch}"
    report = summary(scored, monotone, names)
    write_json(folder / "evaluation.json", {"people": len(people), "classes": names, **report})
    write_paired_report(folder, options.name, names, ages, people, made, report)
    logger.info("%s", table_text(report["overall"]))
    logger.info("%d people scored; report in %s", len(people), folder / "index.html")
    return 0


def read_people(classes: Sequence[ClassImages], to_model_size: Transform, most: float, what: str) -> list[Person]:
    """The first people of a data set, as the model sees them; one with a picture that cannot be used is left out."""
    people = []
    paths = list(zip(*(images.paths for images in classes), strict=True))
    for of_person in tqdm(paths[: int(min(most, len(paths)))], desc=what, unit="person", leave=False):
        try:
            people.append(_person([read_portrait(path) for path in of_person], to_model_size))
        except UserError as error:
            logger.warning("left out: %s", error)
    return people


def _person(portraits: Sequence[Portrait], to_model_size: Transform) -> Person:
    truths = [portrait.at_size(to_model_size) for portrait in portraits]
    blanked = [to_model_size(mask(np.zeros_like(portrait.pixels), portrait.parsing)) for portrait in portraits]
    heads = [pixels[..., 0] == 0 for pixels in blanked]
    for portrait, truth, head in zip(portraits, truths, heads, strict=True):
        if truth.shape != truths[0].shape:
            raise UserError(f"{portrait.path}: of other proportions than {portraits[0].path}")
        if not head.any():
            raise UserError(f"{portrait.path}: its parsing map leaves nothing of the person")
    return Person(portraits[0].path.stem, np.stack(truths), np.stack(heads))


def read_training_people(root: Path, names: Sequence[str], to_model_size: Transform, most: int) -> list[Person]:
    """The training people, where each has a picture in every class; else none."""
    if most == 0:
        return []
    try:
        classes = keep_pairs(find_classes(root, "train", names))
    except UserError as error:
        logger.warning("no figures of the nearest training person: %s", error)
        return []
    return read_people(classes, to_model_size, most, "training people")


def make_all(transformer: AgeTransformer, people: Sequence[Person], seed: int) -> np.ndarray:
    """What the model makes of every person: (people, input classes, target classes, H, W, 3) uint8."""
    blends = anchor_blends(people[0].truths.shape[0])
    return np.stack(
        [
            np.stack([_frames(transformer, truth, blends, (seed, n, s)) for s, truth in enumerate(person.truths)])
            for n, person in enumerate(tqdm(people, desc="transforming", unit="person"))
        ]
    )


def crossfade(make: Maker, blends: np.ndarray) -> Callable[[int], np.ndarray]:
    """The series of one who has a picture for each class only: each fades into the next."""

    def series(person: int) -> np.ndarray:
        classes = blends.shape[1]
        pictures = np.stack([make(person, person % classes, target) for target in range(classes)])
        return np.tensordot(blends, pictures, 1).round().astype(np.uint8)

    return series


def summary(
    scored: Mapping[str, Mapping[tuple[int, int], Scores]], monotone: Mapping[str, float], names: Sequence[str]
) -> dict[str, dict]:
    """Means over all pairs of classes, and the pairs themselves, by who made the pictures."""
    overall, pairs = {}, {}
    for maker, scores in scored.items():
        values = {pair: asdict(of_pair) for pair, of_pair in scores.items()}
        means = {name: float(np.mean([v[name] for v in values.values()])) for name in next(iter(values.values()))}
        far = [v["l1"] for (source, target), v in values.items() if abs(source - target) >= 2]
        apart = {"l1_two_or_more_apart": float(np.mean(far))} if far else {}
        overall[maker] = means | apart | {"monotone_steps": monotone[maker]}
        pairs[maker] = {f"{names[source]} to {names[target]}": v for (source, target), v in values.items()}
    return {"overall": overall, "pairs": pairs}


def _frames(transformer: AgeTransformer, pixels: np.ndarray, blends: torch.Tensor, key: Sequence[int]) -> np.ndarray:
    """A series with the noise of its key, so that figures do not hang on one draw of codes for everybody."""
    (seed,) = np.random.SeedSequence(key).generate_state(1)
    return np.stack(list(transformer.frames(pixels, blends, int(seed))))


if __name__ == "__main__":
    run_command(main)
