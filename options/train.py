"""The options of train.py."""

import argparse
from collections.abc import Sequence
from typing import get_args

from models.discriminator import smallest_side
from models.precision import Precision
from options.base import CommandParser, add_shared_options, parse
from options.non_default import warn_of_idle
from options.types import (
    boolean,
    integer,
    non_negative_float,
    non_negative_int,
    non_negative_ints,
    number,
    path,
    positive_int,
    relative_name,
)
from util.distributed import is_main_process
from util.errors import UserError

# A resumed run does not take these from its opt.txt, because they name the run, the task and the machine.
_NEVER_RESUMED = frozenset(
    (
        *("name", "checkpoints_dir", "continue_train", "overwrite", "load_pretrain", "which_epoch"),
        *("dry_run", "debug", "verbose", "gpu_ids", "processes", "nThreads", "cuda_graph"),
    )
)


def train_parser() -> CommandParser:
    """The command line of train.py, with the paper's values as defaults."""
    parser = CommandParser("train.py", "Train a model.")
    add_shared_options(parser)
    run = parser.group("training")
    run.add_argument("--phase", type=relative_name, default="train", help="prefix of the class folders")
    run.add_argument("--epochs", type=positive_int, default=400, help="last epoch")
    run.add_argument("--continue_train", "--continue_training", action="store_true", help="go on from --which_epoch")
    run.add_argument("--overwrite", action="store_true", help="replace the run or model that has this --name")
    run.add_argument(
        "--load_pretrain",
        type=path,
        help="folder of a model to start from, whose --ngf may be a fraction of this one's",
    )
    run.add_argument(
        "--train_outer_levels",
        type=non_negative_int,
        default=0,
        metavar="N",
        help="train only the generator's N outermost resolutions, for instance those that a pretrained model for "
        "smaller pictures lacks; 0: all of it",
    )
    run.add_argument(
        "--augment_inputs",
        type=number(0, 1),
        default=0.0,
        metavar="SHARE",
        help="share of the inputs whose light, texture, sharpness, place and size are changed, while the losses see "
        "the pictures as they are: for inputs unlike those of the data set; 0: none",
    )
    run.add_argument("--seed", type=non_negative_int, default=0, help="seed of weights, pairs, crops and age codes")
    run.add_argument("--debug", action="store_true", help="one epoch, displayed at every iteration")
    run.add_argument("--dry-run", action="store_true", help="print settings, counts and sizes, and stop")
    run.add_argument(
        "--init",
        choices=("centered", "paper"),
        default="centered",
        help="initial weights: centered shortens the phase of flat pictures, paper gives the paper's",
    )

    output = parser.group("output; intervals are counted in training pairs")
    output.add_argument("--print_freq", type=positive_int, default=40, help="losses to console and loss_log.txt")
    output.add_argument("--display_freq", type=positive_int, default=40, help="pictures to visdom and TensorBoard")
    output.add_argument("--save_latest_freq", type=positive_int, default=5000, help="save checkpoint 'latest'")
    output.add_argument("--save_display_freq", type=positive_int, default=5000, help="pictures to the HTML log")
    output.add_argument(
        "--save_epoch_freq", type=positive_int, default=20, help="save checkpoint of the epoch; in epochs"
    )
    output.add_argument("--no_html", action="store_true", help="write no HTML log")
    output.add_argument("--tensorboard", action="store_true", help="write curves and pictures for TensorBoard")
    output.add_argument(
        "--metrics_freq",
        type=non_negative_int,
        default=0,
        help="compute FID and KID on test pictures, or on training pictures if none exist; in epochs, 0: never",
    )

    loss = parser.group("losses and optimisation")
    loss.add_argument(
        "--lambda_adv",
        type=non_negative_float,
        default=4.0,
        help="weight of the adversarial loss, from which a model learns to age; the paper has 1, and so has "
        "--load_pretrain by default; 0 trains without a discriminator",
    )
    loss.add_argument("--lambda_cyc", type=non_negative_float, default=10.0, help="weight of the cycle loss")
    loss.add_argument("--lambda_rec", type=non_negative_float, default=10.0, help="weight of self-reconstruction")
    loss.add_argument("--lambda_id", type=non_negative_float, default=1.0, help="weight of identity features")
    loss.add_argument("--lambda_age", type=non_negative_float, default=1.0, help="weight of age features")
    loss.add_argument("--lambda_r1", type=non_negative_float, default=10.0, help="weight of the R1 penalty")
    loss.add_argument(
        "--lambda_id_warmup", type=non_negative_int, default=0, help="iterations over which --lambda_id rises from 0"
    )
    loss.add_argument(
        "--id_stop_gradient",
        type=boolean,
        default=True,
        help="pull identity features of results to the input's only; false: both to each other, as in the paper, "
        "which can end in an encoder that is constant",
    )
    loss.add_argument(
        "--lambda_paired",
        type=non_negative_float,
        default=0.0,
        help="weight of the difference to the true picture; pairs then show one person, whose file name is the same "
        "in every class; the paper has 0",
    )
    loss.add_argument(
        "--lambda_ssim",
        type=non_negative_float,
        default=0.0,
        help="weight of 1 - SSIM to the true picture of such pairs, which blurs less; the paper has 0",
    )
    loss.add_argument("--lr", type=non_negative_float, default=0.001, help="learning rate")
    loss.add_argument("--beta1", type=non_negative_float, default=0.0, help="beta1 of Adam")
    loss.add_argument("--beta2", type=non_negative_float, default=0.999, help="beta2 of Adam")
    loss.add_argument("--decay_gamma", type=non_negative_float, default=0.5, help="factor on the learning rate")
    loss.add_argument(
        "--decay_epochs", type=non_negative_ints, default=(50, 100), help="epochs after which it applies"
    )
    loss.add_argument(
        "--decay_adain_affine_layers", type=boolean, default=True, help="train style branches 100 times slower"
    )
    loss.add_argument(
        "--steady_start",
        type=non_negative_int,
        default=500,
        help="iterations at the start whose steps do not change the kernels' means and move the layer that makes RGB "
        "ten times as far, which shortens the phase of flat pictures; 0 in the paper and, by default, with "
        "--load_pretrain",
    )

    speed = parser.group("speed and memory")
    speed.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="fp32",
        help="precision of the networks' arithmetic: tf32 for Ampere GPUs and newer, bf16 for half the memory",
    )
    speed.add_argument(
        "--accumulate",
        type=positive_int,
        default=1,
        help="number of parts that a process splits its batch into: less memory, same gradients",
    )
    speed.add_argument("--compile", action="store_true", help="compile the networks (torch.compile)")
    speed.add_argument(
        "--cuda_graph",
        action="store_true",
        help="record an iteration and replay it: faster where launches take longer than the work",
    )
    speed.add_argument(
        "--processes", type=positive_int, help="processes on this machine; default: one for each of --gpu_ids"
    )
    speed.add_argument(
        "--r1_interval", type=positive_int, default=1, help="iterations between R1 penalties; the paper has 1"
    )

    discriminator = parser.group("discriminator")
    discriminator.add_argument(
        "--n_layers_D", type=integer(1, 11), default=6, help="blocks, each halving the picture"
    )
    discriminator.add_argument("--ndf", type=integer(1, 4096), default=64, help="channels of the first layer")
    discriminator.add_argument("--num_D", type=integer(1, 11), default=1, help="scales of the picture pyramid")
    return parser


def parse_train_options(parser: CommandParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses and checks the options.

    If a run is resumed, the options that are not given come from its opt.txt. If it starts from another model, the
    sizes that are not given come from that model's opt.txt.
    """
    known, _ = parser.parse_known_args(argv)
    if known.continue_train or known.load_pretrain:
        # These help new models to begin; others go on as the paper's and the original's.
        parser.set_defaults(steady_start=0, lambda_adv=1.0)
    if known.continue_train:
        names = set(parser.options) - _NEVER_RESUMED
        # Runs of the original and of earlier versions, whose opt.txt lacks the option, go on as they began.
        parser.set_defaults(id_stop_gradient=False)
        options = parse(parser, argv, known.checkpoints_dir / known.name, names)
    else:
        options = parse(parser, argv, known.load_pretrain)
    smallest = smallest_side(options.n_layers_D)
    if options.fineSize < smallest:
        fitting = max(1, (options.fineSize // 4).bit_length() - 1)
        raise UserError(
            f"--n_layers_D {options.n_layers_D}: needs --fineSize {smallest} or more; "
            f"use --n_layers_D {fitting} for {options.fineSize} pixels"
        )
    if options.num_D > options.n_layers_D:
        raise UserError(f"--num_D {options.num_D}: must be at most --n_layers_D, which is {options.n_layers_D}")
    if options.train_outer_levels > options.n_downsample:
        raise UserError(
            f"--train_outer_levels {options.train_outer_levels}: must be at most --n_downsample, which is "
            f"{options.n_downsample}"
        )
    if options.train_outer_levels and not (options.load_pretrain or options.continue_train):
        raise UserError(
            "--train_outer_levels: the layers inside would stay random; give their model to --load_pretrain"
        )
    if not any(getattr(options, f"lambda_{name}") for name in ("adv", "rec", "cyc", "id", "age", "paired", "ssim")):
        raise UserError(
            "--lambda_adv, _rec, _cyc, _id, _age, _paired and _ssim are all 0: nothing is learned; raise one"
        )
    for name in ("beta1", "beta2"):
        if getattr(options, name) >= 1:
            raise UserError(f"--{name} {getattr(options, name)}: must be below 1")
    if options.accumulate > options.batchSize:
        raise UserError(
            f"--accumulate {options.accumulate}: must not exceed --batchSize, which is {options.batchSize}"
        )
    for name in ("load_pretrain", "overwrite"):
        if options.continue_train and getattr(options, name):
            raise UserError(f"--{name}: starts a new run; leave it out with --continue_train")
    if is_main_process():
        _warn_of_idle_options(options, parser)
    source, target = options.load_pretrain, options.checkpoints_dir / options.name
    if options.overwrite and source and source.resolve() == target.resolve():
        raise UserError(f"--load_pretrain {source}: --overwrite would delete it; choose another --name")
    return options


def _warn_of_idle_options(options: argparse.Namespace, parser: CommandParser) -> None:
    """Warns of options that others make ineffective."""
    starts_from_a_model = options.continue_train or options.load_pretrain
    visdom, mode = options.display_id, options.resize_or_crop
    for is_idle, names, reason in (
        (not starts_from_a_model, "which_epoch", "without --continue_train or --load_pretrain"),
        (options.no_html, "save_display_freq", "with --no_html"),
        (not visdom, "display_port display_winsize display_single_pane_ncols", "with --display_id 0"),
        (not visdom and not options.tensorboard, "display_freq", "with --display_id 0, without --tensorboard"),
        (not options.lambda_adv, "lambda_r1 r1_interval ndf num_D", "with --lambda_adv 0"),
        (not options.lambda_id, "lambda_id_warmup id_stop_gradient", "with --lambda_id 0"),
        (not options.lambda_r1, "r1_interval", "with --lambda_r1 0"),
        (not options.sort_classes, "sort_order", "with --sort_classes false, which finds the classes"),
        (not mode.endswith("and_crop"), "loadSize", f"with --resize_or_crop {mode}"),
    ):
        if is_idle:
            warn_of_idle(options, parser, names.split(), reason)
