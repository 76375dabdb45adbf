"""The options of test.py."""

import argparse
import logging
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from options.base import (
    TRAINING_ONLY,
    CommandParser,
    add_compile_option,
    add_engine_options,
    add_photo_options,
    add_results_options,
    add_shared_options,
    parse,
)
from options.named_model import add_list_option, find_model, list_models
from options.non_default import check_effects, non_default_values, warn_of_idle
from options.types import ages, frame_rate, integer, limit, number, path, positive_int, relative_name
from util.errors import UserError
from util.opt_file import value_text
from util.video import GIF_MOST_FPS

logger = logging.getLogger(__name__)

_EXAMPLES = """\
  python test.py --name females_model --in_the_wild --image_path_file photo.jpg --traverse --make_video
  python test.py --name males_model --image_path_file males_image_list.txt --deploy --full_progression"""

_PHOTO_ACTIONS = ("traverse", "deploy", "compare_to_trained_outputs", "portrait")
_SERIES_ACTIONS = ("traverse", "compare_to_trained_outputs")
_VIDEO_FORMATS = ("mp4", "gif", "webp")
# With such an ending, --out names a file.
_FILE_SUFFIXES = (".png", ".jpg", ".jpeg", *(f".{name}" for name in _VIDEO_FORMATS))
_PAGE_OPTIONS = ("debug_mode", "how_many", "ntest", "max_dataset_size")
# The portrait that a model would get does not depend on these.
_MADE_BY_MODEL = (
    *("which_epoch", "random_seed", "engine", "precision", "compile"),
    *("no_metadata", "no_moving_avg", "no_cond_noise", "verbose"),
)
# An option has an effect only if one of these others is given.
_NEEDS = {
    **dict.fromkeys(("image_path_file", "in_the_wild", "ascii_names"), _PHOTO_ACTIONS),
    **dict.fromkeys(("make_video", "frames", "interp_step"), _SERIES_ACTIONS),
    **dict.fromkeys(("compare_to_trained_class", "trained_class_jump"), ("compare_to_trained_outputs",)),
    **dict.fromkeys(("fps", "crf", "format", "side_by_side", "bounce"), ("make_video",)),
    "full_progression": ("deploy",),
    "paste_back": ("traverse", "deploy", "compare_to_trained_outputs"),
    "ages": ("traverse", "deploy"),
    **dict.fromkeys(("parser", "face"), ("in_the_wild",)),
}


def test_parser() -> CommandParser:
    """The command line of test.py."""
    parser = CommandParser(
        "test.py",
        "Use a model on photos. With none of the options under 'what to make of each photo', use it on the test\n"
        "images of --dataroot instead and write a page of results.",
        examples=_EXAMPLES,
        hidden=TRAINING_ONLY - {"nThreads"},
    )
    what = parser.group("what to make of each photo")
    what.add_argument("--traverse", action="store_true", help="the input and a series through all ages, in one row")
    what.add_argument("--make_video", action="store_true", help="make a video of the series instead of a row")
    what.add_argument(
        "--side_by_side", action="store_true", help="video: show the input beside it, and write the age below"
    )
    what.add_argument("--bounce", action="store_true", help="video: go there and back")
    what.add_argument("--frames", action="store_true", help="write the series as numbered pictures instead of a row")
    what.add_argument("--deploy", action="store_true", help="the input, and a picture at each anchor age")
    what.add_argument("--full_progression", action="store_true", help="with --deploy: put these pictures in one row")
    what.add_argument("--ages", type=ages, metavar="YEARS", help="make these ages instead, such as 4,21.5,63")
    # A smaller step would make thousands of frames without a visible difference.
    what.add_argument("--interp_step", type=number(0.001, 1), default=0.5, help="step from one anchor to the next")
    what.add_argument(
        "--portrait", action="store_true", help="make only the portrait that a model would get; no model is needed"
    )
    what.add_argument(
        "--compare_to_trained_outputs",
        action="store_true",
        help="the input and a series from one neighbour of a trained class to the other; no other series is made",
    )
    what.add_argument("--compare_to_trained_class", type=int, default=1, help="number of the trained class, from 0")
    what.add_argument("--trained_class_jump", type=int, choices=(1, 2), default=1, help="distance of its neighbours")

    what.add_argument(
        "--paste_back",
        action="store_true",
        help="put the aged head back into its photo; with --face all everybody's, all in one picture",
    )

    photos = parser.group("photos")
    photos.add_argument(
        "--image_path_file", type=path, help="a list of image paths, one a line; an image; or a folder"
    )
    add_photo_options(photos)

    results = parser.group("results")
    add_results_options(results)
    results.add_argument(
        "--ascii_names", action="store_true", help="spell the names of results in plain ASCII, for old players"
    )
    results.add_argument(
        "--output_size", type=integer(16, 8192), help="pixels that pictures and videos are scaled to"
    )
    results.add_argument(
        "--out",
        type=path,
        metavar="DIR|FILE",
        help="folder for the results, instead of one below --results_dir; or the file of one result, such as me.mp4",
    )
    results.add_argument("--format", choices=_VIDEO_FORMATS, help="format of videos (default: mp4)")
    results.add_argument(
        "--no_metadata", action="store_true", help="do not write into results that they are synthetic, and how made"
    )
    results.add_argument("--fps", type=frame_rate, default=Fraction(20), help="frames per second of videos")
    results.add_argument("--crf", type=integer(1, 51), default=16, help="quality of videos, from 1 (best) to 51")
    results.add_argument(
        "--random_seed", type=integer(-1, 2**32 - 1), default=-1, help="seed of the noise; -1: a new one"
    )
    add_engine_options(results)
    add_compile_option(results)
    results.add_argument(
        "--phase", type=relative_name, default="test", help="prefix of the class folders and of the results folder"
    )
    results.add_argument("--how_many", type=positive_int, default=50, help="page: most images of each class to show")
    results.add_argument("--ntest", type=limit, default=math.inf, help="page: most images of each class to read")
    results.add_argument("--debug_mode", action="store_true", help="page: show reconstructions too")
    add_list_option(results)

    add_shared_options(parser, threads=None)
    return parser


def parse_test_options(parser: CommandParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses and checks a command line. The model's own options come from its opt.txt unless they are given."""
    known = parser.parse_args(argv)
    list_models(known)
    options = parse(parser, argv, None if known.portrait else find_model(known))
    if any(getattr(options, name) for name in _PHOTO_ACTIONS) and options.image_path_file is None:
        raise UserError("--image_path_file: missing; give a list of image paths, an image or a folder")
    if options.portrait and any(getattr(options, name) for name in _PHOTO_ACTIONS[:-1]):
        raise UserError("--portrait: excludes --traverse, --deploy and --compare_to_trained_outputs; leave them out")
    _check_out(options, parser)
    check_effects(options, parser, _NEEDS)
    _choose_format(options, parser)
    if options.image_path_file:
        warn_of_idle(options, parser, _PAGE_OPTIONS, "on photos; it is for the page of test images")
    if options.portrait:
        warn_of_idle(options, parser, _MADE_BY_MODEL, "on --portrait, which needs no model")
    if options.ages and not options.compare_to_trained_outputs:
        warn_of_idle(options, parser, ["interp_step"], "beside --ages, which names every picture")
    if out_file(options):
        warn_of_idle(options, parser, ["ascii_names"], "on --out, whose file keeps its name")
    if options.compare_to_trained_outputs:
        if options.ages and not options.deploy:
            raise UserError("--ages: has no effect on the series of --compare_to_trained_outputs; leave it out")
        number, jump, last = options.compare_to_trained_class, options.trained_class_jump, len(options.sort_order) - 1
        if not jump <= number <= last - jump:
            raise UserError(
                f"--compare_to_trained_class {number}: with --trained_class_jump {jump} "
                f"it must be from {jump} to {last - jump}"
            )
    return options


def out_file(options: argparse.Namespace) -> Path | None:
    """The file that --out names; None if it is absent or names a folder."""
    out: Path | None = options.out
    return out if out and out.suffix.lower() in _FILE_SUFFIXES and not out.is_dir() else None


def _check_out(options: argparse.Namespace, parser: CommandParser) -> None:
    """Checks --out, and takes from it where results go and whether a video is made."""
    if options.out is None:
        return
    if non_default_values(options, parser, ["results_dir"]):
        raise UserError("--out: excludes --results_dir; leave one of them out")
    file = out_file(options)
    options.results_dir = file.parent if file else options.out
    if file is None:
        return
    if options.image_path_file is None:
        raise UserError(f"--out {file}: is a file, but the page of test images needs a folder; name one")
    suffix, series = file.suffix.lower(), any(getattr(options, name) for name in _SERIES_ACTIONS)
    if suffix in (".mp4", ".gif"):
        if not series:
            raise UserError(f"--out {file}: is a video, which needs --traverse; add it, or name a picture")
        options.make_video = True
    if options.make_video and suffix[1:] not in (_VIDEO_FORMATS if options.format is None else (options.format,)):
        wanted = " or ".join(_VIDEO_FORMATS) if options.format is None else options.format
        raise UserError(f"--out {file}: is not the name of the video that is asked for; let it end in {wanted}")


def _choose_format(options: argparse.Namespace, parser: CommandParser) -> None:
    """Decides the format of videos, and checks what it cannot do."""
    file = out_file(options)
    options.format = options.format or (file.suffix.lower()[1:] if file else "mp4")
    if options.make_video and options.format == "gif":
        if options.fps > GIF_MOST_FPS:
            raise UserError(
                f"--fps {value_text(options.fps)}: a GIF shows at most {GIF_MOST_FPS} frames a second; "
                "give a lower rate, or --format webp"
            )
        if non_default_values(options, parser, ["crf"]):
            logger.warning("--crf: has no effect on GIFs, which have 256 colours in any case")
