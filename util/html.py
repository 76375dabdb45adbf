"""Pages of pictures that work when opened from disk, on a phone too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dominate import document, tags
from dominate.dom_tag import dom_tag
from dominate.util import raw

from util.files import atomic_path

# With more columns than this, a table scrolls; otherwise its pictures would be too small on a phone.
_MOST_FITTING = 7

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A picture in a page: its path, relative to the page's folder, and its caption."""

    path: str
    caption: str = ""


def write_page(path: Path, title: str, facts: Mapping[str, str], body: Iterable[dom_tag], refresh: int = 0) -> None:
    """Writes a page, atomically.

    Args:
        path: where the page is written.
        title: its heading.
        facts: names and values, listed below the heading.
        body: the elements below the facts.
        refresh: seconds after which a browser loads the page again; 0 means never.
    """
    page = document(title=title, lang="en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        if refresh:
            # With scripts, the page's own one does it, so that it does not interrupt somebody who looks at a picture.
            tags.noscript(tags.meta(http_equiv="refresh", content=str(refresh)))
        tags.style(raw((_HERE / "page.css").read_text(encoding="utf-8")))
    page.add(tags.h1(title))
    fact_list = page.add(tags.dl(cls="facts"))
    for name, value in facts.items():
        fact_list.add(tags.dt(name), tags.dd(value))
    page.add(*body)
    page.body["data-refresh"] = refresh
    page.add(tags.script(raw((_HERE / "page.js").read_text(encoding="utf-8"))))
    with atomic_path(path) as temporary:
        temporary.write_text(page.render(pretty=False), encoding="utf-8")


def picture_table(columns: Sequence[str], rows: Iterable[Sequence[Picture]], *, slider: str | None = None) -> dom_tag:
    """Rows of pictures under headings. Each picture loads when it comes into view, and opens large.

    Up to seven columns fit any screen. A table with more columns scrolls on a narrow screen.

    Args:
        columns: the headings; none for a table without.
        rows: a caption is left out where it only repeats the heading.
        slider: what a slider below each row leads through, such as age; None for no slider. It shows the row's
            pictures one after the other, large, beside the first one.
    """
    rows = list(rows)
    if not rows:
        return tags.p("No pictures.")
    width = max([len(columns), *map(len, rows)])
    table = tags.table(cls="pictures", style=f"--columns: {width}")
    if slider:
        table["data-slider"] = slider
    if columns:
        table.add(tags.thead(tags.tr([tags.th(column) for column in columns])))
    body = table.add(tags.tbody())
    for row in rows:
        headings = [*columns, *[""] * (len(row) - len(columns))]
        cells = [_cell(picture, row[0], heading) for picture, heading in zip(row, headings, strict=False)]
        body.add(tags.tr([tags.td(cell) for cell in cells]))
    return scroll_box(table) if width > _MOST_FITTING else table


def scroll_box(table: dom_tag) -> dom_tag:
    """A box in which a wide table scrolls, with a shadow at the edge where more of it is hidden."""
    return tags.div(table, cls="scroll", tabindex="0")


def _cell(picture: Picture, first: Picture, heading: str) -> list[dom_tag]:
    """A picture with its caption. Its large view names the row's first picture and the column as well."""
    address, caption = quote(picture.path), picture.caption
    image = tags.img(src=address, alt=caption or picture.path, loading="lazy", decoding="async")
    if picture is first:
        title = caption
    else:
        title = " · ".join(filter(None, (first.caption, "" if heading in caption else heading, caption)))
    shown = [] if caption == heading else [tags.span(_wrapping(caption), title=caption)]
    return [tags.a(image, href=address, title=title), *shown]


def _wrapping(caption: str) -> str:
    """The caption with invisible marks that allow a line break after an underscore, but not inside 15-19."""
    return caption.replace("_", "_\u200b").replace("-", "-\u2060")
