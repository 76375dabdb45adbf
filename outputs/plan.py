"""The outputs that test.py makes of each portrait, as its options ask for them."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.age_classes import position, years
from data.in_the_wild.pasted_photo import MOST_SERIES_PIXELS
from models.age_code import anchor_blends, path_blends, position_blends, traversal_blends
from options.base import CommandParser
from options.build import weights_path
from options.non_default import non_default_values
from options.test import out_file
from outputs.writers import VideoWriter, Write, write_input, write_pictures, write_row
from util.errors import UserError
from util.metadata import SYNTHETIC, Facts
from util.provenance import source_id

# Pillow, and programs that open pictures with it, refuse larger ones.
_MOST_PIXELS = 178_000_000
_PORTRAIT = "_portrait.png"

# A portrait depends on the first options; a model's outputs depend on the second ones as well.
_PORTRAIT_SETTINGS = ("in_the_wild", "parser", "face", "output_size", "loadSize")
_MODEL_SETTINGS = (
    "fineSize",
    "resize_or_crop",
    "sort_order",
    "precision",
    "no_moving_avg",
    "no_cond_noise",
    "paste_back",
)
# The name of the results' folder says these, unless the user gave another folder.
_FOLDER_SETTINGS = ("name", "which_epoch", "random_seed")
_ACTIONS = (
    *("portrait", "traverse", "make_video", "deploy", "full_progression"),
    *("compare_to_trained_outputs", "compare_to_trained_class", "trained_class_jump"),
)

# The values of options that differ from the defaults.
Settings = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Output:
    """One thing to make of each portrait.

    Attributes:
        folder: subfolder of the results.
        endings: what follows the photo's name in the names of its files.
        blends: (F, num_classes), the series of ages.
        ages: what each file shows, as it says about itself; empty if the files show the input only.
        write: writes the files.
        settings: the options that its pictures depend on, where they differ from the defaults.
    """

    folder: str
    endings: Sequence[str]
    blends: Tensor
    ages: Sequence[str]
    write: Write
    settings: Mapping[str, str]

    def make(
        self, results: Path, name: str, *, portrait: np.ndarray, frames: Iterator[np.ndarray], facts: Facts | None
    ) -> None:
        """Writes the files for a photo of that name.

        Args:
            results: folder of the results.
            name: the photo's name.
            portrait: (H, W, 3) uint8, the input.
            frames: (H, W, 3) uint8, one for each blend.
            facts: what made pictures say about themselves besides their ages; None means nothing.
        """
        paths = self.paths(results, name)
        told = [facts and {**facts, "ages": ages} for ages in self.ages] if self.ages else [None] * len(paths)
        self.write(paths, portrait, frames, told)

    @property
    def is_row(self) -> bool:
        """Whether the file is the input and the frames in a row."""
        return self.write is write_row

    @property
    def shows_portrait(self) -> bool:
        """Whether the file shows the portrait that the network saw, in any case."""
        return list(self.endings) == [_PORTRAIT]

    @property
    def most_pixels(self) -> int | None:
        """Larger photos are reduced to so many pixels before heads are pasted back; None means at no size."""
        if self.is_row:
            return min(MOST_SERIES_PIXELS, _MOST_PIXELS // (1 + len(self.blends)))
        is_single = self.write in (write_input, write_pictures) and "/" not in self.endings[0]
        return None if is_single else MOST_SERIES_PIXELS

    @property
    def is_side_by_side(self) -> bool:
        """Whether the file is a video with the input beside the frames."""
        return isinstance(self.write, VideoWriter) and self.write.captions is not None

    def paths(self, results: Path, name: str) -> list[Path]:
        """The files for a photo of that name."""
        return [results / self.folder / f"{name}{ending}" for ending in self.endings]

    def made_paths(self, results: Path, name: str) -> list[Path]:
        """What the manifest names: the files, or the one folder that holds numbered pictures."""
        ends = dict.fromkeys(ending.split("/")[0] for ending in self.endings)
        return [results / self.folder / f"{name}{end}" for end in ends]


def model_facts(options: argparse.Namespace) -> Facts | None:
    """What every made picture says about itself; None if the user wants none of it."""
    if options.no_metadata or options.portrait:
        return None
    weights = source_id(weights_path(options))
    seed = {"seed": str(options.random_seed)} if options.random_seed >= 0 else {}
    return {"software": "Lifespan", SYNTHETIC: "true", "model": options.name, "weights_sha256": weights, **seed}


def model_settings(options: argparse.Namespace) -> Sequence[str]:
    """The options of the model that made pictures depend on, unless the name of their folder says them."""
    return (*_MODEL_SETTINGS, *(_FOLDER_SETTINGS if options.out else ()))


def planned_outputs(options: argparse.Namespace, parser: CommandParser) -> list[Output]:
    """The outputs that the options ask for.

    Raises:
        UserError: an age cannot be mapped to the classes, a row would be too large, or an output cannot have the
            place that the user gave.
    """
    classes, count = options.sort_order, len(options.sort_order)
    asked = position_blends(count, [position(age, classes) for age in options.ages]) if options.ages else None
    anchors = anchor_blends(count) if asked is None else asked
    labels = [f"{age:g}" for age in options.ages] if options.ages else classes
    listed = ", ".join(labels)
    settings = partial(non_default_values, options, parser)
    if options.portrait:
        shared = settings(_PORTRAIT_SETTINGS)
        return _placed([Output("portraits", [_PORTRAIT], anchors[:0], [], write_input, shared)], options, settings)
    outputs: list[Output] = []
    if options.compare_to_trained_outputs:
        number, jump = options.compare_to_trained_class, options.trained_class_jump
        ends = number - jump, number + jump
        span, ending = " to ".join(classes[end] for end in ends), f"_compare_to_{number}_jump_{jump}"
        outputs += _series_outputs(options, ending, path_blends(count, *ends, options.interp_step), span, settings)
    elif options.traverse:
        blends = traversal_blends(count, options.interp_step) if asked is None else asked
        span = f"{classes[0]} to {classes[-1]}" if asked is None else listed
        outputs += _series_outputs(options, "", blends, span, settings)
    needed = (*_PORTRAIT_SETTINGS, *model_settings(options))
    shared = settings(needed)
    if options.deploy and options.full_progression:
        outputs.append(Output("deploy", [".png"], anchors, [listed], write_row, settings((*needed, "ages"))))
    elif options.deploy:
        if len(set(labels)) < len(labels):
            raise UserError(f"--ages {listed}: two of these would be one file; give different ages")
        outputs.append(Output("deploy", ["_input.png"], anchors[:0], [], write_input, shared))
        endings = [f"_{label}.png" for label in labels]
        outputs.append(Output("deploy", endings, anchors, labels, write_pictures, shared))
    if not options.paste_back:
        _check_rows(outputs, options.output_size or options.fineSize)
    if options.in_the_wild and not out_file(options):
        folders = dict.fromkeys("" if options.out else output.folder for output in outputs)
        outputs += [Output(folder, [_PORTRAIT], anchors[:0], [], write_input, shared) for folder in folders]
    return _placed(outputs, options, settings)


def _series_outputs(
    options: argparse.Namespace,
    ending: str,
    blends: Tensor,
    span: str,
    settings: Settings,
) -> Iterator[Output]:
    """A series as a video, as numbered pictures in a folder, or else as a row."""
    needed = (*_PORTRAIT_SETTINGS, *model_settings(options), "ages", "interp_step")
    if options.make_video:
        captions = [f"age {age:.0f}" for age in _years(options, blends)] if options.side_by_side else None
        write = VideoWriter(options.fps, options.crf, captions, bounce=options.bounce)
        used = settings((*needed, "fps", "crf", "side_by_side", "bounce"))
        yield Output("traversal", [f"{ending}.{options.format}"], blends, [span], write, used)
    if options.frames:
        numbered = [f"{ending}/{number:03d}.png" for number in range(len(blends))]
        try:
            ages = [f"{age:.1f}" for age in _years(options, blends)]
        except UserError:  # The names of the classes are no years.
            ages = [span] * len(blends)
        yield Output("traversal", numbered, blends, ages, write_pictures, settings(needed))
    if not options.make_video and not options.frames:
        yield Output("traversal", [f"{ending}.png"], blends, [span], write_row, settings(needed))


def _years(options: argparse.Namespace, blends: Tensor) -> list[float]:
    """The age in years that each blend shows."""
    return years((blends @ torch.arange(blends.shape[1]).float()).tolist(), options.sort_order)


def _placed(outputs: list[Output], options: argparse.Namespace, settings: Settings) -> list[Output]:
    """The outputs at the place that the user gave: in one folder, or as one file."""
    if options.out is None:
        return outputs
    endings = [ending for output in outputs for ending in output.endings]
    if file := out_file(options):
        if len(endings) > 1:
            raise UserError(f"--out {file}: is one file, but {len(endings)} are made of a photo; name a folder")
        # Unlike other names of files, this one does not tell what is in it.
        used = {**outputs[0].settings, **settings(_ACTIONS)}
        return [replace(outputs[0], folder="", endings=[file.suffix], settings=used)]
    if len(set(endings)) < len(endings):
        raise UserError(
            f"--out {options.out}: the rows of --traverse and --deploy would have the same name; "
            "make them one after the other in two folders"
        )
    return [replace(output, folder="") for output in outputs]


def _check_rows(outputs: list[Output], size: int) -> None:
    for output in outputs:
        pictures = 1 + len(output.blends)
        if output.is_row and pictures * size**2 > _MOST_PIXELS:
            raise UserError(
                f"a row of {pictures} pictures of {size} pixels is too large for most programs to open; "
                "give a smaller --output_size, a larger --interp_step, or --make_video or --frames"
            )
