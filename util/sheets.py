"""Puts pictures and their captions on white: two side by side, or a contact sheet of many rows."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from util.images import row_after_gap

_Item = TypeVar("_Item")

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
# The height of a caption's strip in heights of its text.
_STRIP = 1.8
_TEXT_SHARE, _SMALLEST_TEXT = 0.08, 10  # of a picture's height; pixels
_ROW_HEIGHT, _ROW_TEXT = 128, 12
# JPEG allows 65,535 pixels. More rows than this would be too small to tell faces apart.
_MOST_HEIGHT, _MOST_ROWS = 65_000, 1000


def side_by_side(first: np.ndarray, second: np.ndarray, captions: tuple[str, str]) -> np.ndarray:
    """Two pictures (H, W, 3) uint8 of one size with a white gap between them, and below each its caption on white."""
    row = row_after_gap(first, [second])
    height, width = first.shape[:2]
    size = max(_SMALLEST_TEXT, round(height * _TEXT_SHARE))
    sheet = Image.new("RGB", (row.shape[1], height + round(_STRIP * size)), _WHITE)
    sheet.paste(Image.fromarray(row))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    for text, centre in zip(captions, (width / 2, row.shape[1] - width / 2), strict=True):
        draw.text((centre, height + _STRIP * size / 2), text, _BLACK, font, anchor="mm")
    return np.asarray(sheet)


class ContactSheet:
    """One row of small pictures for each photo, below its name.

    Args:
        rows: how many rows will be added. The more there are, the smaller are the pictures; at most 1,000 are shown.
    """

    def __init__(self, rows: int) -> None:
        self._strip = round(_STRIP * _ROW_TEXT)
        self._height = min(_ROW_HEIGHT, _MOST_HEIGHT // min(rows, _MOST_ROWS) - self._strip)
        self._rows: list[tuple[str, np.ndarray]] = []
        self.left_out = 0

    def add(self, name: str, pictures: Sequence[np.ndarray]) -> None:
        """Adds a row of pictures (H, W, 3) uint8, which are scaled to one height."""
        if len(self._rows) == _MOST_ROWS:
            self.left_out += 1
            return
        small = [
            Image.fromarray(picture).resize(
                (max(1, round(picture.shape[1] * self._height / picture.shape[0])), self._height),
                Image.Resampling.LANCZOS,
            )
            for picture in pictures
        ]
        # The built-in font has Latin letters only. Only a few commands need the large tables of their spellings.
        from unidecode import unidecode

        self._rows.append((unidecode(name), np.hstack([np.asarray(picture) for picture in small])))

    def pixels(self) -> np.ndarray:
        """The sheet, (H, W, 3) uint8."""
        step = self._strip + self._height
        width = max(row.shape[1] for _, row in self._rows)
        sheet = Image.new("RGB", (width, step * len(self._rows)), _WHITE)
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_ROW_TEXT)
        for number, (name, row) in enumerate(self._rows):
            draw.text((2, number * step + self._strip / 2), name, _BLACK, font, anchor="lm")
            sheet.paste(Image.fromarray(row), (0, number * step + self._strip))
        return np.asarray(sheet)


def spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most `most` of the items, evenly from the first to the last."""
    return [items[round(place)] for place in np.linspace(0, len(items) - 1, min(len(items), most))]
