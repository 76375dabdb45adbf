"""The options that commands share, and the parser of a command's options."""

import argparse
import math
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from data.age_classes import ANCHORS
from data.transforms import RESIZE_MODES
from models.engines import EngineName
from models.model_folder import ModelOptions
from models.precision import Precision
from options.types import (
    boolean,
    class_names,
    face,
    gpu_ids,
    integer,
    limit,
    non_negative_int,
    path,
    positive_int,
    relative_name,
)
from util.errors import UserError
from util.opt_file import OPT_FILE, read_options, value_text

# These options belong to a model, not to a run. They are read from its opt.txt, so that --name is enough to use it.
MODEL_OPTIONS = (*(field.name for field in fields(ModelOptions)), "sort_classes", "ndf", "n_layers_D", "num_D")

# Commands that use a model accept these options for old scripts, and ignore them.
TRAINING_ONLY = frozenset(
    (
        *("batchSize", "serial_batches", "no_flip", "nThreads", "sort_classes"),
        *("display_id", "display_port", "display_winsize", "display_single_pane_ncols"),
    )
)

_METAVARS = {None: "NAME", relative_name: "NAME", path: "PATH", gpu_ids: "IDS", class_names: "NAMES", boolean: "BOOL"}


class CommandParser(argparse.ArgumentParser):
    """A strict parser that remembers its options by name, and whose --help shows defaults and readable placeholders.

    Args:
        script: name of the command.
        description: what the command does.
        examples: complete commands, one a line.
        hidden: options that are accepted but not listed in --help.
    """

    def __init__(self, script: str, description: str, examples: str = "", hidden: Collection[str] = ()) -> None:
        super().__init__(
            prog=script,
            usage=f"{script} [options]; {script} --help lists them",
            description=description,
            epilog=examples and f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.hidden = frozenset(hidden)
        self.options: dict[str, argparse.Action] = {}

    def group(self, title: str) -> "OptionGroup":
        """A group of options under a heading of --help."""
        return OptionGroup(self, self.add_argument_group(title))


class OptionGroup:
    """Options under one heading of --help, or options that exclude one another."""

    def __init__(self, parser: CommandParser, group: Any) -> None:
        self._parser = parser
        self._group = group

    def add_argument(self, *names: str, **settings: Any) -> None:
        """Adds an option, as `argparse.ArgumentParser.add_argument` does."""
        action = self._group.add_argument(*names, **settings)
        self._parser.options[action.dest] = action
        if action.dest in self._parser.hidden:
            action.help = argparse.SUPPRESS
        elif action.default is not None and action.default is not False:
            action.help = f"{action.help or ''} (default: {value_text(action.default)})".strip()
        if action.nargs is None and action.choices is None and action.metavar is None:
            action.metavar = _METAVARS.get(action.type, "N")

    def add_mutually_exclusive_group(self, *, required: bool) -> "OptionGroup":
        """A group within this one, of which at most one option may be given."""
        return OptionGroup(self._parser, self._group.add_mutually_exclusive_group(required=required))


def add_shared_options(parser: CommandParser, threads: int | None = 4) -> None:
    """Adds the options that every command takes, with the method's defaults.

    Args:
        parser: of the command.
        threads: default of --nThreads; None means as many as fit the machine.
    """
    run = parser.group("model and machine")
    run.add_argument("--name", type=relative_name, default="debug", help="model: a folder below --checkpoints_dir")
    run.add_argument("--checkpoints_dir", type=path, default=Path("checkpoints"), help="folder that holds the models")
    run.add_argument("--which_epoch", type=relative_name, default="latest", help="checkpoint: latest or an epoch")
    run.add_argument("--gpu_ids", type=gpu_ids, default=(0,), help="GPUs, such as 0,1; -1 means the CPU")
    run.add_argument("--verbose", action="store_true", help="print the layers of the networks")

    data = parser.group("data")
    data.add_argument("--dataroot", type=path, default=Path("datasets/males"), help="folder of the data set")
    data.add_argument("--batchSize", type=integer(1, 65536), default=1, help="pairs in a batch")
    data.add_argument("--loadSize", type=integer(4, 8192), default=256, help="pixels that pictures are resized to")
    data.add_argument("--fineSize", type=integer(4, 8192), default=256, help="pixels that they are then cropped to")
    data.add_argument("--resize_or_crop", choices=RESIZE_MODES, default="resize_and_crop", help="how to resize them")
    data.add_argument("--sort_classes", type=boolean, default=True, help="false: find the classes in the data set")
    data.add_argument("--sort_order", type=class_names, default=ANCHORS, help="anchor classes, youngest first")
    data.add_argument("--serial_batches", action="store_true", help="take pictures in order, not at random")
    data.add_argument("--no_flip", action="store_true", help="do not mirror pictures in training")
    reads = "processes that read pictures" + " (default: by the cores)" * (threads is None)
    data.add_argument("--nThreads", type=integer(0, 1024), default=threads, help=reads)
    data.add_argument("--max_dataset_size", type=limit, default=math.inf, help="most pictures of each class to use")

    net = parser.group("network; options that are not given come from the model's opt.txt, if it has one")
    net.add_argument("--input_nc", type=positive_int, default=3, help="channels of the input")
    net.add_argument("--output_nc", type=positive_int, default=3, help="channels of the output")
    net.add_argument("--ngf", type=integer(1, 4096), default=64, help="channels of the generator's first layer")
    net.add_argument("--gen_dim_per_style", type=integer(1, 4096), default=50, help="age code entries for each class")
    net.add_argument("--n_downsample", type=integer(1, 8), default=2, help="halvings in the identity encoder")
    net.add_argument("--n_adaptive_blocks", type=integer(1, 64), default=4, help="styled blocks before upsampling")
    net.add_argument(
        "--id_enc_norm", choices=("pixel", "instance"), default="pixel", help="norm of the identity encoder"
    )
    net.add_argument("--decoder_norm", choices=("pixel", "none"), default="pixel", help="norm of the decoder")
    net.add_argument("--activation", choices=("lrelu", "relu"), default="lrelu", help="activation function")
    net.add_argument("--use_modulated_conv", type=boolean, default=True, help="false: AdaIN in the decoder")
    net.add_argument("--conv_weight_norm", type=boolean, default=True, help="equalised learning rate")
    net.add_argument("--normalize_mlp", type=boolean, default=True, help="PixelNorm in the mapping network")
    net.add_argument("--use_resblk_pixel_norm", action="store_true", help="PixelNorm after residual blocks")
    net.add_argument("--no_cond_noise", action="store_true", help="age codes without noise")
    net.add_argument(
        "--no_moving_avg", action="store_true", help="use the last weights instead of their moving average"
    )

    display = parser.group("display")
    display.add_argument("--display_id", type=non_negative_int, default=1, help="visdom window; 0 turns visdom off")
    display.add_argument("--display_port", type=integer(1, 65535), default=8097, help="port of the visdom server")
    display.add_argument("--display_winsize", type=integer(16, 8192), default=256, help="pixels of a picture's width")
    display.add_argument("--display_single_pane_ncols", type=integer(0, 1024), default=6, help="pictures in a row")


def add_photo_options(photos: OptionGroup) -> None:
    """Adds the options of commands that make portraits from photos."""
    photos.add_argument(
        "--in_the_wild", action="store_true", help="accept any photos: align and cut out the face first"
    )
    photos.add_argument(
        "--face",
        type=face,
        default="largest",
        metavar="largest|all|N",
        help="faces of such a photo to use: the largest, all of them, or number N from the left",
    )
    photos.add_argument(
        "--parser",
        choices=("auto", "deeplab", "grabcut"),
        default="auto",
        help="method that cuts the person out; auto uses deeplab if its weights are installed",
    )


def add_results_options(results: OptionGroup) -> None:
    """Adds the options of commands that write results."""
    results.add_argument("--results_dir", type=path, default=Path("results"), help="folder for the results")
    results.add_argument(
        "--overwrite",
        action="store_true",
        help="make everything anew, and replace results of other photos or other settings",
    )


def add_engine_options(group: OptionGroup, precision: Precision | None = "fp32") -> None:
    """Adds the options that say how the networks are computed; the command chooses if there is no `precision`."""
    by_itself = "" if precision else "; by itself bf16 where the device computes in it, otherwise fp32"
    group.add_argument(
        "--precision", choices=get_args(Precision), default=precision, help=f"the networks' arithmetic{by_itself}"
    )
    group.add_argument(
        "--engine",
        choices=get_args(EngineName),
        default="auto",
        help="what runs the networks; auto takes OpenVINO on CPUs if it is installed, and otherwise PyTorch",
    )


def add_compile_option(group: OptionGroup) -> None:
    """Adds the option for long work."""
    group.add_argument(
        "--compile", action="store_true", help="compile PyTorch's decoder (torch.compile), for long work on a GPU"
    )


def parse(
    parser: CommandParser,
    argv: Sequence[str] | None,
    saved_in: Path | None,
    names: Collection[str] = MODEL_OPTIONS,
) -> argparse.Namespace:
    """Parses strictly. The opt.txt in the folder `saved_in` becomes the parser's defaults for options in `names`."""
    path = saved_in / OPT_FILE if saved_in else None
    if path and path.is_file():
        parser.set_defaults(**_saved_values(parser, path, names))
    options = parser.parse_args(argv)
    _check_sizes(options)
    return options


def _saved_values(parser: CommandParser, path: Path, names: Collection[str]) -> dict[str, object]:
    texts, values = read_options(path), dict[str, object]()
    for name, action in parser.options.items():
        text = texts.get(name, "None")
        if name not in names or text == "None":
            continue
        try:
            values[name] = action.type(text) if callable(action.type) and isinstance(text, str) else text
            if action.choices is not None and values[name] not in action.choices:
                raise ValueError
        except (argparse.ArgumentTypeError, ValueError):
            raise UserError(f"{path}: '{name}: {text}' is not a valid value; correct the line") from None
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
            raise UserError(f"--{name} {getattr(options, name)}: must be 3, because pictures have 3 channels here")
    if options.resize_or_crop.endswith("and_crop") and options.loadSize < options.fineSize:
        raise UserError(f"--loadSize {options.loadSize}: must not be smaller than --fineSize {options.fineSize}")
