"""What test.py's options ask for of each portrait, as a list of outputs."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from data.age_classes import position
from models.age_code import anchor_blends, path_blends, position_blends, traversal_blends
from util.errors import UserError
from util.images import write_image
from util.sheets import row_after_gap
from util.video import write_video

# Pillow, and programs that open pictures with it, refuse larger ones.
_MOST_PIXELS = 178_000_000


@dataclass(frozen=True)
class Output:
    """One thing to make of each portrait.

    Attributes:
        folder: where it goes below the folder of results.
        endings: of its files' names, after the name of the photo and before the suffix.
        blends: (F, num_classes), the series of ages.
        write: takes the files' paths without suffix, the input (H, W, 3) uint8, and the frames.
    """

    folder: str
    endings: Sequence[str]
    blends: Tensor
    write: Callable[[Sequence[str], np.ndarray, Iterator[np.ndarray]], None]


def planned_outputs(options: argparse.Namespace) -> list[Output]:
    """The outputs that the options ask for.

    Raises:
        UserError: an age has no place among the classes, or a row would be too large.
    """
    classes, count = options.sort_order, len(options.sort_order)
    asked = position_blends(count, [position(age, classes) for age in options.ages]) if options.ages else None
    anchors = anchor_blends(count) if asked is None else asked
    outputs: list[Output] = []
    if options.compare_to_trained_outputs:
        number, jump = options.compare_to_trained_class, options.trained_class_jump
        blends = path_blends(count, number - jump, number + jump, options.interp_step)
        outputs += _series_outputs(options, f"_compare_to_{number}_jump_{jump}", blends)
    elif options.traverse:
        blends = traversal_blends(count, options.interp_step) if asked is None else asked
        outputs += _series_outputs(options, "", blends)
    if options.deploy and options.full_progression:
        outputs.append(Output("deploy", [""], anchors, _write_row))
    elif options.deploy:
        labels = [f"_{age:g}" for age in options.ages] if options.ages else [f"_{name}" for name in classes]
        outputs.append(Output("deploy", ["_input"], anchors[:0], _write_input))
        outputs.append(Output("deploy", labels, anchors, _write_pictures))
    if options.in_the_wild:
        folders = dict.fromkeys(output.folder for output in outputs)
        outputs += [Output(folder, ["_portrait"], anchors[:0], _write_input) for folder in folders]
    _check_rows(outputs, options.output_size or options.fineSize)
    return outputs


def _series_outputs(options: argparse.Namespace, ending: str, blends: Tensor) -> Iterator[Output]:
    """A series as a video, as numbered pictures in a folder, or else as a row."""
    if options.make_video:
        yield Output("traversal", [ending], blends, partial(_write_video, options.fps, options.crf))
    if options.frames:
        numbered = [f"{ending}/{number:03d}" for number in range(len(blends))]
        yield Output("traversal", numbered, blends, _write_pictures)
    if not options.make_video and not options.frames:
        yield Output("traversal", [ending], blends, _write_row)


def _check_rows(outputs: list[Output], size: int) -> None:
    for output in outputs:
        pictures = 1 + len(output.blends)
        if output.write is _write_row and pictures * size**2 > _MOST_PIXELS:
            raise UserError(
                f"a row of {pictures} pictures of {size} pixels is too large for most programs to open; "
                "give a smaller --output_size, a larger --interp_step, or --make_video or --frames"
            )


def _write_input(targets: Sequence[str], portrait: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    write_image(Path(f"{targets[0]}.png"), portrait)


def _write_row(targets: Sequence[str], portrait: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    write_image(Path(f"{targets[0]}.png"), row_after_gap(portrait, frames))


def _write_pictures(targets: Sequence[str], portrait: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    for target, frame in zip(targets, frames, strict=True):
        write_image(Path(f"{target}.png"), frame)


def _write_video(
    fps: Fraction, crf: int, targets: Sequence[str], portrait: np.ndarray, frames: Iterator[np.ndarray]
) -> None:
    write_video(Path(f"{targets[0]}.mp4"), frames, fps, crf)
