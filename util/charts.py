"""Draws charts for HTML pages as SVG. matplotlib loads slowly, so import this only where pages are written."""

import io
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from html import escape
from itertools import cycle
from typing import TypeVar

import matplotlib as mpl
import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag
from dominate.util import raw
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours that colour-blind people can distinguish (Okabe and Ito 2008), without black and yellow, which are hard to
# see on a dark or a light page.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("solid", "dashed", "dotted")
# Text and axes are drawn in this colour, which the page's own text colour then replaces.
_TEXT_COLOR = "#010203"
# At 72 dots an inch the SVG is 432 units wide: text of 13 units measures over 10 pixels on a phone 390 pixels wide.
_SIZE_INCHES = (6.0, 3.6)
_FEW_POINTS = 20

Points = Sequence[tuple[float, float | None]]
_Name = TypeVar("_Name", bound=Hashable)


def line_chart(
    title: str,
    series: Mapping[str, Points],
    x_label: str,
    y_label: str,
    *,
    counts: Mapping[str, Sequence[int]] | None = None,
) -> dom_tag:
    """Lines of (x, y) points with a legend beside them; a line has a gap where y is None or not finite.

    Args:
        title: stands above the chart.
        series: the points of each line.
        x_label, y_label: stand at the axes.
        counts: how many values the points of a line are means of. If all are alike, the legend says it; otherwise
            each point does.
    """
    counts = counts or {}
    # None becomes NaN, which matplotlib does not draw.
    known = {name: np.array(points, dtype=np.float64).reshape(-1, 2) for name, points in series.items()}
    if not any(np.isfinite(points[:, 1]).any() for points in known.values()):
        return tags.div(tags.h2(title), tags.p("No figures yet."), cls="figure")
    styles = line_styles(known)
    # With the title as salt, identifiers are the same in every run and differ between the charts of a page.
    with mpl.rc_context(
        {
            "svg.hashsalt": title,
            "svg.fonttype": "none",
            "text.parse_math": False,
            "font.size": 13,
            "font.sans-serif": ["DejaVu Sans"],
        }
    ):
        figure = _figure(title, known, styles, x_label=x_label, y_label=y_label)
        for name in counts:
            if len(set(counts[name])) > 1:
                _write_counts(figure, known[name], counts[name], color=styles[name][0])
        svg = _svg(figure, title)
    legend = [tags.li("Last values:", cls="note")]
    legend += [_legend_entry(name, points, *styles[name], counts.get(name, ())) for name, points in known.items()]
    return tags.div(tags.h2(title), tags.div(raw(svg), tags.ul(legend), cls="chart"), cls="figure")


def line_styles(names: Iterable[_Name]) -> dict[_Name, tuple[str, str]]:
    """The colour and dash of each line; after the last colour, the first one returns with a dashed line."""
    return dict(zip(names, cycle((color, dash) for dash in _DASHES for color in _COLORS), strict=False))


def _figure(
    title: str,
    series: Mapping[str, np.ndarray],
    styles: Mapping[str, tuple[str, str]],
    *,
    x_label: str,
    y_label: str,
) -> Figure:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for name, points in series.items():
        color, dash = styles[name]
        (line,) = axes.plot(*points.T, color=color, linestyle=dash, linewidth=1.8)
        line.set_gid(re.sub(r"\W+", "-", f"line {title} {name}"))
        if len(points) <= _FEW_POINTS:
            line.set(marker="o", markersize=4)
    if axes.dataLim.y0 >= 0:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(x_label, color=_TEXT_COLOR)
    axes.set_ylabel(y_label, color=_TEXT_COLOR)
    axes.locator_params(nbins=6)
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.tick_params(colors=_TEXT_COLOR)
    axes.grid(axis="y", color=_TEXT_COLOR, alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_TEXT_COLOR)
    return figure


def _write_counts(figure: Figure, points: np.ndarray, counts: Sequence[int], *, color: str) -> None:
    """Writes above each point how many values it is a mean of."""
    (axes,) = figure.axes
    for (x, y), count in zip(points, counts, strict=True):
        if np.isfinite(y):
            axes.annotate(str(count), (x, y), (0, 5), textcoords="offset points", ha="center", color=color)


def _svg(figure: Figure, title: str) -> str:
    """The figure as an SVG element: its text stays text and takes the page's colour, and it contains no date."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)
    text = buffer.getvalue()
    # HTML allows neither the XML head nor XML namespaces inside an element.
    element = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text[text.index("<svg") :])
    named = element.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    return named.replace(_TEXT_COLOR, "currentColor")


def _legend_entry(name: str, points: np.ndarray, color: str, dash: str, counts: Sequence[int]) -> dom_tag:
    """The line's colour and name, its last value, and how many values its points are means of."""
    finite = points[np.isfinite(points[:, 1]), 1]
    value = f": {finite[-1]:.4g}" if len(finite) else ""
    number = f", n\u00a0=\u00a0{counts[0]}" if len(set(counts)) == 1 else ", n at each point" if counts else ""
    return tags.li(tags.i(style=f"border-top: 3px {dash} {color}"), f"{name}{value}{number}")
