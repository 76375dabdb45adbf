"""Finds options that differ from their defaults, and reports those without effect."""

import argparse
import logging
from collections.abc import Collection, Mapping

from options.base import CommandParser
from util.errors import UserError
from util.opt_file import value_text

logger = logging.getLogger(__name__)


def non_default_values(options: argparse.Namespace, parser: CommandParser, names: Collection[str]) -> dict[str, str]:
    """The options among `names` that differ from their defaults, as written on the command line."""
    values = {name: getattr(options, name) for name in names}
    return {name: value_text(value) for name, value in values.items() if value != parser.get_default(name)}


def warn_of_idle(options: argparse.Namespace, parser: CommandParser, names: Collection[str], reason: str) -> None:
    """Warns of the options among `names` that differ from their defaults, but have no effect for a reason."""
    for name in non_default_values(options, parser, names):
        logger.warning("--%s: has no effect %s", name, reason)


def check_effects(options: argparse.Namespace, parser: CommandParser, needs: Mapping[str, Collection[str]]) -> None:
    """Reports options without effect. A flag or request that would be ignored is an error, other values a warning.

    Args:
        options: the parsed options.
        parser: the parser of the command.
        needs: for each option, other options of which it needs at least one.
    """
    given = non_default_values(options, parser, vars(options))
    for name, needed in needs.items():
        if name not in given or given.keys() & needed:
            continue
        message = f"--{name}: has no effect without {' or '.join(f'--{other}' for other in needed)}"
        if parser.get_default(name) in (None, False):
            remedy = "add it" if len(needed) == 1 else "add one of these"
            raise UserError(f"{message}; {remedy}, or leave --{name} out")
        logger.warning("%s", message)
