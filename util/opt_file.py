"""Reads and writes `opt.txt`, the options of a run beside its weights."""

import argparse
import re
from pathlib import Path

from util.files import atomic_path

OPT_FILE = "opt.txt"
_RULE = "{:-^50}"


def options_text(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Lines of `name: value`; if a value differs from the default, the line shows both."""
    lines = []
    for name, value in sorted(vars(options).items()):
        text, default = value_text(value), value_text(parser.get_default(name))
        note = "" if text == default else f"\t[default: {default}]"
        lines.append(f"{name}: {text}{note}")
    return "\n".join([_RULE.format(" Options "), *lines, _RULE.format(" End ")])


def write_options(path: Path, options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Writes the options in the form that `read_options` reads."""
    with atomic_path(path) as temporary:
        temporary.write_text(options_text(options, parser) + "\n", encoding="utf-8")


def read_options(path: Path) -> dict[str, str | bool]:
    """Reads the `name: value` lines of an opt.txt. True and False become booleans, all else stays text."""
    saved: dict[str, str | bool] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\s*(\w+): (.*?)(\s*\[default: .*\])?\s*", line)
        if match:
            saved[match[1]] = {"True": True, "False": False}.get(match[2], match[2])
    return saved


def value_text(value: object) -> str:
    """A value as it is written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
