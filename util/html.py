"""Pages of pictures that work when opened from disk, on a phone too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dominate import document, tags
from dominate.dom_tag import dom_tag
from dominate.util import raw

from util.files import atomic_path

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 1rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .4rem; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
.facts dt { opacity: .7; } .facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th { font-weight: 600; position: sticky; top: 0; background: Canvas; }
th, td { padding: .2rem; text-align: center; font-size: .8rem; vertical-align: top; }
td img { display: block; width: clamp(3.2rem, 12vw, 10rem); aspect-ratio: 1; object-fit: contain; }
td span { display: block; max-width: clamp(3.2rem, 12vw, 10rem); overflow-wrap: anywhere; opacity: .8; }
svg { width: 100%; max-width: 60rem; height: auto; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture in a page: its path from the page's folder, and the words under it."""

    path: str
    caption: str = ""


def write_page(path: Path, title: str, facts: Mapping[str, str], body: Iterable[dom_tag], refresh: int = 0) -> None:
    """Writes a page, atomically.

    Args:
        path: of the page.
        title: its heading.
        facts: names and values below it.
        body: what follows.
        refresh: seconds after which a browser reads it again; 0 for never.
    """
    page = document(title=title, lang="en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        if refresh:
            tags.meta(http_equiv="refresh", content=str(refresh))
        tags.style(raw(_STYLE))
    page.add(tags.h1(title))
    listed = page.add(tags.dl(cls="facts"))
    for name, value in facts.items():
        listed.add(tags.dt(name), tags.dd(value))
    page.add(*body)
    with atomic_path(path) as temporary:
        temporary.write_text(page.render(pretty=False), encoding="utf-8")


def picture_table(columns: Sequence[str], rows: Iterable[Sequence[Picture]]) -> dom_tag:
    """Rows of pictures under headings; each is read when it comes into view, and links to itself in full size."""
    table = tags.table()
    if columns:
        table.add(tags.thead(tags.tr([tags.th(column) for column in columns])))
    body = table.add(tags.tbody())
    for row in rows:
        body.add(tags.tr([tags.td(_picture(picture)) for picture in row]))
    return tags.div(table, cls="scroll")


def _picture(picture: Picture) -> list[dom_tag]:
    address = quote(picture.path)
    image = tags.img(src=address, alt=picture.caption or picture.path, loading="lazy", decoding="async")
    return [tags.a(image, href=address), tags.span(picture.caption)]
