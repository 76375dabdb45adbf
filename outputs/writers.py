"""Writes the files of one output from a portrait and its frames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from util.images import row_after_gap, write_image
from util.metadata import Facts
from util.sheets import side_by_side
from util.video import there_and_back, write_video

Frames = Iterator[np.ndarray]
# What each file says about itself; None means nothing.
Told = Sequence[Facts | None]

# Writes the files at these paths from the input (H, W, 3) uint8 and the frames.
Write = Callable[[Sequence[Path], np.ndarray, Frames, Told], None]


def write_input(paths: Sequence[Path], portrait: np.ndarray, frames: Frames, told: Told) -> None:
    """The input alone."""
    write_image(paths[0], portrait, told[0])


def write_row(paths: Sequence[Path], portrait: np.ndarray, frames: Frames, told: Told) -> None:
    """The input and the frames in a row."""
    write_image(paths[0], row_after_gap(portrait, frames), told[0])


def write_pictures(paths: Sequence[Path], portrait: np.ndarray, frames: Frames, told: Told) -> None:
    """Each frame in a file."""
    for path, frame, facts in zip(paths, frames, told, strict=True):
        write_image(path, frame, facts)


@dataclass(frozen=True)
class VideoWriter:
    """Writes the frames as a video.

    Attributes:
        fps: frames per second.
        crf: quality, from 1 (best) to 51.
        captions: if given, the input is shown beside each frame, with the frame's caption below.
        bounce: whether the video goes back to the first frame.
    """

    fps: Fraction
    crf: int
    captions: Sequence[str] | None
    bounce: bool

    def __call__(self, paths: Sequence[Path], portrait: np.ndarray, frames: Frames, told: Told) -> None:
        if self.captions:
            pairs = zip(frames, self.captions, strict=True)
            frames = (side_by_side(portrait, frame, ("input", caption)) for frame, caption in pairs)
        if self.bounce:
            frames = there_and_back(frames)
        write_video(paths[0], frames, self.fps, self.crf, facts=told[0])
