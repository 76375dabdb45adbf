"""The options of evaluate.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from options.base import add_photo_options, add_shared_options, parse
from options.types import limit, positive, whole


def evaluate_parser() -> argparse.ArgumentParser:
    """The command line of evaluate.py."""
    parser = argparse.ArgumentParser(
        description="Score a model: on people whose true pictures at every age are known, or on photos.",
        usage="evaluate.py (--paired DIR | --photos LIST) [options]; evaluate.py --help lists them",
        allow_abbrev=False,
    )
    add_shared_options(parser)
    run = parser.add_argument_group("evaluation")
    what = run.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--paired",
        type=Path,
        metavar="DIR",
        help="data set in which each test person has a picture in every class, always under the same file name "
        "(datasets/synthesize.py --paired makes one); training people who have them too serve as a baseline",
    )
    what.add_argument(
        "--photos",
        type=Path,
        metavar="LIST",
        help="list of image paths, an image or a folder: aligned portraits with parsing maps, or any photos with "
        "--in_the_wild; published networks judge age and identity",
    )
    add_photo_options(run)
    run.add_argument("--phase", default="test", help="prefix of the class folders of the people to score")
    run.add_argument("--ntest", type=limit, default=limit("inf"), help="score at most this many people")
    run.add_argument(
        "--train_people",
        type=whole,
        default=500,
        help="compare with the nearest of at most this many training people; 0 leaves this baseline out",
    )
    run.add_argument("--traversal_steps", type=positive, default=5, help="steps from one class to the next")
    run.add_argument("--results_dir", type=Path, default=Path("results"))
    run.add_argument("--random_seed", type=whole, default=0, help="seed of the age codes' noise")
    run.add_argument(
        "--precision", choices=("fp32", "bf16"), default="fp32", help="precision of the networks' arithmetic"
    )
    return parser


def parse_evaluate_options(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses and checks the command line; options that are not given come from the model's opt.txt."""
    known, _ = parser.parse_known_args(argv)
    return parse(parser, argv, known.checkpoints_dir / known.name)
