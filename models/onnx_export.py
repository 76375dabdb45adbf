"""Writes a generator as ONNX files, and checks and times them (docs/python.md, Other programs)."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from models.generator import Generator
from util.errors import UserError

# Largest difference between torch and ONNX Runtime, in pictures and features.
TOLERANCE = 1e-3
_REPEATS = 5


@dataclass(frozen=True)
class Check:
    """How an exported network compares with torch: largest difference, and milliseconds for one picture."""

    name: str
    difference: float
    torch_ms: float
    onnx_ms: float


@dataclass(frozen=True)
class _Part:
    """A network with inputs of one batch, under the names that they have in the file."""

    name: str
    network: nn.Module
    inputs: dict[str, Tensor]
    output: str


def export_onnx(generator: Generator, size: int, folder: Path) -> None:
    """Writes `encoder.onnx`, `mapping.onnx` and `decoder.onnx`, which take batches of any number of pictures.

    Args:
        generator: on the CPU, in evaluation mode.
        size: pixels of the pictures.
        folder: where the files go.

    Raises:
        UserError: a package is not installed.
    """
    _import_packages()
    with warnings.catch_warnings(action="ignore"):
        for part in _parts(generator, size, batch=2):
            # The newer exporter (dynamo) needs one more package and fifteen times as long. Its files are no faster.
            torch.onnx.export(
                part.network,
                tuple(part.inputs.values()),
                folder / f"{part.name}.onnx",
                input_names=list(part.inputs),
                output_names=[part.output],
                dynamic_axes={name: {0: "batch"} for name in (*part.inputs, part.output)},
                dynamo=False,
            )


def check_onnx(generator: Generator, size: int, folder: Path) -> list[Check]:
    """Compares the files of `export_onnx` with the generator.

    Raises:
        UserError: a result differs by more than TOLERANCE, or a package is not installed.
    """
    runtime = _import_packages()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    checks = []
    # A batch of another size than the exported one tells whether the batch is dynamic.
    for one, three in zip(_parts(generator, size, batch=1), _parts(generator, size, batch=3), strict=True):
        session = runtime.InferenceSession(folder / f"{one.name}.onnx", options, providers=["CPUExecutionProvider"])
        difference = 0.0
        for part in (one, three):
            (made,) = session.run(None, {name: value.numpy() for name, value in part.inputs.items()})
            expected = part.network(*part.inputs.values())
            difference = max(difference, float((torch.from_numpy(made) - expected).abs().max()))
        if not difference <= TOLERANCE:
            raise UserError(
                f"{one.name}.onnx: differs from torch by {difference:.2g}, and {TOLERANCE:g} is allowed; install the "
                "versions in requirements-export.txt"
            )
        feed = {name: value.numpy() for name, value in one.inputs.items()}
        torch_ms = _milliseconds(partial(one.network, *one.inputs.values()))
        onnx_ms = _milliseconds(partial(session.run, None, feed))
        checks.append(Check(one.name, difference, torch_ms, onnx_ms))
    return checks


@torch.no_grad()
def _parts(generator: Generator, size: int, batch: int) -> Iterator[_Part]:
    rng = torch.Generator().manual_seed(batch)
    config = generator.config
    images = torch.rand(batch, config.in_channels, size, size, generator=rng) * 2 - 1
    codes = torch.randn(batch, config.code_dim, generator=rng)
    decoded = {"id_features": generator.encode(images).contiguous(), "latents": generator.latents(codes)}
    yield _Part("encoder", generator.id_encoder, {"images": images}, "id_features")
    yield _Part("mapping", generator.decoder.mlp, {"codes": codes}, "latents")
    yield _Part("decoder", generator.decoder, decoded, "images")


def _milliseconds(call: Callable[[], object]) -> float:
    """The median time of a call, after a first one that is not counted."""
    call()
    times = []
    for _ in range(_REPEATS):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * median(times)


def _import_packages() -> Any:
    """ONNX Runtime; raises UserError if it or what the export needs is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{error.name}: not installed; run pip install -r requirements-export.txt") from error
    return onnxruntime
