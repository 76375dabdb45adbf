"""The training log as a page that opens from disk."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag

from util.charts import line_chart
from util.html import Picture, picture_table, write_page
from util.images import write_image
from util.visualizer.history import History, Progress
from util.visualizer.sinks import PictureSink, by_side

_REFRESH = 60  # seconds


class HtmlLog(PictureSink):
    """`web/index.html` with `web/images/`: the loss curves, then the pictures, newest first.

    The page is written together with pictures, because writing it for every line of the log would slow training.

    Args:
        folder: the run's folder.
        title: heading of the page.
        history: the losses that the curves show.
        picture_every: training pairs between two displays of pictures.
        charts: losses that share a scale, by the title of their chart. Other losses share a last chart.
        facts: what the page says about the run, beside its progress and the date.
    """

    def __init__(
        self,
        folder: Path,
        title: str,
        history: History,
        picture_every: int,
        charts: Mapping[str, Sequence[str]],
        facts: Mapping[str, str],
    ) -> None:
        self._page = folder / "web" / "index.html"
        self._title = title
        self._history = history
        self.picture_every = picture_every
        self._charts = charts
        self._facts = facts

    def pictures(self, progress: Progress, pictures: Mapping[str, np.ndarray]) -> None:
        images = self._page.parent / "images"
        newest = images / f"{progress.total_pairs:09d}_epoch{progress.epoch}"
        for number, (label, pixels) in enumerate(pictures.items()):
            write_image(newest / f"{number}_{_file_name(label)}.png", pixels)
        reached = {"epoch": f"{progress.epoch}", "training pairs": f"{progress.total_pairs:,}"}
        facts = {**self._facts, **reached, "date": datetime.now().strftime("%Y-%m-%d %H:%M")}
        body = self._curves()
        for folder in sorted(images.glob("[0-9]*_epoch*"), reverse=True):
            pairs, _, epoch = folder.name.partition("_epoch")
            files = {_caption(path): f"images/{folder.name}/{path.name}" for path in sorted(folder.iterdir())}
            rows = [[Picture(files[caption], caption) for caption in row] for row in by_side(files)]
            body += [tags.h2(f"Epoch {epoch}, {int(pairs):,} pairs"), picture_table([], rows)]
        write_page(self._page, self._title, facts, body, refresh=_REFRESH)

    def _curves(self) -> list[dom_tag]:
        series = self._history.series()
        others = [name for name in series if not any(name in names for names in self._charts.values())]
        charts = {**self._charts, "Other losses": others}
        groups = {title: {name: series[name] for name in names if name in series} for title, names in charts.items()}
        return [line_chart(title, group, "training pairs", "loss") for title, group in groups.items() if group]


def _file_name(label: str) -> str:
    return re.sub(r"[^\w-]+", "_", label)


def _caption(path: Path) -> str:
    return path.stem.partition("_")[2].replace("_", " ")
