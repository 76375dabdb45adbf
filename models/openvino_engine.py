"""The engine that runs a generator by OpenVINO on CPUs; the converted networks are kept beside the weights."""

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import numpy as np
import openvino as ov
import torch
from openvino._offline_transformations import apply_moc_transformations
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor, nn

from models.engines import Engine, reason_of
from models.generator import Generator, GeneratorConfig
from models.precision import Precision
from util.errors import UserError
from util.files import atomic_path
from util.images import as_bytes

# OpenVINO's names; TF32 is for NVIDIA GPUs.
_HINTS: Mapping[Precision, str] = {"fp32": "f32", "tf32": "f32", "bf16": "bf16"}
_KEY_FILE = "key.json"

logger = logging.getLogger(__name__)


@cache
def _core() -> ov.Core:
    """The one core of this process.

    On CPUs with AMX a core gives its thread another stack for signals, and takes that away when it ends. Where a
    second core was made in the meantime, the next Ctrl-C would end the process by a segmentation fault.
    """
    return ov.Core()


class Network:
    """A module as OpenVINO's model, which is compiled for the shapes of its inputs when it is called.

    Args:
        model: takes inputs of any shape, and has one output.
        precision: arithmetic.
    """

    def __init__(self, model: ov.Model, precision: Precision) -> None:
        self._model, self._precision = model, precision
        self._shapes: list[tuple[int, ...]] = []
        self._request: ov.InferRequest | None = None
        # One call uses all cores, and requests cannot be shared by threads.
        self._lock = Lock()

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """The output, in memory of its own.

        Raises:
            UserError: OpenVINO cannot run it on inputs of these shapes.
        """
        shapes = [each.shape for each in inputs]
        with self._lock:
            try:
                if self._request is None or shapes != self._shapes:
                    self._request, self._shapes = self._compiled(shapes), shapes
                return self._request.infer(inputs, share_inputs=True)[0]
            except RuntimeError as error:
                raise UserError(
                    f"OpenVINO cannot run this network ({reason_of(error)}); give --engine torch"
                ) from error

    def release(self) -> None:
        """Frees the memory that a call has worked in. The next call takes it again."""
        with self._lock:
            if self._request is not None:
                self._request.get_compiled_model().release_memory()

    def _compiled(self, shapes: list[tuple[int, ...]]) -> ov.InferRequest:
        # Fixed shapes are faster: layouts and kernels are chosen for them.
        model = self._model.clone()
        model.reshape(dict(enumerate(map(list, shapes))))
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[self._precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            # Pinned threads of several processes would share cores while others are idle.
            "ENABLE_CPU_PINNING": False,
        }
        return _core().compile_model(model, "CPU", settings).create_infer_request()


class OpenVinoEngine(Engine):
    """Runs the networks that `load_networks` returns. A batch is computed one by one, which is fastest on CPUs."""

    batch = 1

    def __init__(self, networks: Mapping[str, ov.Model], config: GeneratorConfig, precision: Precision) -> None:
        self.config = config
        self._networks = {name: Network(model, precision) for name, model in networks.items()}

    def encode(self, pixels: np.ndarray) -> Tensor:
        features = self._each("encoder", pixels)
        # Many frames may be decoded before the next portrait comes.
        self._networks["encoder"].release()
        return features

    def latents(self, codes: Tensor) -> Tensor:
        return torch.from_numpy(self._networks["mapping"](codes.numpy()))

    def decode(self, features: Tensor, latents: Tensor) -> np.ndarray:
        return self._each("decoder", features.numpy(), latents.numpy()).numpy()

    def _each(self, name: str, *inputs: np.ndarray) -> Tensor:
        rows = zip(*(np.split(batch, len(batch)) for batch in inputs), strict=True)
        return torch.from_numpy(np.concatenate([self._networks[name](*row) for row in rows]))


def load_networks(weights: Path, config: GeneratorConfig, load: Callable[[], Generator]) -> dict[str, ov.Model]:
    """The networks of a generator, from the folder beside its weights, or else converted and put there.

    Args:
        weights: file of the generator's weights.
        config: its sizes.
        load: reads the generator; it is called only if there is no valid copy of its networks.

    Raises:
        UserError: `load` fails.
        RuntimeError: OpenVINO cannot convert the networks.
    """
    folder, key = weights.with_suffix(".openvino"), _key(weights, config)
    if (networks := _cached(folder, key)) is not None:
        return networks
    networks = converted_networks(load())
    try:
        _keep(networks, folder, key)
    except UserError as error:
        logger.debug("the converted networks are not kept: %s", error)
    return networks


def converted_networks(generator: Generator) -> dict[str, ov.Model]:
    """The parts of a generator in evaluation mode that an engine runs."""
    config = generator.config
    # Shapes are free afterwards; small ones are traced fastest.
    side = 4 * 2**config.downsamplings
    pixels = torch.zeros(1, side, side, config.in_channels, dtype=torch.uint8)
    codes = torch.zeros(1, config.code_dim)
    with torch.inference_mode():
        features, latents = _Encoder(generator)(pixels), generator.latents(codes)
    return {
        "encoder": convert(_Encoder(generator), pixels),
        "mapping": convert(generator.decoder.mlp, codes),
        "decoder": convert(_Decoder(generator), features, latents),
    }


def convert(module: nn.Module, *inputs: Tensor) -> ov.Model:
    """A module without gradients as OpenVINO's model, for inputs of any shape; raises RuntimeError if that fails."""
    # The warnings are about checks of sizes, and about the age of torch.jit.
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        # openvino.convert_model does the same, but also reports its use to Intel over the network.
        decoder = TorchScriptPythonDecoder(torch.jit.trace(module, inputs, check_trace=False))
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    # What can be computed now need not be computed at each start.
    apply_moc_transformations(model, cf=True)
    return model


class _Encoder(nn.Module):
    """(B, H, W, 3) uint8 -> identity features."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = generator.id_encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return self.encoder(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)


class _Decoder(nn.Module):
    """Identity features and latents -> (B, H, W, 3) uint8."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.decoder = generator.decoder

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        return as_bytes(self.decoder(features, latents))


def _key(weights: Path, config: GeneratorConfig) -> str:
    """Identifies everything that the converted networks depend on; empty if the weights cannot be read."""
    code = Path(__file__).parent
    files = [weights, *(code / name for name in ("generator.py", "layers.py", Path(__file__).name))]
    try:
        digests = [_digest(path) for path in files]
    except OSError:
        return ""
    return hashlib.sha256(repr((digests, config, version("openvino"), str(torch.__version__))).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(folder: Path, key: str) -> dict[str, ov.Model] | None:
    """The networks in the folder; None if there are none, or they are of other weights, or damaged."""
    try:
        content = json.loads((folder / _KEY_FILE).read_text(encoding="utf-8"))
        if content["key"] != key or any(_digest(folder / name) != is_ for name, is_ in content["files"].items()):
            return None
        names = [name for name in content["files"] if name.endswith(".xml")]
        return {Path(name).stem: _core().read_model(folder / name) for name in names}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError):
        return None


def _keep(networks: Mapping[str, ov.Model], folder: Path, key: str) -> None:
    """Writes the networks into the folder in place of older ones; raises UserError if that fails."""
    digests: dict[str, str] = {}
    for name, model in networks.items():
        xml, binary = folder / f"{name}.xml", folder / f"{name}.bin"
        with atomic_path(xml) as xml_part, atomic_path(binary) as binary_part:
            ov.serialize(model, xml_part, binary_part)
            digests |= {xml.name: _digest(xml_part), binary.name: _digest(binary_part)}
    # It comes last: until then, a reader finds files that do not match.
    with atomic_path(folder / _KEY_FILE) as temporary:
        temporary.write_text(json.dumps({"key": key, "files": digests}), encoding="utf-8")
