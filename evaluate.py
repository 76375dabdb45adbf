"""Scores a model on people known at every age, or on photos.

python evaluate.py --name demo_model --paired datasets/people
python evaluate.py --name females_model --photos photos.txt --in_the_wild
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from dominate import tags
from dominate.dom_tag import dom_tag
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
from util.files import atomic_path
from util.html import Picture, line_chart, picture_table, write_page
from util.images import to_pixels, to_tensor, write_image
from util.in_the_wild import PortraitMaker
from util.judge import Judge, JudgedPicture, Judgement, photo_scores
from util.metrics import estimated_age, l1
from util.paired_scores import Person, Scores, nearest_training_person, score

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
    judged: list[JudgedPicture] = []
    rows: list[list[Picture]] = []
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
        rows.append([_judged_picture(folder, label, pixels, seen)])
        made = _frames(transformer, pixels, anchor_blends(len(names)), options.random_seed)
        for name, frame in zip(names, made, strict=True):
            judged.append(JudgedPicture(name, seen, judge(frame)))
            rows[-1].append(_judged_picture(folder, f"{label}_{name}", frame, judged[-1].made))
    if not rows:
        raise UserError(f"--photos {options.photos}: none of its {len(photos)} photos could be used")
    write_photo_report(folder, options.name, names, ages, judged, rows)
    logger.info("%d of %d photos scored; report in %s", len(rows), len(photos), folder / "index.html")
    return 0 if len(rows) == len(photos) else 1


def write_photo_report(
    folder: Path,
    model: str,
    names: Sequence[str],
    ages: Sequence[float],
    judged: Sequence[JudgedPicture],
    rows: Sequence[Sequence[Picture]],
) -> None:
    """The figures, to the log and as evaluation.json, and the page with all photos, a row of pictures each."""
    makers = {
        model: judged,
        "copy of the input": [JudgedPicture(picture.target, picture.photo, picture.photo) for picture in judged],
    }
    overall = {maker: asdict(photo_scores(pictures)) for maker, pictures in makers.items()}
    by_class = {
        maker: {name: asdict(photo_scores([p for p in pictures if p.target == name])) for name in names}
        for maker, pictures in makers.items()
    }
    report = {"photos": len(rows), "classes": names, "overall": overall, "by_class": by_class}
    write_json(folder / "evaluation.json", report)
    body = [_figures(overall)]
    for figure, title in (("age", "Age that is seen"), ("age_error", "Error of the age that is seen")):
        series = {
            maker: [
                (age, of[figure]) for age, of in zip(ages, scores.values(), strict=True) if of[figure] is not None
            ]
            for maker, scores in by_class.items()
        }
        body.append(line_chart(f"{title} over target age, years", series))
    body.append(picture_table(["input", *names], rows))
    facts = {"model": model, "photos": str(len(rows)), "classes": ", ".join(names)}
    write_page(folder / "index.html", f"{model}: evaluation on photos", facts, body)
    logger.info("%s", table_text(overall))


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
    write_report(folder, options.name, names, ages, people, made, report)
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


def table_text(overall: Mapping[str, Mapping[str, float | None]]) -> str:
    """The means as a Markdown table."""
    head, *rows = _cells(overall)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Writes the figures, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_report(
    folder: Path,
    model: str,
    names: Sequence[str],
    ages: Sequence[float],
    people: Sequence[Person],
    made: np.ndarray,
    report: Mapping[str, dict],
) -> None:
    """The page: figures, curves, and the pictures of the best, median and worst person."""
    overall, pairs = report["overall"], report["pairs"][model]
    errors = [
        np.mean([l1(made[n, s, t], p.truths[t], p.heads[t]) for s in range(len(ages)) for t in range(len(ages))])
        for n, p in enumerate(people)
    ]
    order = np.argsort(errors)
    chosen = dict(zip(("best", "median", "worst"), order[[0, len(order) // 2, -1]], strict=True))
    estimated = {
        f"from {name}": [
            (age, float(np.mean([estimated_age(made[n, s, t], p.truths, ages) for n, p in enumerate(people)])))
            for t, age in enumerate(ages)
        ]
        for s, name in enumerate(names)
    }
    by_class = {
        f"from {name}": [(age, pairs[f"{name} to {other}"]["l1"]) for other, age in zip(names, ages, strict=True)]
        for name in names
    }
    body: list[dom_tag] = [_figures(overall)]
    body += [
        line_chart("Estimated age over target age, years", estimated),
        line_chart("L1 over target age", by_class),
    ]
    for word, number in chosen.items():
        body += [
            tags.h2(f"The {word}: {people[number].name}, L1 {errors[number]:.4f}"),
            picture_table(["input or truth", *names], _picture_rows(folder, people[number], made[number], names)),
        ]
    facts = {"model": model, "people": str(len(people)), "classes": ", ".join(names)}
    write_page(folder / "index.html", f"{model}: evaluation on true pictures", facts, body)


def _judged_picture(folder: Path, label: str, pixels: np.ndarray, judgement: Judgement | None) -> Picture:
    path = f"images/{label}.png"
    write_image(folder / path, pixels)
    return Picture(path, f"{label}: looks {judgement.age:.0f}" if judgement else f"{label}: no face found")


def _figures(overall: Mapping[str, Mapping[str, float | None]]) -> dom_tag:
    head, *rows = _cells(overall)
    table = tags.table(tags.thead(tags.tr([tags.th(name.replace("_", " ")) for name in head])))
    for maker, *cells in rows:
        table.add(tags.tr([tags.th(maker), *(tags.td(cell) for cell in cells)]))
    return tags.div(table, cls="scroll")


def _cells(overall: Mapping[str, Mapping[str, float | None]]) -> list[list[str]]:
    """The means as lines of text, the first with their names."""
    columns = list(dict.fromkeys(name for values in overall.values() for name in values))
    rows = [
        [maker, *("" if values.get(name) is None else f"{values[name]:.4f}" for name in columns)]
        for maker, values in overall.items()
    ]
    return [["", *columns], *rows]


def _picture_rows(folder: Path, person: Person, made: np.ndarray, names: Sequence[str]) -> list[list[Picture]]:
    def picture(label: str, pixels: np.ndarray) -> Picture:
        path = f"images/{person.name}_{label}.png"
        write_image(folder / path, pixels)
        return Picture(path, label)

    truths = [picture(f"true {name}", person.truths[index]) for index, name in enumerate(names)]
    rows = [[truths[0], *truths]]
    for source, name in enumerate(names):
        outputs = [picture(f"{name} to {other}", made[source, target]) for target, other in enumerate(names)]
        rows.append([truths[source], *outputs])
    return rows


def _frames(transformer: AgeTransformer, pixels: np.ndarray, blends: torch.Tensor, seed: int) -> np.ndarray:
    frames = transformer.transform(to_tensor(pixels), blends, torch.Generator().manual_seed(seed))
    return np.stack([to_pixels(frame) for frame in frames])


if __name__ == "__main__":
    run_command(main)
