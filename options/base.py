"""The options of every command (spec/cli.md), how they are saved, and what the networks get of them."""

import argparse
import logging
import math
from collections.abc import Collection, Sequence
from pathlib import Path

from data.age_classes import ANCHORS
from data.transforms import RESIZE_MODES
from options.opt_file import OPT_FILE, read_options
from options.types import boolean, class_names, face, gpu_ids, limit, positive, whole
from util.errors import UserError

logger = logging.getLogger(__name__)

# What belongs to a model rather than to a run: read from its opt.txt, so that --name is enough to use it.
MODEL_OPTIONS = (
    *("loadSize", "fineSize", "resize_or_crop", "sort_classes", "sort_order", "input_nc", "output_nc"),
    *(
        "ngf",
        "n_downsample",
        "n_adaptive_blocks",
        "gen_dim_per_style",
        "no_cond_noise",
        "id_enc_norm",
        "decoder_norm",
    ),
    *("activation", "use_modulated_conv", "conv_weight_norm", "normalize_mlp", "use_resblk_pixel_norm"),
    *("ndf", "n_layers_D", "num_D"),
)


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes, with the method's defaults."""
    run = parser.add_argument_group("run")
    run.add_argument("--name", default="debug", help="experiment: the folder below --checkpoints_dir")
    run.add_argument("--checkpoints_dir", type=Path, default=Path("checkpoints"), help="where experiments are kept")
    run.add_argument("--gpu_ids", type=gpu_ids, default=(0,), help="GPUs, such as 0,1; -1 for the CPU")
    run.add_argument("--which_epoch", default="latest", help="checkpoint to load: latest or an epoch")
    run.add_argument("--verbose", action="store_true", help="describe the networks")

    data = parser.add_argument_group("data")
    data.add_argument("--dataroot", type=Path, default=Path("datasets/males"), help="data set")
    data.add_argument("--batchSize", type=positive, default=1, help="pairs in a batch")
    data.add_argument("--loadSize", type=positive, default=256, help="pictures are resized to this many pixels")
    data.add_argument("--fineSize", type=positive, default=256, help="and cut to this many")
    data.add_argument("--resize_or_crop", choices=RESIZE_MODES, default="resize_and_crop")
    data.add_argument("--sort_classes", type=boolean, default=True, help="false: classes of the data set, by number")
    data.add_argument("--sort_order", type=class_names, default=ANCHORS, help="anchor classes, youngest first")
    data.add_argument("--serial_batches", action="store_true", help="pictures in order, not at random")
    data.add_argument("--no_flip", action="store_true", help="no mirrored pictures in training")
    data.add_argument("--nThreads", type=whole, default=4, help="processes that read pictures")
    data.add_argument("--max_dataset_size", type=limit, default=math.inf, help="most pictures of each class")

    model = parser.add_argument_group("model")
    model.add_argument("--input_nc", type=positive, default=3, help="channels of the input")
    model.add_argument("--output_nc", type=positive, default=3, help="channels of the output")
    model.add_argument("--ngf", type=positive, default=64, help="channels of the generator's first layer")
    model.add_argument("--gen_dim_per_style", type=positive, default=50, help="age code entries of each class")
    model.add_argument("--n_downsample", type=positive, default=2, help="halvings in the identity encoder")
    model.add_argument("--n_adaptive_blocks", type=positive, default=4, help="styled blocks before upsampling")
    model.add_argument("--id_enc_norm", choices=("pixel", "instance"), default="pixel")
    model.add_argument("--decoder_norm", choices=("pixel", "none"), default="pixel")
    model.add_argument("--activation", choices=("lrelu", "relu"), default="lrelu")
    model.add_argument("--use_modulated_conv", type=boolean, default=True, help="false: AdaIN in the decoder")
    model.add_argument("--conv_weight_norm", type=boolean, default=True, help="equalised learning rate")
    model.add_argument("--normalize_mlp", type=boolean, default=True, help="PixelNorm in the mapping network")
    model.add_argument("--use_resblk_pixel_norm", action="store_true", help="PixelNorm after residual blocks")
    model.add_argument("--no_cond_noise", action="store_true", help="age codes without noise")
    model.add_argument("--no_moving_avg", action="store_true", help="use the generator, not its moving average")

    display = parser.add_argument_group("display")
    display.add_argument("--display_id", type=whole, default=1, help="visdom window; 0 for none")
    display.add_argument("--display_port", type=positive, default=8097, help="of the visdom server")
    display.add_argument("--display_winsize", type=positive, default=256, help="pixels of a picture")
    display.add_argument("--display_single_pane_ncols", type=whole, default=6, help="pictures in a row")


def add_photo_options(photos: argparse._ArgumentGroup) -> None:
    """How commands that take photos get portraits out of them."""
    photos.add_argument(
        "--in_the_wild", action="store_true", help="any photos: find, align and cut out the face first"
    )
    photos.add_argument(
        "--face",
        type=face,
        default="largest",
        metavar="largest|all|N",
        help="which faces of such a photo to take: the largest, all of them, or number N from the left",
    )
    photos.add_argument(
        "--parser",
        choices=("auto", "deeplab", "grabcut"),
        default="auto",
        help="what cuts the person out; auto: deeplab if its weights are there",
    )


def parse(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    saved_in: Path | None,
    names: Collection[str] = MODEL_OPTIONS,
) -> argparse.Namespace:
    """Parses strictly; options of `names` that are not given come from the opt.txt of a model's folder."""
    path = saved_in / OPT_FILE if saved_in else None
    saved = _saved_values(parser, path, names) if path and path.is_file() else {}
    options = parser.parse_args(argv, argparse.Namespace(**saved))
    _check_sizes(options)
    return options


def _saved_values(parser: argparse.ArgumentParser, path: Path, names: Collection[str]) -> dict[str, object]:
    texts, values = read_options(path), dict[str, object]()
    for action in parser._actions:
        text = texts.get(action.dest, "None")
        if action.dest not in names or text == "None":
            continue
        try:
            values[action.dest] = action.type(text) if callable(action.type) and isinstance(text, str) else text
            if action.choices is not None and values[action.dest] not in action.choices:
                raise ValueError
        except (argparse.ArgumentTypeError, ValueError):
            raise UserError(f"{path}: '{action.dest}: {text}' is no valid value; mend the line") from None
    return values


def _check_sizes(options: argparse.Namespace) -> None:
    step = 2**options.n_downsample
    if options.fineSize % step or options.fineSize < 4 * step:
        raise UserError(
            f"--fineSize {options.fineSize}: must be a multiple of {step}, at least {4 * step}, "
            f"for --n_downsample {options.n_downsample}"
        )
    for name in ("input_nc", "output_nc"):
        if getattr(options, name) != 3:
            raise UserError(f"--{name} {getattr(options, name)}: pictures have 3 channels here")
    if options.resize_or_crop.endswith("and_crop") and options.loadSize < options.fineSize:
        raise UserError(f"--loadSize {options.loadSize}: smaller than --fineSize {options.fineSize}")
