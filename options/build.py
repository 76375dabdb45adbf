"""Builds objects from the options of every command; build_training.py builds those of training only."""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from data.in_the_wild import PhotoReader
from data.portrait import Portrait, read_portrait
from data.transforms import Transform
from models.checkpoint import CheckpointFolder
from models.face_parser import choose_face_parser
from models.generator import Generator, GeneratorConfig
from models.model_folder import ModelOptions
from models.precision import set_tf32
from models.transformer import AgeTransformer
from util.errors import UserError

logger = logging.getLogger(__name__)


def generator_config(options: argparse.Namespace) -> GeneratorConfig:
    """The generator that the options describe."""
    return ModelOptions.of(vars(options)).generator_config


def noise_sigma(options: argparse.Namespace) -> float:
    """The standard deviation of the noise in age codes."""
    return ModelOptions.of(vars(options)).noise_sigma


def noise_seed(options: argparse.Namespace) -> int:
    """The seed of a portrait's age codes, a new one each time unless the user gave one."""
    # A new one fits into --random_seed, so that the results can be made again.
    return options.random_seed if options.random_seed >= 0 else torch.Generator().seed() % 2**32


def weights_path(options: argparse.Namespace) -> Path:
    """The file of the model that the options name."""
    network = ModelOptions.of(vars(options)).network
    return CheckpointFolder(options.checkpoints_dir / options.name).weights(options.which_epoch, network)


def load_transformer(options: argparse.Namespace, device: torch.device) -> AgeTransformer:
    """The model that the options name, ready for use; raises UserError if its weights cannot be loaded."""
    set_tf32(options.precision)
    config = generator_config(options)
    if options.verbose:
        with torch.device("meta"):
            logger.info("%s", Generator(config))
    return AgeTransformer.load(
        weights_path(options),
        config,
        device=device,
        noise_sigma=noise_sigma(options),
        precision=options.precision,
        engine=options.engine,
        compile=options.compile,
    )


def transform(options: argparse.Namespace, *, flip: bool) -> Transform:
    """The transform that brings pictures to the network's size."""
    return ModelOptions.of(vars(options)).transform(flip=flip)


def portrait_reader(options: argparse.Namespace, device: torch.device) -> Callable[[Path], Sequence[Portrait]]:
    """A function that reads the portraits of a path: from any photo, or an aligned one with its parsing map."""
    if options.in_the_wild:
        return PhotoReader(options.loadSize, choose_face_parser(options.parser, device), options.face)
    if options.face != "largest":
        raise UserError(f"--face {options.face}: needs --in_the_wild; aligned portraits show one face")
    return _read_aligned


def _read_aligned(path: Path) -> list[Portrait]:
    return [read_portrait(path)]
