"""Builds objects from the options of every command; build_training.py builds those of training only."""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch

from data.in_the_wild import PhotoReader
from data.in_the_wild.cut_out import Parse
from data.in_the_wild.grabcut import parse_by_grabcut
from data.portrait import Portrait, read_portrait
from data.transforms import Transform
from models.age_code import NOISE_SIGMA
from models.checkpoint import CheckpointFolder, Network
from models.face_parser import DeepLabParser
from models.generator import Generator, GeneratorConfig
from models.precision import set_tf32
from models.transformer import AgeTransformer
from util.errors import UserError

logger = logging.getLogger(__name__)

FaceParserName = Literal["auto", "deeplab", "grabcut"]
DEEPLAB_WEIGHTS = Path(__file__).parent.parent / "deeplab_model" / "deeplab_model.pth"


def generator_config(options: argparse.Namespace) -> GeneratorConfig:
    """The generator that the options describe."""
    return GeneratorConfig(
        ngf=options.ngf,
        num_classes=len(options.sort_order),
        dim_per_class=options.gen_dim_per_style,
        in_channels=options.input_nc,
        out_channels=options.output_nc,
        downsamplings=options.n_downsample,
        adaptive_blocks=options.n_adaptive_blocks,
        id_norm=options.id_enc_norm,
        decoder_pixel_norm=options.decoder_norm == "pixel",
        residual_pixel_norm=options.use_resblk_pixel_norm,
        activation=options.activation,
        modulated=options.use_modulated_conv,
        normalize_mlp=options.normalize_mlp,
        equalized=options.conv_weight_norm,
    )


def noise_sigma(options: argparse.Namespace) -> float:
    """The standard deviation of the noise in age codes."""
    return 0.0 if options.no_cond_noise else NOISE_SIGMA


def noise_seed(options: argparse.Namespace) -> int:
    """The seed of a portrait's age codes, a new one each time unless the user gave one."""
    return options.random_seed if options.random_seed >= 0 else torch.Generator().seed()


def load_transformer(options: argparse.Namespace, device: torch.device) -> AgeTransformer:
    """The model that the options name, ready for use; raises UserError if its weights cannot be loaded."""
    set_tf32(options.precision)
    network: Network = "G" if options.no_moving_avg else "g_running"
    config = generator_config(options)
    if options.verbose:
        with torch.device("meta"):
            logger.info("%s", Generator(config))
    return AgeTransformer.load(
        CheckpointFolder(options.checkpoints_dir / options.name).weights(options.which_epoch, network),
        config,
        device=device,
        noise_sigma=noise_sigma(options),
        precision=options.precision,
        engine=options.engine,
    )


def transform(options: argparse.Namespace, *, flip: bool) -> Transform:
    """The transform that brings pictures to the network's size."""
    return Transform(options.resize_or_crop, options.loadSize, options.fineSize, flip, 2**options.n_downsample)


def portrait_reader(options: argparse.Namespace, device: torch.device) -> Callable[[Path], Sequence[Portrait]]:
    """A function that reads the portraits of a path: from any photo, or an aligned one with its parsing map."""
    if options.in_the_wild:
        return PhotoReader(options.loadSize, choose_face_parser(options.parser, device), options.face)
    if options.face != "largest":
        raise UserError(f"--face {options.face}: needs --in_the_wild; aligned portraits show one face")
    return lambda path: [read_portrait(path)]


def choose_face_parser(name: FaceParserName, device: torch.device, weights: Path = DEEPLAB_WEIGHTS) -> Parse:
    """DeepLab if its weights are installed, otherwise GrabCut, unless the user has chosen one.

    Raises:
        UserError: the user has chosen DeepLab, but its weights are missing; or its weights are damaged.
    """
    get = "python download_models.py --only deeplab_model"
    if name == "deeplab" and not weights.is_file():
        raise UserError(f"--parser deeplab: {weights} is missing; run {get}")
    if name != "grabcut" and weights.is_file():
        return DeepLabParser(weights, device)
    if name == "auto":
        logger.warning(
            "The published face parser is not installed. GrabCut cuts the person out instead, less exactly around "
            "hair and collar. To fetch the parser: %s",
            get,
        )
    return parse_by_grabcut
