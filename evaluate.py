"""Scores a model on people known at every age, or on photos.

python evaluate.py --name demo_model --paired datasets/people
python evaluate.py --name females_model --photos photos.txt --in_the_wild
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from data.age_classes import centre
from data.aging_dataset import ClassImages, find_classes, keep_pairs, read_portrait
from data.masking import mask
from data.photo_list import find_photos, output_names
from data.transforms import Transform
from models.age_code import anchor_blends, traversal_blends
from models.transformer import AgeTransformer
from options.base import load_transformer, transform
from options.evaluate import evaluate_parser, parse_evaluate_options
from util.device import allow_tf32, choose_device
from util.errors import UserError, run_command
from util.fidelity import inception_distances
from util.images import to_pixels, to_tensor
from util.in_the_wild import PortraitMaker
from util.judge import Judge, JudgedPicture
from util.metrics import estimated_age
from util.paired_scores import Person, Scores, nearest_training_person, score
from util.score_pages import (
    JudgedPhoto,
    judged_picture,
    table_text,
    write_json,
    write_paired_report,
    write_photo_report,
)

logger = logging.getLogger(__name__)


def main() -> int:
    options = parse_evaluate_options(evaluate_parser())
    return evaluate_photos(options) if options.photos else evaluate_paired(options)


def evaluate_photos(options: argparse.Namespace) -> int:
    """Scores what the model makes of photos by what other networks see in it; 1 if photos could not be used."""
    names = options.sort_order
    ages = [centre(name) for name in names]
    photos = find_photos(options.photos, "--photos")
    device = choose_device(options.gpu_ids)
    allow_tf32(False)
    transformer = load_transformer(options, device)
    read = PortraitMaker(options.loadSize, options.parser, device) if options.in_the_wild else read_portrait
    to_model_size, judge = transform(options, flip=False), Judge()
    folder = options.results_dir / options.name / f"photos_{options.which_epoch}"
    judged: list[JudgedPhoto] = []
    for photo, label in zip(tqdm(photos, unit="photo"), output_names(photos), strict=True):
        try:
            pixels = to_model_size(read(photo).pixels)
        except UserError as error:
            logger.error("skipped: %s", error)
            continue
        seen = judge(pixels)
        if seen is None:
            logger.error("skipped: %s: no face found in the portrait, so there is none to compare with", photo)
            continue
        made = _frames(transformer, pixels, anchor_blends(len(names)), options.random_seed)
        pictures = [JudgedPicture(name, seen, judge(frame)) for name, frame in zip(names, made, strict=True)]
        row = [judged_picture(folder, label, pixels, seen)]
        for picture, frame in zip(pictures, made, strict=True):
            row.append(judged_picture(folder, f"{label}_{picture.target}", frame, picture.made))
        judged.append(JudgedPhoto(label, row, pictures))
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
    if not options.paired.is_dir():
        raise UserError(f"--paired {options.paired}: no such folder; make one with datasets/synthesize.py")
    to_model_size = transform(options, flip=False)
    people = read_people(
        keep_pairs(find_classes(options.paired, options.phase, names)), to_model_size, options.ntest, "test people"
    )
    if len(people) < 2:
        raise UserError(f"--paired {options.paired}: identity needs two people at least, and there is {len(people)}")
    device = choose_device(options.gpu_ids)
    allow_tf32(False)
    transformer = load_transformer(options, device)
    made = make_all(transformer, people, options.random_seed)
    scored = {
        options.name: score(people, ages, lambda *which: made[which]),
        "copy of the input": score(people, ages, lambda person, source, _target: people[person].truths[source]),
    }
    training = read_training_people(options.paired, names, to_model_size, options.train_people)
    if training:
        scored["nearest training person"] = score(people, ages, nearest_training_person(people, training))
    scored["truth"] = score(people, ages, lambda person, _source, target: people[person].truths[target])
    monotone = monotonicity(transformer, people, ages, options.traversal_steps, options.random_seed)
    folder = options.results_dir / options.name / f"evaluation_{options.which_epoch}"
    report = summary(scored, names, monotone, options.name)
    write_json(folder / "evaluation.json", {"people": len(people), "classes": names, **report})
    write_paired_report(folder, options.name, names, ages, people, made, report)
    logger.info("%s", table_text(report["overall"]))
    logger.info("monotone steps of %s: %.1f %%; report in %s", options.name, 100 * monotone, folder / "index.html")
    return 0


def read_people(classes: Sequence[ClassImages], to_model_size: Transform, most: float, what: str) -> list[Person]:
    """The first people of a data set, as the model sees them; one with a picture that cannot be read is left out."""
    people = []
    paths = list(zip(*(images.paths for images in classes), strict=True))
    for of_person in tqdm(paths[: int(min(most, len(paths)))], desc=what, unit="person", leave=False):
        try:
            portraits = [read_portrait(path) for path in of_person]
        except UserError as error:
            logger.warning("left out: %s", error)
            continue
        truths = np.stack([to_model_size(portrait.pixels) for portrait in portraits])
        blanked = [to_model_size(mask(np.zeros_like(p.pixels), p.parsing)) for p in portraits]
        people.append(Person(of_person[0].stem, truths, np.stack(blanked)[..., 0] == 0))
    return people


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
            np.stack([_frames(transformer, truth, blends, seed) for truth in person.truths])
            for person in tqdm(people, desc="transforming", unit="person")
        ]
    )


def monotonicity(
    transformer: AgeTransformer, people: Sequence[Person], ages: Sequence[float], steps: int, seed: int
) -> float:
    """Share of the steps through all ages that do not make a person younger; each starts from one of the classes."""
    blends = traversal_blends(len(ages), 1 / steps)
    forward = []
    for number, person in enumerate(tqdm(people, desc="traversing", unit="person")):
        frames = _frames(transformer, person.truths[number % len(ages)], blends, seed)
        estimates = [estimated_age(frame, person.truths, ages) for frame in frames]
        forward += list(np.diff(estimates) >= 0)
    return float(np.mean(forward))


def summary(
    scored: Mapping[str, Mapping[tuple[int, int], Scores]], names: Sequence[str], monotone: float, model: str
) -> dict[str, dict]:
    """Means over all pairs of classes, and the pairs themselves, by who made the pictures."""
    overall, pairs = {}, {}
    for maker, scores in scored.items():
        values = {pair: asdict(of_pair) for pair, of_pair in scores.items()}
        means = {name: float(np.mean([v[name] for v in values.values()])) for name in next(iter(values.values()))}
        far = [v["l1"] for (source, target), v in values.items() if abs(source - target) >= 2]
        overall[maker] = means | ({"l1_two_or_more_apart": float(np.mean(far))} if far else {})
        pairs[maker] = {f"{names[source]} to {names[target]}": v for (source, target), v in values.items()}
    overall[model]["monotone_steps"] = monotone
    return {"overall": overall, "pairs": pairs}


def _frames(transformer: AgeTransformer, pixels: np.ndarray, blends: torch.Tensor, seed: int) -> np.ndarray:
    frames = transformer.transform(to_tensor(pixels), blends, torch.Generator().manual_seed(seed))
    return np.stack([to_pixels(frame) for frame in frames])


if __name__ == "__main__":
    run_command(main)
