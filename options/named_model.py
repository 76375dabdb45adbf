"""The model that --name names."""

import argparse
import sys
from pathlib import Path

from models import model_folder
from options.base import OptionGroup
from util.errors import UserError


def add_list_option(group: OptionGroup) -> None:
    """Adds --list_models."""
    group.add_argument("--list_models", action="store_true", help="list the models in --checkpoints_dir and stop")


def list_models(options: argparse.Namespace) -> None:
    """With --list_models, lists the models and exits."""
    if options.list_models:
        sys.stdout.writelines(f"{model}\n" for model in model_folder.model_names(options.checkpoints_dir))
        raise SystemExit(0)


def find_model(options: argparse.Namespace) -> Path:
    """The folder of the model that the options name.

    Raises:
        UserError: there is no such model; the message lists the existing ones.
    """
    try:
        return model_folder.find_model(options.name, options.checkpoints_dir)
    except UserError as error:
        raise UserError(f"--name {error}") from error
