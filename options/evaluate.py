"""The options of evaluate.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from options.base import TRAINING_ONLY, CommandParser, add_photo_options, add_shared_options, find_model, parse
from options.types import limit, non_negative_int, positive_int


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
        type=Path,
        metavar="DIR",
        help="data set with a picture of each test person in every class, under one file name "
        "(datasets/synthesize.py); its training people, if they are so too, give a baseline",
    )
    what.add_argument(
        "--photos",
        type=Path,
        metavar="LIST",
        help="list of image paths, an image or a folder: aligned portraits with parsing maps, or any photos with "
        "--in_the_wild; scored by others' networks for age and identity",
    )
    what.add_argument("--list_models", action="store_true", help="list the models in --checkpoints_dir and stop")
    add_photo_options(run)
    run.add_argument("--phase", default="test", help="prefix of the test people's class folders")
    run.add_argument("--ntest", type=limit, default=limit("inf"), help="most test people")
    run.add_argument(
        "--train_people", type=non_negative_int, default=500, help="most training people of that baseline; 0: none"
    )
    run.add_argument("--traversal_steps", type=positive_int, default=5, help="steps from one class to the next")
    run.add_argument("--results_dir", type=Path, default=Path("results"))
    run.add_argument("--random_seed", type=non_negative_int, default=0, help="of the age codes' noise")
    run.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the networks' arithmetic")
    return parser


def parse_evaluate_options(parser: CommandParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parsed and checked; the model's own options come from its opt.txt unless given."""
    return parse(parser, argv, find_model(parser.parse_args(argv)))
