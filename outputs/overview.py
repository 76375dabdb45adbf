"""Shows what was made of several photos at a glance: a page, and a contact sheet with one row a photo."""

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from urllib.parse import quote

import numpy as np
from dominate import tags
from dominate.dom_tag import dom_tag

from data.photo_list import user_path
from outputs.plan import Output, model_facts
from util.html import Picture, picture_table, scroll_box, write_page
from util.images import read_image, row_pictures, write_image
from util.provenance import Manifest, Source
from util.sheets import ContactSheet, spread
from util.video import read_frames

logger = logging.getLogger(__name__)

# A long series is shown by this many of its pictures, from the first to the last.
_MOST_SHOWN = 7
# A view shows the files as they are, whatever they were made of, so that its own source in the manifest is no file.
_SOURCE = Source(Path("<photos>"))
_VIDEO, _ANIMATED = (".mp4",), (".gif", ".webp")


class Overview:
    """Two views of a command's files, beside them: `<title>.html` and `<title>_contact_sheet.jpg`.

    There is one pair in each folder of outputs. The title is the name of the folder or list of photos.

    Args:
        options: the command's options.
        folder: folder of the results.
        outputs: what is made of each portrait.
        manifest: protects other files of these names. Views of an earlier command are replaced.

    Raises:
        UserError: such a file exists, and this project did not make it.
    """

    def __init__(
        self, options: argparse.Namespace, folder: Path, outputs: Sequence[Output], manifest: Manifest
    ) -> None:
        source = user_path(str(options.image_path_file)).resolve()
        self._title = source.name if source.is_dir() else source.stem
        self._options, self._folder, self._outputs, self._manifest = options, folder, outputs, manifest
        self._places = list(dict.fromkeys(output.folder for output in outputs))
        manifest.check([path for place in self._places for path in self._paths(place)], _SOURCE, {})

    def write(self, captions: Mapping[str, str]) -> None:
        """Writes the views; `captions` has the name of each portrait's files and the caption that it gets."""
        options = self._options
        seed = str(options.random_seed) if options.random_seed >= 0 else "a new one for each portrait"
        model = {"model": f"{options.name}, epoch {options.which_epoch}", "seed": seed}
        facts = {
            **({} if options.portrait else model),
            "photos": f"{len(captions)} portraits from {options.image_path_file}",
            "date": date.today().isoformat(),
        }
        for place in self._places:
            page, sheet = self._paths(place)
            self._manifest.claim([page, sheet], _SOURCE, {})
            shown = [output for output in self._outputs if output.folder == place]
            write_image(sheet, self._contact_sheet(shown, captions), model_facts(options))
            link = tags.p(tags.a("contact sheet", href=quote(sheet.name)))
            elements = _elements(shown, self._folder, captions)
            write_page(page, self._title, facts, [link, *elements])
            logger.info("overview: %s", page)

    def _paths(self, place: str) -> tuple[Path, Path]:
        folder = self._folder / place
        return folder / f"{self._title}.html", folder / f"{self._title}_contact_sheet.jpg"

    def _contact_sheet(self, outputs: Sequence[Output], captions: Mapping[str, str]) -> np.ndarray:
        first, made = _split(outputs)
        if any(output.is_row or output.is_side_by_side for output in made):
            first = []  # These begin with the input.
        sheet = ContactSheet(len(captions))
        for name, caption in captions.items():
            sheet.add(
                caption, [pixels for output in [*first, *made] for pixels in _previews(output, self._folder, name)]
            )
        if sheet.left_out:
            logger.warning("the contact sheet leaves %d portraits out", sheet.left_out)
        return sheet.pixels()


def _split(outputs: Sequence[Output]) -> tuple[list[Output], list[Output]]:
    """The output that shows the input, as a list of one or none, and those that show what was made."""
    return [output for output in outputs if not output.ages][:1], [output for output in outputs if output.ages]


def _previews(output: Output, folder: Path, name: str) -> list[np.ndarray]:
    """Some of the pictures in an output's files."""
    paths = output.paths(folder, name)
    if _is_video(output):
        frames = read_frames(paths[0], _MOST_SHOWN)
        if not output.is_side_by_side:
            return frames
        pairs = [row_pictures(frame, 2) for frame in frames]
        return [pairs[0][0], *(right for _, right in pairs)]
    if output.is_row:
        return spread(row_pictures(np.asarray(read_image(paths[0])), 1 + len(output.blends)), _MOST_SHOWN)
    return [np.asarray(read_image(path)) for path in spread(paths, _MOST_SHOWN)]


def _elements(outputs: Sequence[Output], folder: Path, captions: Mapping[str, str]) -> Iterator[dom_tag]:
    """The page's elements: rows one below the other, videos side by side, and a table of single pictures."""
    first, made = _split(outputs)
    wide = [output for output in made if output.is_row or _is_video(output)]
    pictures = [output for output in made if not (output.is_row or _is_video(output))]
    # The input alone would make a table of one column below the videos.
    single = [*first, *pictures] if pictures or not wide else []
    for output in wide:
        files = [(output.paths(folder, name)[0].name, caption) for name, caption in captions.items()]
        figures = [_figure(file, caption, output) for file, caption in files]
        yield tags.div(figures, cls="gallery")
    rows = []
    for name, caption in captions.items():
        paths = [path for output in single for path in spread(output.paths(folder, name), _MOST_SHOWN)]
        addresses = [path.relative_to(folder / outputs[0].folder).as_posix() for path in paths]
        rows.append([Picture(address, "" if number else caption) for number, address in enumerate(addresses)])
    if single:
        columns = [age for output in single for age in spread(output.ages or ["input"], _MOST_SHOWN)]
        yield picture_table(columns, rows, slider="age" if first and pictures else None)


def _is_video(output: Output) -> bool:
    return output.endings[0].endswith((*_VIDEO, *_ANIMATED))


def _figure(file: str, caption: str, output: Output) -> dom_tag:
    """A row that scrolls, or a video that repeats."""
    address = quote(file)
    if output.is_row:
        row = tags.img(src=address, alt=caption, loading="lazy", decoding="async")
        body = scroll_box(tags.a(row, href=address))
    elif file.endswith(_VIDEO):
        video = tags.video(src=address, preload="metadata")
        for attribute in ("controls", "loop", "muted", "playsinline"):
            video[attribute] = ""
        body = video
    else:
        body = tags.a(tags.img(src=address, alt=caption, loading="lazy"), href=address)
    return tags.figure(body, tags.figcaption(caption))
