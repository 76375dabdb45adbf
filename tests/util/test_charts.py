"""Charts: their lines, gaps and legend, in the page's own colours."""

import math
import re
import subprocess
import sys

from tests.conftest import ROOT
from util.charts import line_chart


def chart(series, title="Losses & more"):
    return line_chart(title, series, "training pairs", "loss").render(pretty=False)


def drawn_lines(text: str) -> list[str]:
    """The paths of the lines, without their markers."""
    groups = re.findall(r'<g id="line-[^"]*">\s*<path d="([^"]*)"', text)
    return [" ".join(group.split()) for group in groups]


def test_lines_have_gaps_where_a_value_is_unknown():
    text = chart({"one": [(0, 1.0), (1, 2.0), (2, None), (3, 1.0), (4, math.inf), (5, math.nan), (6, 2), (7, 2)]})
    (line,) = drawn_lines(text)
    # Each move of the pen begins a new piece.
    assert line.count("M") >= 2
    assert "one: 2<" in text


def test_points_say_how_many_values_they_are_means_of():
    series = {"alike": [(0, 1.0), (1, 2.0)], "unlike": [(0, 3.0), (1, None), (2, 4.0)]}
    counts = {"alike": [41, 41], "unlike": [43, 0, 42]}
    text = line_chart("Ages", series, "age", "years", counts=counts).render(pretty=False)
    # The numbers at the axes are smaller.
    assert re.findall(r">(4\d)</text>", text) == ["43", "42"]
    assert "alike: 2, n\u00a0=\u00a041<" in text
    assert "unlike: 4, n at each point<" in text


def test_without_values_a_sentence_stands_in_place_of_the_chart():
    for series in ({}, {"one": []}, {"one": [(1, None)], "two": [(1, math.nan)]}):
        text = chart(series)
        assert "No figures yet." in text
        assert "<svg" not in text


def test_a_chart_is_the_same_every_time_and_follows_the_colours_of_the_page():
    series = {f"_loss $x_{number}$ <b>": [(0, number), (1000000, 2)] for number in range(9)}
    text = chart(series)
    assert text == chart(series)
    assert "currentColor" in text
    assert not re.search("#000000|#010203|http|<b>", text)
    # The text stays text, and names are shown as they are.
    assert ">1,000,000</text>" in text
    assert ">training pairs</text>" in text
    assert "_loss $x_8$ &lt;b&gt;: 2" in text
    assert len(drawn_lines(text)) == 9
    # More lines than colours differ by their dashes.
    styles = re.findall(r"border-top: ([^\"]*)", text)
    assert len(set(styles)) == 9


def test_two_charts_in_a_page_do_not_share_clipping():
    clips = [set(re.findall(r"clipPath id=\"(\w+)", chart({"a": [(0, 1)]}, title))) for title in ("A", "B")]
    assert clips[0]
    assert clips[0].isdisjoint(clips[1])


def test_settings_of_matplotlib_stay_as_they_were_and_pyplot_is_not_loaded():
    # Reading the setting "backend" would itself load pyplot.
    code = (
        "import sys, matplotlib as m; read = lambda: {k: m.rcParams[k] for k in m.rcParams if k != 'backend'}\n"
        "before = read(); from util.charts import line_chart; line_chart('t', {'a': [(0, 1)]}, 'x', 'y')\n"
        "assert read() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
