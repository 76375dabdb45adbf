"""A report: the table of figures, evaluation.json, and a page with pictures and curves."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag

from evaluation.intervals import Figure
from util.charts import line_chart
from util.files import atomic_path, keep_only
from util.html import Picture, scroll_box, write_page
from util.images import write_image

# The folder of a page's pictures, beside the page.
IMAGES = "images"

# Rows by name, and in each row the figures by name; None stands for a figure that could not be computed.
Table = Mapping[str, Mapping[str, Figure | None]]

_MEANINGS = {
    "l1": "mean difference from the true picture inside the head, from 0 to 1",
    "psnr": "likeness to the true picture inside the head, in dB; more is better",
    "ssim": "likeness of structures to those of the true picture; 1 is best",
    "sharpness": "differences between neighbouring pixels, as a share of the true picture's; less than 1 is blurred",
    "age_accuracy": "share of pictures that are nearest to the person's true picture at the target age",
    "age_error": "how far the age is off, in years",
    "identity": "share of pictures that are nearest to the right person at the target age",
    "l1_two_or_more_apart": "l1 where input and target are at least two classes apart",
    "monotone_steps": "share of a traversal's steps that do not make the person younger",
    "l1_pasted": "mean difference of the whole picture from the true one after the head was pasted back",
    "face_found": "share of pictures in which a face is found; the next columns are means over these",
    "age": "age that a published network sees, in years",
    "age_inside": "share of pictures whose age lies in the target class",
    "identity_distance": "distance between the face descriptors of the picture and the photo",
    "same_person": "share of pictures near enough to the photo to count as the same person",
    "fid": "Frechet Inception distance between all pictures and all photos; too large with few of them",
    "kid": "kernel Inception distance between them; right on average with few of them, but uncertain",
}


def table_text(table: Table) -> str:
    """The figures as a Markdown table."""
    columns = _columns(table)
    rows = [[name, *(str(figures.get(c) or "") for c in columns)] for name, figures in table.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in (["", *columns], ["---"] * (len(columns) + 1), *rows))


def write_report(
    folder: Path,
    title: str,
    facts: Mapping[str, object],
    table: Table,
    details: Mapping[str, object],
    body: Iterable[dom_tag],
) -> None:
    """Writes evaluation.json and index.html, each atomically; both start with the facts and the table.

    Pictures of an earlier page that this one does not show are removed.

    Args:
        details: further entries of the JSON.
        body: what follows the table in the page; its pictures are already in the folder.
    """
    body = list(body)
    content = {
        **facts,
        "overall": _each(table, "value"),
        "intervals": _each(table, "interval"),
        "counts": _each(table, "count"),
        **details,
    }
    with atomic_path(folder / "evaluation.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    shown = {name: ", ".join(fact) if isinstance(fact, list) else str(fact) for name, fact in facts.items()}
    computed = [figure for figures in table.values() for figure in figures.values() if figure]
    most = max((figure.count for figure in computed), default=0)
    notes: list[dom_tag] = [tags.p(f"n = {most} where a figure does not say otherwise.", cls="note")]
    if any(figure.interval for figure in computed):
        words = "Brackets hold the 95 % confidence interval, by bootstrap over people."
        notes.append(tags.p(f"{words} With fewer than some 20 people it is too narrow.", cls="note"))
    notes.append(_glossary(_columns(table)))
    write_page(folder / "index.html", title, shown, [_html_table(table, most), *notes, *body])
    pictures = (image["src"] for element in body for image in element.get(tags.img))
    keep_only(folder / IMAGES, [Path(unquote(address)).name for address in pictures])


def chart_over_ages(
    title: str,
    ages: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    y_label: str,
    *,
    counts: Mapping[str, Sequence[int]],
) -> dom_tag:
    """Curves over the target age, and how many values each point is a mean of; None leaves a gap."""
    series = {name: list(zip(ages, curve, strict=True)) for name, curve in curves.items()}
    return line_chart(title, series, "target age, years", y_label, counts=counts)


def best_median_worst(errors: Sequence[float]) -> dict[str, int]:
    """Which of the errors to show: words and a number each. No number comes twice, however few there are."""
    order = [int(number) for number in np.argsort(errors, kind="stable")]
    count = len(order)
    if count == 1:
        return {"The only one": order[0]}
    shown = {"best": order[0], "median": order[count // 2], "worst": order[-1]}
    if count == 2:
        del shown["median"]
    return {f"The {word} of {count}": number for word, number in shown.items()}


def save_picture(folder: Path, name: str, pixels: np.ndarray, caption: str) -> Picture:
    """Writes (H, W, 3) uint8 to the page's images and returns it for the page."""
    path = f"{IMAGES}/{name}.png"
    write_image(folder / path, pixels)
    return Picture(path, caption)


def _each(table: Table, part: str) -> dict[str, dict[str, object]]:
    """The same attribute of every figure; None for figures that could not be computed."""
    return {row: {name: getattr(f, part, None) for name, f in figures.items()} for row, figures in table.items()}


def _columns(table: Table) -> list[str]:
    """The names of the figures, each once, in the order of the rows."""
    return list(dict.fromkeys(name for figures in table.values() for name in figures))


def _html_table(table: Table, most: int) -> dom_tag:
    """The figures; those over fewer than `most` people say over how many."""
    columns = _columns(table)
    html = tags.table(
        tags.thead(tags.tr([tags.th(name.replace("_", " ")) for name in ["", *columns]])), cls="figures"
    )
    for row, figures in table.items():
        cells = [tags.td(_html_figure(figures.get(name), most)) for name in columns]
        html.add(tags.tr([tags.th(row), *cells]))
    return scroll_box(html)


def _glossary(columns: Sequence[str]) -> dom_tag:
    meanings = {name: _MEANINGS[name] for name in columns if name in _MEANINGS}
    terms = [(tags.dt(name.replace("_", " ")), tags.dd(meaning)) for name, meaning in meanings.items()]
    return tags.details(tags.summary("What the columns mean"), tags.dl(terms, cls="facts"))


def _html_figure(figure: Figure | None, most: int) -> list[str | dom_tag]:
    if figure is None:
        return ["-"]
    value, interval = figure.texts()
    number = f"n = {figure.count}" if figure.count < most else ""
    notes = [tags.small(text, style="white-space: nowrap") for text in (interval, number) if text]
    return [value, *(part for note in notes for part in (tags.br(), note))]
