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

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 1rem auto; max-width: 90rem; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .4rem; }
.facts { display: grid; grid-template-columns: fit-content(9rem) 1fr; gap: .15rem 1rem; margin: .5rem 0 1rem; }
.facts dt { opacity: .7; overflow-wrap: anywhere; } .facts dd { margin: 0; overflow-wrap: anywhere; }

table { border-collapse: collapse; }
th { font-weight: 600; }
th, td { padding: .15rem; text-align: center; font-size: .75rem; vertical-align: top; }
thead th { position: sticky; top: 0; z-index: 1; background: Canvas; }
table.pictures { table-layout: fixed; width: 100%; max-width: calc(var(--columns) * 10rem); }
td img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; }
td span { display: block; }
td span, .note { opacity: .8; }

/* A wide table scrolls inside its box, while its first column and headings stay. Covers move with the table, so that
   a shadow shows at each edge where more of the table is hidden. */
.scroll { overflow: auto; max-height: 100vh; background:
  linear-gradient(to right, Canvas 50%, transparent) left / 2rem 100% no-repeat local,
  linear-gradient(to left, Canvas 50%, transparent) right / 2rem 100% no-repeat local,
  linear-gradient(to right, #888b, transparent) left / 1rem 100% no-repeat scroll,
  linear-gradient(to left, #888b, transparent) right / 1rem 100% no-repeat scroll; }
.scroll th:not(:first-child) { background: none; }
.scroll tr > :first-child { position: sticky; left: 0; z-index: 2; background: Canvas; }
.scroll table.pictures { min-width: calc(var(--columns) * 3.1rem); }
.figures :is(th, td) { padding: .3rem .5rem; font-size: .85rem; }
.figures thead th { vertical-align: bottom; }
.figures tr > :first-child { text-align: left; }

/* Two charts stand side by side where there is room, each with its legend beside it. */
.figure { display: inline-block; width: 38rem; max-width: 100%; vertical-align: top; }
.chart { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin-right: .5rem; }
.chart svg { width: 22rem; max-width: 100%; height: auto; }
.chart ul { flex: 1 1 12rem; list-style: none; margin: 0; padding: 0 0 0 2rem; font-size: .8rem; line-height: 1.5; }
.chart i { display: inline-block; width: 1.5rem; margin: 0 .5rem 0 -2rem; vertical-align: middle; }
"""


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
            tags.meta(http_equiv="refresh", content=str(refresh))
        tags.style(raw(_STYLE))
    page.add(tags.h1(title))
    fact_list = page.add(tags.dl(cls="facts"))
    for name, value in facts.items():
        fact_list.add(tags.dt(name), tags.dd(value))
    page.add(*body)
    with atomic_path(path) as temporary:
        temporary.write_text(page.render(pretty=False), encoding="utf-8")


def picture_table(columns: Sequence[str], rows: Iterable[Sequence[Picture]]) -> dom_tag:
    """Rows of pictures under headings. Each picture loads when it comes into view, and links to its full size.

    Up to seven columns fit any screen. A table with more columns scrolls on a narrow screen.
    """
    rows = list(rows)
    if not rows:
        return tags.p("No pictures.")
    width = max([len(columns), *map(len, rows)])
    table = tags.table(cls="pictures", style=f"--columns: {width}")
    if columns:
        table.add(tags.thead(tags.tr([tags.th(column) for column in columns])))
    body = table.add(tags.tbody())
    for row in rows:
        body.add(tags.tr([tags.td(_picture(picture)) for picture in row]))
    return scroll_box(table) if width > _MOST_FITTING else table


def scroll_box(table: dom_tag) -> dom_tag:
    """A box in which a wide table scrolls, with a shadow at the edge where more of it is hidden."""
    return tags.div(table, cls="scroll", tabindex="0")


def _picture(picture: Picture) -> list[dom_tag]:
    address = quote(picture.path)
    image = tags.img(src=address, alt=picture.caption or picture.path, loading="lazy", decoding="async")
    return [tags.a(image, href=address), tags.span(_wrapping(picture.caption), title=picture.caption)]


def _wrapping(caption: str) -> str:
    """The caption with invisible marks that allow a line break after an underscore, but not inside 15-19."""
    return caption.replace("_", "_\u200b").replace("-", "-\u2060")
