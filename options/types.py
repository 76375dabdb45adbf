"""What options accept: argparse types, which raise ArgumentTypeError with the value and what would be right."""

import argparse
import math


def boolean(text: str) -> bool:
    """true/false, 1/0, yes/no."""
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number above 0")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0")
    return int(text)


def limit(text: str) -> float:
    """A whole number above 0, or inf."""
    return math.inf if text in ("inf", "Infinity") else positive(text)


def weight(text: str) -> float:
    """A finite number, not negative."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 0")
    return value


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of whole numbers such as 50,100") from None


def gpu_ids(text: str) -> tuple[int, ...]:
    """GPUs with commas between; -1, or nothing, is the CPU."""
    return tuple(number for number in numbers(text) if number >= 0)


def class_names(text: str) -> tuple[str, ...]:
    """Class names with commas between; brackets and quotes of a saved list are allowed."""
    names = tuple(name.strip(" []'\"") for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of different class names such as 0-2,3-6")
    return names


def ages(text: str) -> tuple[float, ...]:
    """Ages in years with commas between."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of ages in years such as 4,21.5,63") from None


def step(text: str) -> float:
    """A step between two anchors: above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0 and at most 1")
    return value


def face(text: str) -> str | int:
    """Which faces of a photo: largest, all, or a number from 1."""
    if text in ("largest", "all"):
        return text
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is neither largest nor all nor a number from 1")
    return int(text)
