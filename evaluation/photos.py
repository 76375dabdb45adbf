"""Scores of what a model makes of photos, by the age and the person that other networks see in it."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from dominate import tags
from dominate.dom_tag import dom_tag

from data.age_classes import age_range, centre
from data.photo_list import for_each_portrait, output_names
from data.portrait import Portrait
from evaluation.candidate import Candidate
from evaluation.fidelity import inception_distances
from evaluation.intervals import Figure, mean_over_people
from evaluation.judge import SAME_PERSON, Judge, Judgement
from evaluation.pages import Table, best_median_worst, chart_over_ages, save_picture, table_text, write_report
from models.age_code import anchor_blends
from util.errors import UserError
from util.html import Picture, picture_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JudgedPicture:
    """A picture made of a photo.

    Attributes:
        target: the class it was made for, such as 15-19.
        photo: what is seen in the photo.
        made: what is seen in the picture; None if no face is found.
    """

    target: str
    photo: Judgement
    made: Judgement | None


@dataclass(frozen=True)
class JudgedPhoto:
    """A photo, the pictures made of it, and what is seen in them.

    Attributes:
        label: the name of the photo's outputs.
        row: the pictures of the page; the photo itself comes first.
        judged: what is seen in those that were made.
    """

    label: str
    row: Sequence[Picture]
    judged: Sequence[JudgedPicture]

    @property
    def error(self) -> float:
        """Mean years between the ages seen and the classes' centres; infinite if no face is found."""
        error = photo_scores(self.judged).age_error
        return math.inf if error is None else error


@dataclass(frozen=True)
class PhotoScores:
    """Means over pictures.

    Attributes:
        face_found: share of the pictures in which a face is found. All other figures are means over these pictures,
            and None if there are none.
        age: age seen, in years.
        age_error: years between the age seen and the centre of the target class.
        age_inside: share whose age lies in the target class.
        identity_distance: distance between the descriptors of picture and photo.
        same_person: share whose distance is below SAME_PERSON.
    """

    face_found: float
    age: float | None
    age_error: float | None
    age_inside: float | None
    identity_distance: float | None
    same_person: float | None


def evaluate_photos(
    candidate: Candidate,
    *,
    photos: Sequence[Path],
    source: Path,
    read: Callable[[Path], Sequence[Portrait]],
    device: torch.device,
    folder: Path,
) -> int:
    """Scores a model on photos and writes the report; returns 1 if some photos could not be used.

    Args:
        candidate: the model.
        photos, source: paths, and the list, image or folder that they come from.
        read: makes the portraits of a path.
        device: computes FID and KID.
        folder: of the report.

    Raises:
        UserError: none of the photos can be used.
    """
    judge = Judge()
    judged: list[JudgedPhoto] = []

    def use(label: str, portrait: Portrait) -> None:
        judged.append(_judge_photo(candidate, judge, folder, label, portrait, number=len(judged)))

    names = output_names(photos, ["", *(f"_{name}" for name in candidate.ages)])
    skipped = for_each_portrait(photos, read, use, names)
    if not judged:
        raise UserError(f"--photos {source}: none of its {len(photos)} photos could be used")
    files = [[folder / picture.path for picture in photo.row] for photo in judged]
    distances = inception_distances([path for row in files for path in row[1:]], [row[0] for row in files], device)
    table = write_photo_report(folder, candidate.facts(source), candidate.ages, judged, distances)
    logger.info("%s", table_text(table))
    logger.info("%d of %d photos scored; report in %s", len(photos) - skipped, len(photos), folder / "index.html")
    return 1 if skipped else 0


def photo_scores(pictures: Sequence[JudgedPicture]) -> PhotoScores:
    """Scores of pictures of any photos and classes.

    Raises:
        UserError: a class is no range of years.
    """
    found = [(picture.target, picture.photo, picture.made) for picture in pictures if picture.made is not None]
    distances = [float(np.linalg.norm(photo.descriptor - made.descriptor)) for _, photo, made in found]
    return PhotoScores(
        face_found=len(found) / len(pictures),
        age=_mean(made.age for _, _, made in found),
        age_error=_mean(abs(made.age - centre(target)) for target, _, made in found),
        age_inside=_mean(age_range(target)[0] <= made.age < age_range(target)[1] + 1 for target, _, made in found),
        identity_distance=_mean(distances),
        same_person=_mean(distance < SAME_PERSON for distance in distances),
    )


def photo_figures(photos: Sequence[Sequence[JudgedPicture]]) -> dict[str, Figure | None]:
    """Each figure as a mean over photos of the photo's own score, since its pictures show one and the same person."""
    scores = [photo_scores(pictures) for pictures in photos]
    values = {field.name: [getattr(score, field.name) for score in scores] for field in fields(PhotoScores)}
    return {name: mean_over_people([value for value in of if value is not None]) for name, of in values.items()}


def write_photo_report(
    folder: Path,
    facts: Mapping[str, object],
    ages: Mapping[str, float],
    photos: Sequence[JudgedPhoto],
    distances: Mapping[str, float],
) -> Table:
    """Writes the report and returns its table; `distances` are figures of all the model's pictures together."""
    model = str(facts["model"])
    rows: dict[str, list[Sequence[JudgedPicture]]] = {
        model: [photo.judged for photo in photos],
        "copy of the input": [[JudgedPicture(p.target, p.photo, p.photo) for p in photo.judged] for photo in photos],
    }
    table = {name: photo_figures(judged) for name, judged in rows.items()}
    table[model] |= {name: Figure(value, len(photos)) for name, value in distances.items()}
    by_class = {
        row: {name: photo_scores([p for pictures in judged for p in pictures if p.target == name]) for name in ages}
        for row, judged in rows.items()
    }
    details = {"by_class": {row: {name: asdict(s) for name, s in scores.items()} for row, scores in by_class.items()}}
    counts = {
        row: [round(score.face_found * len(photos)) for score in scores.values()] for row, scores in by_class.items()
    }
    found = ", ".join(f"{name}: {count}" for name, count in zip(ages, counts[model], strict=True))
    gaps = "" if all(counts[model]) else " Where there is none, the curve has a gap."
    body: list[dom_tag] = [tags.p(f"Pictures with a face, of {len(photos)} for each target age: {found}.{gaps}")]
    for figure, title in (("age", "Age that is seen"), ("age_error", "Error of the age that is seen")):
        curves = {row: [getattr(s, figure) for s in scores.values()] for row, scores in by_class.items()}
        body.append(chart_over_ages(f"{title} over target age", list(ages.values()), curves, "years", counts=counts))
    body += _pictures(["input", *ages], photos)
    write_report(folder, f"{model}: evaluation on photos", {**facts, "photos": len(photos)}, table, details, body)
    return table


def _judge_photo(
    candidate: Candidate, judge: Judge, folder: Path, label: str, portrait: Portrait, *, number: int
) -> JudgedPhoto:
    pixels = portrait.at_size(candidate.to_model_size)
    seen = judge(pixels)
    if seen is None:
        raise UserError(f"{portrait.path}: no face found in the portrait, so there is none to compare with")
    frames = candidate.frames(pixels, anchor_blends(len(candidate.ages)), (number,))
    judged = [JudgedPicture(name, seen, judge(frame)) for name, frame in zip(candidate.ages, frames, strict=True)]
    row = [save_picture(folder, label, pixels, f"{label}: {_in_words(seen)}")]
    for picture, frame in zip(judged, frames, strict=True):
        row.append(save_picture(folder, f"{label}_{picture.target}", frame, _in_words(picture.made)))
    return JudgedPhoto(label, row, judged)


def _in_words(seen: Judgement | None) -> str:
    return f"looks {seen.age:.0f}" if seen else "no face found"


def _pictures(columns: Sequence[str], photos: Sequence[JudgedPhoto]) -> list[dom_tag]:
    """Every photo once: the best, the median and the worst, and then the others."""
    body: list[dom_tag] = []
    shown = best_median_worst([photo.error for photo in photos])
    for word, number in shown.items():
        photo = photos[number]
        seen = sum(picture.made is not None for picture in photo.judged)
        error = (
            f"{photo.error:.1f} years off, a face in {seen} of {len(photo.judged)} pictures"
            if seen
            else "no face found"
        )
        body += [tags.h2(f"{word}: {photo.label}, {error}"), picture_table(columns, [photo.row])]
    others = [photo for number, photo in enumerate(photos) if number not in shown.values()]
    if others:
        rows = [photo.row for photo in sorted(others, key=lambda photo: photo.error)]
        body += [tags.h2("The other photos, the best first"), picture_table(columns, rows)]
    return body


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None
