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
# Distinct in light and dark, and for most colour-blind people (Okabe and Ito 2008).
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#999999")


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


def line_chart(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> dom_tag:
    """Curves of (x, y) points, as a picture inside the page."""
    width, height, left, bottom = 800.0, 260.0, 55.0, 30.0
    points = [point for values in series.values() for point in values]
    if not points:
        return tags.p("No figures yet.")
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(0.0, *(y for _, y in points)), max(y for _, y in points)
    x_scale = (width - left - 10) / ((x_high - x_low) or 1)
    y_scale = (height - bottom - 10) / ((y_high - y_low) or 1)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x - x_low) * x_scale, height - bottom - (y - y_low) * y_scale

    lines = [f'<svg viewBox="0 0 {width:g} {height + 20 * len(series):g}" role="img" aria-label="{title}">']
    for share in (0.0, 0.5, 1.0):
        y_value, x_value = y_low + share * (y_high - y_low), x_low + share * (x_high - x_low)
        _, y = place(x_low, y_value)
        x, _ = place(x_value, y_low)
        lines += [
            f'<line x1="{left:g}" x2="{width - 10:g}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8886"/>',
            _label(left - 6, y + 4, "end", f"{y_value:.3g}"),
            _label(x, height - 10, "middle", f"{x_value:,.0f}"),
        ]
    for number, (name, values) in enumerate(series.items()):
        color = _COLORS[number % len(_COLORS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*value) for value in values))
        y = height + 20 * number + 8
        lines += [
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>',
            f'<rect x="{left:g}" y="{y - 6:g}" width="16" height="4" fill="{color}"/>',
            _label(left + 24, y, "start", f"{name}: {values[-1][1]:.3f}"),
        ]
    return tags.div(tags.h2(title), raw("".join([*lines, "</svg>"])))


def _label(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}" fill="currentColor">{text}</text>'
