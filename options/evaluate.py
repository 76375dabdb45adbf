"""The options of evaluate.py."""

import argparse
from collections.abc import Sequence

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
from options.non_default import check_effects, non_default_values
from options.types import integer, limit, non_negative_int, path, relative_name

# An option has an effect only if one of these others is given.
_NEEDS = {
    "in_the_wild": ("photos",),
    **dict.fromkeys(("face", "parser"), ("in_the_wild",)),
    **dict.fromkeys(("phase", "ntest", "max_dataset_size", "train_people", "traversal_steps"), ("paired",)),
}

_SCORES_DEPEND_ON = (
    *("random_seed", "precision", "no_moving_avg", "no_cond_noise", "sort_order"),
    *("loadSize", "fineSize", "resize_or_crop", "in_the_wild", "face", "parser"),
    *("phase", "ntest", "max_dataset_size", "train_people", "traversal_steps"),
)


def evaluate_parser() -> CommandParser:
    """The command line of evaluate.py."""
    parser = CommandParser(
        "evaluate.py",
        "Score a model: on people whose true pictures at every age are known (--paired), or on photos (--photos).",
        hidden=TRAINING_ONLY,
    )
    add_shared_options(parser)
    run = parser.group("evaluation")
    what = run.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--paired",
        type=path,
        metavar="DIR",
        help="data set in which each test person has a picture in every class, always under the same file name "
        "(datasets/synthesize.py --paired makes one); training people with such pictures serve as a baseline",
    )
    what.add_argument(
        "--photos",
        type=path,
        metavar="LIST",
        help="list of image paths, an image or a folder: aligned portraits with parsing maps, or any photos with "
        "--in_the_wild; published networks judge age and identity",
    )
    add_list_option(what)
    add_photo_options(run)
    run.add_argument(
        "--phase", type=relative_name, default="test", help="prefix of the class folders of the people to score"
    )
    run.add_argument("--ntest", type=limit, default=limit("inf"), help="most people to score")
    run.add_argument(
        "--train_people",
        type=non_negative_int,
        default=500,
        help="compare with the nearest of at most this many training people; 0 leaves this baseline out",
    )
    run.add_argument("--traversal_steps", type=integer(1, 1000), default=5, help="steps from one class to the next")
    add_results_options(run)
    run.add_argument("--random_seed", type=non_negative_int, default=0, help="seed of the age codes' noise")
    add_engine_options(run)
    add_compile_option(run)
    return parser


def parse_evaluate_options(parser: CommandParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses and checks the command line. Model options that are not given come from the model's opt.txt."""
    known = parser.parse_args(argv)
    list_models(known)
    options = parse(parser, argv, find_model(known))
    check_effects(options, parser, _NEEDS)
    return options


def settings_of(options: argparse.Namespace, parser: CommandParser) -> dict[str, str]:
    """The options that scores depend on, if they differ from their defaults."""
    return non_default_values(options, parser, _SCORES_DEPEND_ON)
