"""Draws what `python -m benchmarks.collapse --csv FILE` measured: python -m benchmarks.collapse_figure FILE OUT.svg.

There are panels of spread, error, age accuracy and identity over the iterations, with a line for each variant.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from benchmarks.collapse_table import COLUMNS
from util.charts import line_styles

_PANELS = {
    "spread": "deviation over space",
    "error": "L1 of reconstruction",
    "age_accuracy": "age accuracy",
    "identity": "identity",
}
_VARIANT = COLUMNS[: COLUMNS.index("iteration")]
_WORDS = {
    "norm": "{} norm",
    "init": "{}",
    "styles": "{} style branches",
    "lambda_adv": "adversarial weight {}",
    "warmup": "warm-up {}",
    "id_stop_gradient": "target detached: {}",
    "steady_start": "steady start {}",
}

Rows = Mapping[tuple[str, ...], Sequence[Mapping[str, str]]]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.collapse_figure", description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("svg", type=Path)
    options = parser.parse_args()
    if not options.csv.is_file():
        parser.error(f"{options.csv}: no such file; benchmarks.collapse writes it with --csv")
    with options.csv.open(encoding="utf-8", newline="") as file:
        if next(csv.reader(file), None) != COLUMNS:
            parser.error(f"{options.csv}: does not have the columns that benchmarks.collapse writes")
    # The same rows give the same file, and the text stays text.
    with mpl.rc_context({"svg.hashsalt": "collapse", "svg.fonttype": "none", "font.size": 11}):
        FigureCanvasSVG(figure(read(options.csv))).print_svg(options.svg, metadata={"Date": None})


def read(path: Path) -> Rows:
    """The rows of a file by variant."""
    rows = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[tuple(row[name] for name in _VARIANT)].append(row)
    return rows


def figure(rows: Rows) -> Figure:
    """The panels, and a legend below them: the first variant, and in what each other one differs from it."""
    made = Figure(figsize=(14, 5.4), layout="constrained")
    names, styles = _names(list(rows)), line_styles(rows)
    for axes, (column, label) in zip(made.subplots(1, len(_PANELS)), _PANELS.items(), strict=True):
        for variant, of_variant in rows.items():
            points = [(int(row["iteration"]), float(row[column])) for row in of_variant]
            color, dash = styles[variant]
            line = axes.plot(*zip(*points, strict=True), color=color, linestyle=dash, label=names[variant])
            line[0].set(marker="o", markersize=3)
        axes.set(title=label, xlabel="iterations", ylim=(0, None))
        axes.grid(alpha=0.3)
    made.legend(*axes.get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return made


def _names(variants: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The first variant is named by all columns in which variants differ, the others by those that differ from it."""
    varied = [number for number in range(len(_VARIANT)) if len({variant[number] for variant in variants}) > 1]
    first, *others = variants
    differing = {variant: [n for n in varied if variant[n] != first[n]] for variant in others}
    return {
        variant: ", ".join(_WORDS.get(_VARIANT[n], _VARIANT[n] + " {}").format(variant[n]) for n in numbers)
        for variant, numbers in {first: varied, **differing}.items()
    }


if __name__ == "__main__":
    main()
