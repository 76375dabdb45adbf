"""The parts that benchmarks share: options, time, memory, and a process for each measurement."""

import argparse
import resource
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def parser_of(description: str | None, defaults: Mapping[str, Any]) -> argparse.ArgumentParser:
    """A parser of options with these defaults, which also decide their types."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(name, type=type(default), default=default, help=f"default: {default}")
    return parser


def timed(work: Callable[[], _Result], repeats: int = 1) -> tuple[float, _Result]:
    """The shortest time of `repeats` calls, in seconds, and the result of the last one."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def in_new_process(work: Callable[..., _Result], *arguments: Any, **named: Any) -> _Result:
    """Calls a module's function in a process of its own, because a process's peak memory never goes down again."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **named).result()


def peak_memory() -> float:
    """The most memory that this process has used so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
