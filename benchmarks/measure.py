"""The parts that benchmarks share: rows of the table, time, memory, and a process for each measurement."""

import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        work: what was measured.
        variant: how it was done; "baseline" for what the others are compared with.
        value: the median of the rounds; None if it was not measured, and then `note` says why.
        unit: of the value.
        ratio: how many times better than the baseline; above 1 is better.
        share: share of the speed of the machine's best convolution, from 0 to 1.
        aim: what `ratio` or `share` should reach, in words.
    """

    work: str
    variant: str
    value: float | None
    unit: str
    ratio: float | None = None
    share: float | None = None
    aim: str = ""
    note: str = ""


def compared(
    work: str,
    seconds: Mapping[str, float],
    *,
    unit: str = "s",
    scale: float = 1.0,
    aims: Mapping[str, str] | None = None,
) -> list[Row]:
    """Rows of times; the first is the baseline. A value is the time multiplied by `scale`."""
    baseline = next(iter(seconds.values()))
    return [
        Row(work, name, value * scale, unit, ratio=baseline / value, aim=(aims or {}).get(name, ""))
        for name, value in seconds.items()
    ]


def measured(benchmark: str, rounds: int, *, quick: bool) -> list[Row]:
    """All rows of a benchmark, which is a module of this package."""
    return list(import_module(f"benchmarks.{benchmark}").rows(rounds, quick=quick))


def alternated(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each work. They take turns (A B A B), so that a slow spell of the machine hits all.

    Each work runs once before, to allocate memory and choose algorithms.
    """
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(of_work) for name, of_work in seconds.items()}


def in_new_process(work: Callable[..., _Result], *arguments: Any, **named: Any) -> _Result:
    """Calls a module's function in a process of its own, because a process's peak memory never goes down again."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **named).result()


def peak_memory() -> float:
    """The most memory that this process has used so far, in MiB."""
    # getrusage would report the parent's peak if that was higher.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else math.nan
