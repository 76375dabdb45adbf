"""The outputs that test.py makes of each portrait, as its options ask for them."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from data.age_classes import position
from models.age_code import anchor_blends, path_blends, position_blends, traversal_blends
from options.base import CommandParser
from options.non_default import non_default_values
from util.errors import UserError
from util.images import row_after_gap, write_image
from util.video import write_video

# Pillow, and programs that open pictures with it, refuse larger ones.
_MOST_PIXELS = 178_000_000

# A portrait depends on the first options; a model's outputs depend on the second ones as well.
_PORTRAIT_SETTINGS = ("in_the_wild", "parser", "face", "output_size", "loadSize")
MODEL_SETTINGS = ("fineSize", "resize_or_crop", "sort_order", "precision", "no_moving_avg", "no_cond_noise")


@dataclass(frozen=True)
class Output:
    """One thing to make of each portrait.

    Attributes:
        folder: subfolder of the results.
        endings: what follows the photo's name in the names of its files.
        blends: (F, num_classes), the series of ages.
        write: writes the files at these paths from the input (H, W, 3) uint8 and the frames.
        settings: the options that its pictures depend on, where they differ from the defaults.
    """

    folder: str
    endings: Sequence[str]
    blends: Tensor
    write: Callable[[Sequence[Path], np.ndarray, Iterator[np.ndarray]], None]
    settings: Mapping[str, str]

    def paths(self, results: Path, name: str) -> list[Path]:
        """The files for a photo of that name."""
        return [results / self.folder / f"{name}{ending}" for ending in self.endings]

    def made_paths(self, results: Path, name: str) -> list[Path]:
        """What the manifest names: the files, or the one folder that holds numbered pictures."""
        ends = dict.fromkeys(ending.split("/")[0] for ending in self.endings)
        return [results / self.folder / f"{name}{end}" for end in ends]


def planned_outputs(options: argparse.Namespace, parser: CommandParser) -> list[Output]:
    """The outputs that the options ask for.

    Raises:
        UserError: an age cannot be mapped to the classes, or a row would be too large.
    """
    classes, count = options.sort_order, len(options.sort_order)
    asked = position_blends(count, [position(age, classes) for age in options.ages]) if options.ages else None
    anchors = anchor_blends(count) if asked is None else asked
    settings = partial(non_default_values, options, parser)
    if options.portrait:
        return [Output("portraits", ["_portrait.png"], anchors[:0], _write_input, settings(_PORTRAIT_SETTINGS))]
    outputs: list[Output] = []
    if options.compare_to_trained_outputs:
        number, jump = options.compare_to_trained_class, options.trained_class_jump
        blends = path_blends(count, number - jump, number + jump, options.interp_step)
        outputs += _series_outputs(options, f"_compare_to_{number}_jump_{jump}", blends, settings)
    elif options.traverse:
        blends = traversal_blends(count, options.interp_step) if asked is None else asked
        outputs += _series_outputs(options, "", blends, settings)
    needed = (*_PORTRAIT_SETTINGS, *MODEL_SETTINGS)
    shared = settings(needed)
    if options.deploy and options.full_progression:
        outputs.append(Output("deploy", [".png"], anchors, _write_row, settings((*needed, "ages"))))
    elif options.deploy:
        labels = [f"{age:g}" for age in options.ages] if options.ages else classes
        outputs.append(Output("deploy", ["_input.png"], anchors[:0], _write_input, shared))
        outputs.append(Output("deploy", [f"_{label}.png" for label in labels], anchors, _write_pictures, shared))
    if options.in_the_wild:
        folders = dict.fromkeys(output.folder for output in outputs)
        outputs += [Output(folder, ["_portrait.png"], anchors[:0], _write_input, shared) for folder in folders]
    _check_rows(outputs, options.output_size or options.fineSize)
    return outputs


def _series_outputs(
    options: argparse.Namespace,
    ending: str,
    blends: Tensor,
    settings: Callable[[Sequence[str]], Mapping[str, str]],
) -> Iterator[Output]:
    """A series as a video, as numbered pictures in a folder, or else as a row."""
    needed = (*_PORTRAIT_SETTINGS, *MODEL_SETTINGS, "ages", "interp_step")
    if options.make_video:
        write = partial(_write_video, options.fps, options.crf)
        yield Output("traversal", [f"{ending}.mp4"], blends, write, settings((*needed, "fps", "crf")))
    if options.frames:
        numbered = [f"{ending}/{number:03d}.png" for number in range(len(blends))]
        yield Output("traversal", numbered, blends, _write_pictures, settings(needed))
    if not options.make_video and not options.frames:
        yield Output("traversal", [f"{ending}.png"], blends, _write_row, settings(needed))


def _check_rows(outputs: list[Output], size: int) -> None:
    for output in outputs:
        pictures = 1 + len(output.blends)
        if output.write is _write_row and pictures * size**2 > _MOST_PIXELS:
            raise UserError(
                f"a row of {pictures} pictures of {size} pixels is too large for most programs to open; "
                "give a smaller --output_size, a larger --interp_step, or --make_video or --frames"
            )


def _write_input(paths: Sequence[Path], portrait: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    write_image(paths[0], portrait)


def _write_row(paths: Sequence[Path], portrait: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    write_image(paths[0], row_after_gap(portrait, frames))


def _write_pictures(paths: Sequence[Path], portrait: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)


def _write_video(
    fps: Fraction, crf: int, paths: Sequence[Path], portrait: np.ndarray, frames: Iterator[np.ndarray]
) -> None:
    write_video(paths[0], frames, fps, crf)
