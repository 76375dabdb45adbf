"""Scores as a table, as evaluation.json, and as a page with pictures and curves."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag

from evaluation.judge import JudgedPicture, Judgement, photo_scores
from evaluation.metrics import estimated_age, l1
from evaluation.paired import Person
from util.charts import line_chart
from util.files import atomic_path
from util.html import Picture, picture_table, scroll_box, write_page
from util.images import write_image

# Figures by who made the pictures, and by name; None where there is nothing to tell.
Figures = Mapping[str, Mapping[str, float | None]]


def table_text(overall: Figures) -> str:
    """The means as a Markdown table."""
    head, *rows = _cells(overall)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Writes the figures, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_paired_report(
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
        float(
            np.mean([l1(made[n, s, t], p.truths[t], p.heads[t]) for s in range(len(ages)) for t in range(len(ages))])
        )
        for n, p in enumerate(people)
    ]
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
        line_chart("Estimated age over target age", estimated, "target age, years", "estimated age, years"),
        line_chart("L1 over target age", by_class, "target age, years", "L1"),
    ]
    for word, number in _best_median_worst(errors).items():
        body += [
            tags.h2(f"The {word}: {people[number].name}, L1 {errors[number]:.4f}"),
            picture_table(["input or truth", *names], _picture_rows(folder, people[number], made[number], names)),
        ]
    facts = {"model": model, "people": str(len(people)), "classes": ", ".join(names)}
    write_page(folder / "index.html", f"{model}: evaluation on true pictures", facts, body)


@dataclass(frozen=True)
class JudgedPhoto:
    """A photo's row of the page, the photo itself first, and what is seen in the pictures made of it."""

    label: str
    row: Sequence[Picture]
    judged: Sequence[JudgedPicture]

    @property
    def error(self) -> float:
        """Years between the ages that are seen and the classes' centres; infinite where no face is found."""
        error = photo_scores(self.judged).age_error
        return math.inf if error is None else error


def judged_picture(folder: Path, label: str, pixels: np.ndarray, judgement: Judgement | None) -> Picture:
    """Writes a picture (H, W, 3) uint8 to the page's images; what is seen in it stands below."""
    path = f"images/{label}.png"
    write_image(folder / path, pixels)
    return Picture(path, f"{label}: looks {judgement.age:.0f}" if judgement else f"{label}: no face found")


def write_photo_report(
    folder: Path,
    model: str,
    names: Sequence[str],
    ages: Sequence[float],
    photos: Sequence[JudgedPhoto],
    distances: Mapping[str, float],
) -> Figures:
    """The figures as evaluation.json, and the page with curves and all photos; returns the means.

    Args:
        folder: of the page.
        model: its name.
        names, ages: of the classes, and their centres in years.
        photos: one at least.
        distances: further figures of the model.
    """
    judged = [picture for photo in photos for picture in photo.judged]
    makers = {
        model: judged,
        "copy of the input": [JudgedPicture(picture.target, picture.photo, picture.photo) for picture in judged],
    }
    overall = {maker: asdict(photo_scores(pictures)) for maker, pictures in makers.items()}
    overall[model] |= distances
    by_class = {
        maker: {name: asdict(photo_scores([p for p in pictures if p.target == name])) for name in names}
        for maker, pictures in makers.items()
    }
    report = {"photos": len(photos), "classes": names, "overall": overall, "by_class": by_class}
    write_json(folder / "evaluation.json", report)
    body = [_figures(overall)]
    for figure, title in (("age", "Age that is seen"), ("age_error", "Error of the age that is seen")):
        series = {
            maker: [
                (age, of[figure]) for age, of in zip(ages, scores.values(), strict=True) if of[figure] is not None
            ]
            for maker, scores in by_class.items()
        }
        with_faces = {maker: points for maker, points in series.items() if points}
        body.append(line_chart(f"{title} over target age", with_faces, "target age, years", "years"))
    columns, order = ["input", *names], sorted(photos, key=lambda photo: photo.error)
    for word, number in _best_median_worst([photo.error for photo in photos]).items():
        photo = photos[number]
        error = f"{photo.error:.1f} years off" if math.isfinite(photo.error) else "no face found"
        body += [tags.h2(f"The {word}: {photo.label}, {error}"), picture_table(columns, [photo.row])]
    body += [tags.h2("All photos, the best first"), picture_table(columns, [photo.row for photo in order])]
    facts = {"model": model, "photos": str(len(photos)), "classes": ", ".join(names)}
    write_page(folder / "index.html", f"{model}: evaluation on photos", facts, body)
    return overall


def _best_median_worst(errors: Sequence[float]) -> dict[str, int]:
    """Whose errors they are, by number."""
    order = np.argsort(errors, kind="stable")
    return {"best": int(order[0]), "median": int(order[len(order) // 2]), "worst": int(order[-1])}


def _figures(overall: Figures) -> dom_tag:
    head, *rows = _cells(overall)
    table = tags.table(tags.thead(tags.tr([tags.th(name.replace("_", " ")) for name in head])), cls="figures")
    for maker, *cells in rows:
        table.add(tags.tr([tags.th(maker), *(tags.td(cell) for cell in cells)]))
    return scroll_box(table)


def _cells(overall: Figures) -> list[list[str]]:
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
