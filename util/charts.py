"""Charts inside pages."""

from collections.abc import Mapping, Sequence

from dominate import tags
from dominate.dom_tag import dom_tag
from dominate.util import raw

# Distinct in light and dark, and for most colour-blind people (Okabe and Ito 2008).
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#999999")


def line_chart(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str
) -> dom_tag:
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
