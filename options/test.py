"""The options of test.py."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from options.base import add_photo_options, add_shared_options, parse
from options.types import ages, limit, positive, step
from util.errors import UserError


def test_parser() -> argparse.ArgumentParser:
    """The command line of test.py."""
    parser = argparse.ArgumentParser(
        description="Use a model on photos; or, with none of the options of what to make, on the test images of "
        "--dataroot, which gives a results page.",
        usage="test.py [options]; test.py --help lists them",
        allow_abbrev=False,
    )
    add_shared_options(parser)
    what = parser.add_argument_group("what to make")
    what.add_argument("--traverse", action="store_true", help="a series through all ages, for each photo")
    what.add_argument("--make_video", action="store_true", help="the series as a video instead of pictures")
    what.add_argument("--interp_step", type=step, default=0.5, help="step of the series from one anchor to the next")
    what.add_argument("--deploy", action="store_true", help="a picture at each anchor age, for each photo")
    what.add_argument("--full_progression", action="store_true", help="all of them in one row after the input")
    what.add_argument("--ages", type=ages, help="these ages in years instead, such as 4,21.5,63")
    what.add_argument(
        "--portrait", action="store_true", help="only the portrait as a network would see it, without using a model"
    )
    what.add_argument(
        "--compare_to_trained_outputs",
        action="store_true",
        help="a trained class beside its interpolation from two neighbours",
    )
    what.add_argument("--compare_to_trained_class", type=int, default=1, help="number of that class, from 0")
    what.add_argument("--trained_class_jump", type=int, choices=(1, 2), default=1, help="how far its neighbours are")

    photos = parser.add_argument_group("photos")
    photos.add_argument(
        "--image_path_file", type=Path, help="list of image paths, one a line; or an image; or a folder"
    )
    add_photo_options(photos)

    run = parser.add_argument_group("use")
    run.add_argument("--phase", default="test", help="prefix of the class folders and of the results")
    run.add_argument("--results_dir", type=Path, default=Path("results"))
    run.add_argument("--random_seed", type=int, default=-1, help="of the age codes' noise; -1: another each time")
    run.add_argument("--ntest", type=limit, default=math.inf, help="most test images of each class")
    run.add_argument("--how_many", type=positive, default=50, help="most test images of the results page")
    run.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the networks' arithmetic")
    run.add_argument("--fps", type=positive, default=20, help="frames a second of videos")
    run.add_argument("--output_size", type=positive, help="scale pictures and videos to this many pixels")
    run.add_argument("--debug_mode", action="store_true", help="reconstructions on the results page")
    return parser


def parse_test_options(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parsed and checked; the model's own options come from its opt.txt unless given."""
    known, _ = parser.parse_known_args(argv)
    options = parse(parser, argv, known.checkpoints_dir / known.name)
    of_photos = options.traverse or options.deploy or options.compare_to_trained_outputs or options.portrait
    if of_photos and options.image_path_file is None:
        raise UserError("--image_path_file: missing; give a list of image paths, an image or a folder")
    for name in ("image_path_file", "in_the_wild", "ages"):
        if not of_photos and getattr(options, name):
            raise UserError(
                f"--{name}: what to make of it? Give --traverse, --deploy, --portrait or --compare_to_trained_outputs"
            )
    if options.compare_to_trained_outputs:
        number, jump, last = options.compare_to_trained_class, options.trained_class_jump, len(options.sort_order) - 1
        if not jump <= number <= last - jump:
            raise UserError(
                f"--compare_to_trained_class {number}: with --trained_class_jump {jump} "
                f"it must be from {jump} to {last - jump}"
            )
    return options
