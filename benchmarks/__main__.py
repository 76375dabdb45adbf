"""Measures this project against the original's procedure, on this machine, as one table.

Everything is timed in the same run as its baseline, taking turns with it. Nothing else should run meanwhile.
"""

import argparse
import csv
import logging
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from importlib import metadata
from pathlib import Path

import torch

from benchmarks.measure import Row, in_new_process, measured
from options.types import positive_int
from util.errors import run_command
from util.files import atomic_path

logger = logging.getLogger(__name__)

BENCHMARKS = ("convolution", "traversal", "photos", "page", "batch", "training", "loading", "gpu")
RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("torch", "openvino", "numpy", "pillow", "dlib-bin")
_ROUNDS = 3


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round, to see that all of it runs")
    parser.add_argument("--rounds", type=positive_int, default=_ROUNDS, help=f"rounds of each (default: {_ROUNDS})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the table to <machine>.csv in this folder")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"{name}: no such benchmark; choose from {', '.join(BENCHMARKS)}")
    rounds = 1 if options.quick else options.rounds
    rows: list[Row] = []
    for name in options.names or BENCHMARKS:
        for row in in_new_process(measured, name, rounds, quick=options.quick):
            sys.stdout.write(text_of(row) + "\n")
            sys.stdout.flush()
            rows.append(row)
    if options.out:
        path = options.out / f"{machine()}.csv"
        write_table(path, rows)
        logger.info("table in %s", path)
    return 0


def text_of(row: Row) -> str:
    """A row for people."""
    value = "not measured" if row.value is None else f"{row.value:.4g} {row.unit}"
    parts = [f"{row.work}, {row.variant}: {value}"]
    if row.ratio is not None and row.variant != "baseline":
        parts.append(f"{row.ratio:.2f} times as good as the baseline")
    if row.share is not None:
        parts.append(f"{row.share:.0%} of the best convolution")
    parts += [f"aim: {row.aim}"] * bool(row.aim) + [row.note] * bool(row.note)
    return "; ".join(parts)


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Writes the rows as CSV, each with the versions and the date, so that a file explains itself."""
    versions = {package: _version(package) for package in _PACKAGES}
    facts = {"machine": machine(), "cores": os.cpu_count(), "date": date.today().isoformat(), **versions}
    names = [field.name for field in fields(Row)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, *facts])
        for row in rows:
            values = [getattr(row, name) for name in names]
            rounded = [f"{value:.4g}" if isinstance(value, float) else value for value in values]
            writer.writerow([*rounded, *facts.values()])


def machine() -> str:
    """A name of this kind of machine that can be a file's name."""
    names = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    cpu = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", cpu.read_text()) if cpu.is_file() else None
    names += [model[1] if model else platform.processor() or platform.machine(), f"{os.cpu_count()} cores"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(names).lower().replace("(r)", "")).strip("-")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    run_command(main)
