"""argparse types. Their errors name the wrong value and the accepted ones, with the range."""

import argparse
import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path


def boolean(text: str) -> bool:
    """true/false, 1/0, yes/no."""
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")


def integer(low: int, high: int) -> Callable[[str], int]:
    """Whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {low} to {high}")
        return int(text)

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Numbers from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {low:g} to {high:g}")
        return value

    return parse


LARGEST = 2**31 - 1
positive_int = integer(1, LARGEST)
non_negative_int = integer(0, LARGEST)
non_negative_float = number(0, 1e100)


def limit(text: str) -> float:
    """A whole number above 0, or inf."""
    return math.inf if text in ("inf", "Infinity") else positive_int(text)


def frame_rate(text: str) -> Fraction:
    """Frames per second: a whole number, a decimal or a fraction."""
    try:
        # Fraction itself would spend minutes on 1e999999999.
        value = Fraction(text if re.fullmatch(r"[0-9]{1,9}([./][0-9]{1,9})?", text) else 0)
    except ZeroDivisionError:
        value = Fraction(0)
    if not 1 <= value <= 240:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a frame rate from 1 to 240, such as 25, 23.976 or 30000/1001"
        )
    return value


def non_negative_ints(text: str) -> tuple[int, ...]:
    """Whole numbers separated by commas; the brackets of a saved list are allowed."""
    return tuple(non_negative_int(part.strip()) for part in text.strip(" []").split(",") if part.strip())


def gpu_ids(text: str) -> tuple[int, ...]:
    """GPUs separated by commas. -1 or an empty text means the CPU and becomes an empty tuple."""
    if text.strip() in ("", "-1"):
        return ()
    try:
        numbers = non_negative_ints(text)
    except argparse.ArgumentTypeError:
        numbers = ()
    if not numbers or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a list of different GPUs such as 0 or 0,1, numbered from 0; -1 means the CPU"
        )
    return numbers


def path(text: str) -> Path:
    """A path that is not empty, as an unset variable in a script would be; that would mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; give a path, or . for the current folder")
    return Path(text)


def relative_name(text: str) -> str:
    """A name of a folder or a part of it, which must not lead out of the parent folder."""
    parts = re.split(r"[/\\]", text)
    if any(part.strip() in ("", ".", "..") or ":" in part for part in parts) or not text.isprintable():
        raise argparse.ArgumentTypeError(f"'{text}' is not a name such as males_model; use letters, numbers, _ and -")
    return text


def class_names(text: str) -> tuple[str, ...]:
    """Class names separated by commas; the brackets and quotes of a saved list are allowed."""
    names = tuple(name.strip(" []'\"") for name in text.split(","))
    if not all(names) or len(set(names)) < len(names) or re.search(r"[/\\]", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of different class names such as 0-2,3-6")
    return names


def ages(text: str) -> tuple[float, ...]:
    """Ages in years, separated by commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of ages in years such as 4,21.5,63") from None


def face(text: str) -> str | int:
    """The faces of a photo to use: largest, all, or a number from 1."""
    if text in ("largest", "all"):
        return text
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is neither largest nor all nor a number from 1")
    return int(text)
