"""Training and use on one NVIDIA GPU: speed by precision, days of a whole training, and the least memory."""

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.measure import Row, alternated, compared, in_new_process
from benchmarks.training import iteration
from models.execution import Execution
from models.precision import Precision

_SIZE, _BATCH = 256, 6
_ROUNDS_WITHOUT_GRAPH = 12
# The paper's training of males: 400 epochs of 14,232 pictures, an epoch being half as many pairs.
_PAIRS_OF_A_TRAINING = 400 * 14_232 / 2
_SECONDS_OF_A_DAY = 86_400
_LIMITS = (4, 8, 11)  # GB

_EXECUTIONS = {
    "fp32": Execution("fp32"),
    "tf32": Execution("tf32"),
    "bf16": Execution("bf16"),
    "bf16, compiled": Execution("bf16", compile=True),
    "bf16, CUDA graph": Execution("bf16", cuda_graph=True),
}


def rows(rounds: int, *, quick: bool) -> Iterator[Row]:
    """All rows; without a GPU they say that they were not measured."""
    there = torch.cuda.is_available() and not quick
    work = f"training on a GPU, {_BATCH} pairs of {_SIZE}x{_SIZE}"
    if not there:
        why = "--quick" if quick else "no NVIDIA GPU"
        for name in ("baseline", *_EXECUTIONS):
            yield Row(work, name, None, "s", note=why)
        yield Row("largest batch on a GPU", "bf16", None, "pairs/s", note=why)
        for limit in _LIMITS:
            yield Row(f"training with {limit} GB of GPU memory", "bf16", None, "pairs", note=why)
        return
    seconds = {"baseline": in_new_process(seconds_of, "fp32", _BATCH, rounds, by_original=True)}
    for name, execution in _EXECUTIONS.items():
        seconds[name] = in_new_process(seconds_of, execution.precision, _BATCH, rounds, execution=execution)
    yield from compared(work, seconds)
    for name, value in seconds.items():
        days = value / _BATCH * _PAIRS_OF_A_TRAINING / _SECONDS_OF_A_DAY
        yield Row("400 epochs of 14,232 pictures on a GPU", name, days, "days")
    largest = in_new_process(largest_batch, None)
    value = in_new_process(seconds_of, "bf16", largest, rounds)
    yield Row(f"largest batch on a GPU, {largest} pairs", "bf16", largest / value, "pairs/s")
    for limit in _LIMITS:
        fitting = in_new_process(largest_batch, limit)
        yield Row(f"training with {limit} GB of GPU memory", "bf16", fitting, "pairs")


def seconds_of(
    precision: Precision,
    pairs: int,
    rounds: int,
    *,
    execution: Execution | None = None,
    by_original: bool = False,
) -> float:
    """The median seconds of an iteration."""
    device = torch.device("cuda")
    iterate = iteration(
        precision, size=_SIZE, pairs=pairs, device=device, execution=execution, by_original=by_original
    )
    # A CUDA graph is recorded after some ordinary iterations.
    for _ in range(_ROUNDS_WITHOUT_GRAPH):
        iterate()
    return alternated({"": iterate}, max(rounds, 10))[""]


def largest_batch(limit: int | None) -> int:
    """The most pairs, of 1, 2, 4, ..., that train within `limit` GB of the GPU's memory; 0 if one does not fit."""
    device = torch.device("cuda")
    if limit:
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit * 1e9 / total))
    fitting = 0
    make = partial(iteration, "bf16", size=_SIZE, device=device)
    try:
        while True:
            iterate = make(pairs=max(1, 2 * fitting))
            iterate()
            fitting = max(1, 2 * fitting)
    except torch.OutOfMemoryError:
        return fitting
