"""The engines that make frames: equal pictures, the choice between them, and the networks kept beside the weights."""

import logging
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from models.age_code import anchor_blends
from models.engines import Engine, TorchEngine, choose_engine
from models.generator import Generator, GeneratorConfig
from models.model_folder import read_model_options
from models.openvino_engine import Network, convert, load_networks
from models.precision import fast_precision
from models.transformer import AgeTransformer, Series
from tests.conftest import ROOT
from util.device import limit_threads
from util.errors import UserError
from util.images import read_image, resize

CPU = torch.device("cpu")
CONFIG = GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2, adaptive_blocks=1)
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), np.uint8)


def save(path, config=CONFIG, seed=0):
    torch.manual_seed(seed)
    torch.save(Generator(config).state_dict(), path)
    return path


@pytest.fixture
def weights(tmp_path):
    return save(tmp_path / "latest_net_g_running.pth")


def choose(weights, name="openvino", config=CONFIG):
    return choose_engine(name, weights, config, device=CPU, precision="fp32")


def pictures(engine):
    """Frames of a batch of two people at two ages."""
    codes = torch.randn(2, engine.config.code_dim, generator=torch.Generator().manual_seed(0))
    return engine.decode(engine.encode(PIXELS), engine.latents(codes)).astype(int)


@pytest.mark.parametrize(
    "change", [{}, {"id_norm": "instance", "modulated": False, "normalize_mlp": False, "downsamplings": 1}]
)
def test_both_engines_make_the_same_pictures(tmp_path, change):
    config = GeneratorConfig(**{**vars(CONFIG), **change})
    weights = save(tmp_path / "weights.pth", config)
    by_torch, by_openvino = (pictures(choose(weights, name, config)) for name in ("torch", "openvino"))
    assert by_torch.shape == PIXELS.shape
    assert by_torch.std() > 10
    assert np.abs(by_torch - by_openvino).max() <= 1


@pytest.fixture
def mapping_alone(monkeypatch):
    """Only one network is converted, which is fast. Returns a function that runs it."""

    def converted(generator):
        return {"mapping": convert(generator.decoder.mlp, torch.zeros(1, generator.config.code_dim))}

    monkeypatch.setattr("models.openvino_engine.converted_networks", converted)
    codes = np.ones((1, CONFIG.code_dim), np.float32)
    return lambda networks: Network(networks["mapping"], "fp32")(codes)


def generator_of(seed=0):
    torch.manual_seed(seed)
    return Generator(CONFIG)


def refuse():
    raise AssertionError("the networks were converted again")


def test_networks_are_converted_once_and_kept_beside_the_weights(weights, mapping_alone):
    before = mapping_alone(load_networks(weights, CONFIG, generator_of))
    kept = sorted(path.name for path in weights.with_suffix(".openvino").iterdir())
    assert kept == ["key.json", "mapping.bin", "mapping.xml"]
    np.testing.assert_array_equal(mapping_alone(load_networks(weights, CONFIG, refuse)), before)


@pytest.mark.parametrize("damage", ["mapping.bin", "mapping.xml", "key.json"])
def test_networks_that_are_damaged_are_converted_again(weights, mapping_alone, damage):
    before = mapping_alone(load_networks(weights, CONFIG, generator_of))
    damaged = weights.with_suffix(".openvino") / damage
    content = damaged.read_bytes()
    for broken in (content[: len(content) // 2], b"", content[:-9] + b"123456789"):
        damaged.write_bytes(broken)
        with pytest.raises(AssertionError):
            load_networks(weights, CONFIG, refuse)
    np.testing.assert_array_equal(mapping_alone(load_networks(weights, CONFIG, generator_of)), before)
    load_networks(weights, CONFIG, refuse)


def test_networks_of_other_weights_or_versions_are_replaced(weights, mapping_alone, monkeypatch):
    before = mapping_alone(load_networks(weights, CONFIG, generator_of))
    files = sorted(weights.with_suffix(".openvino").iterdir())
    save(weights, seed=1)
    after = mapping_alone(load_networks(weights, CONFIG, partial(generator_of, seed=1)))
    assert not np.allclose(before, after)
    monkeypatch.setattr("models.openvino_engine.version", lambda package: "0")
    with pytest.raises(AssertionError):
        load_networks(weights, CONFIG, refuse)
    assert sorted(weights.with_suffix(".openvino").iterdir()) == files


def test_a_folder_that_cannot_be_written_is_no_error(weights, mapping_alone, caplog):
    weights.with_suffix(".openvino").write_text("a file where the folder should be")
    with caplog.at_level(logging.INFO):
        networks = load_networks(weights, CONFIG, generator_of)
    assert mapping_alone(networks).shape == (1, 256)
    assert not caplog.messages


def test_weights_that_are_missing_or_do_not_fit_are_reported(weights, mapping_alone, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        choose(tmp_path / "none.pth")
    choose(weights)
    with pytest.raises(UserError, match="--ngf"):
        choose(weights, config=GeneratorConfig(**{**vars(CONFIG), "ngf": 8}))


def test_without_openvino_torch_is_used_unless_the_user_asks_for_openvino(weights, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "models.openvino_engine")
    assert isinstance(choose(weights, "auto"), TorchEngine)
    assert not caplog.messages
    with pytest.raises(UserError, match=r"--engine openvino: .*pip install openvino"):
        choose(weights)


def test_a_network_that_openvino_cannot_run_falls_to_torch_with_one_warning(weights, monkeypatch, caplog):
    def fail(generator):
        raise RuntimeError("long\nexplanation\nno such operation")

    monkeypatch.setattr("models.openvino_engine.converted_networks", fail)
    assert isinstance(choose(weights, "auto"), TorchEngine)
    (message,) = caplog.messages
    assert "no such operation" in message
    with pytest.raises(UserError, match="no such operation"):
        choose(weights)


def test_a_picture_that_openvino_cannot_run_is_reported(weights):
    engine = choose(weights)
    with pytest.raises(UserError, match="--engine torch"):
        engine.encode(PIXELS[:, :1, :1])


_MODELS_COME_AND_GO = """
import signal, sys
import numpy as np
import torch
from torch import nn
from models.openvino_engine import Network, convert

def handled(number, frame):
    print("handled")

signal.signal(signal.SIGTERM, handled)
model = convert(nn.Linear(8, 8), torch.zeros(1, 8))
first = Network(model, "fp32")
first(np.zeros((1, 8), np.float32))
second = Network(model, "fp32")
second(np.zeros((1, 8), np.float32))
del first
second(np.zeros((2, 8), np.float32))
del second
signal.raise_signal(signal.SIGTERM)
"""


def test_signals_are_handled_after_models_have_come_and_gone():
    """On CPUs with AMX, OpenVINO moves the stack on which signals are handled."""
    command = [sys.executable, "-c", _MODELS_COME_AND_GO]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


@pytest.mark.parametrize(
    ("device", "has", "precision"),
    [
        ("cpu", {"amx_bf16": True}, "bf16"),
        ("cpu", {"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ("cpu", {"avx512_f": True}, "fp32"),
        ("mps", {"amx_bf16": True}, "fp32"),
    ],
)
def test_bfloat16_is_chosen_where_the_device_has_it(monkeypatch, device, has, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert fast_precision(torch.device(device)) == precision


def test_openvino_is_for_cpus(weights):
    with pytest.raises(UserError, match="--gpu_ids -1"):
        choose_engine("openvino", weights, CONFIG, device=torch.device("cuda"), precision="fp32")
    # On other devices, "auto" is PyTorch.
    engine = choose_engine("auto", weights, CONFIG, device=torch.device("meta"), precision="fp32")
    assert isinstance(engine, TorchEngine)


def test_bfloat16_keeps_40_decibels_on_the_demo_model():
    model = ROOT / "checkpoints" / "demo_model"
    options = read_model_options(model)
    portrait = resize(np.asarray(read_image(ROOT / "assets/people/female_1.png")), options.fineSize)
    full, half = (
        np.stack(
            list(
                AgeTransformer.load(
                    model / "latest_net_g_running.pth",
                    options.generator_config,
                    device=CPU,
                    noise_sigma=0,
                    precision=precision,
                    engine="openvino",
                ).frames(portrait, anchor_blends(6), seed=0)
            )
        ).astype(float)
        for precision in ("fp32", "bf16")
    )
    error = np.square(full - half).mean()
    assert 0 < error < 255**2 / 10**4


def test_a_decoder_that_cannot_be_compiled_runs_as_it_is_with_one_warning(weights, monkeypatch, caplog):
    def fail(*inputs):
        raise RuntimeError("the backend failed:\nno compiler")

    monkeypatch.setattr(torch, "compile", lambda function: fail)
    engine = choose_engine("auto", weights, CONFIG, device=CPU, precision="fp32", compile=True)
    expected = pictures(choose(weights, "torch"))
    for _ in range(2):
        np.testing.assert_array_equal(pictures(engine), expected)
    (message,) = caplog.messages
    assert "no compiler" in message
    with pytest.raises(UserError, match="--compile"):
        choose_engine("openvino", weights, CONFIG, device=CPU, precision="fp32", compile=True)


class Recorder(Engine):
    """Frames whose every pixel is their portrait's first pixel plus the latent's first number."""

    config = CONFIG
    batch = 4

    def __init__(self):
        self.batches = []

    def encode(self, pixels):
        return torch.from_numpy(pixels)

    def latents(self, codes):
        return torch.arange(3.0)[:, None]

    def decode(self, features, latents):
        self.batches.append(len(latents))
        return features.numpy() + latents.numpy().astype(np.uint8)[:, :, None, None]


def series(taken, lengths, size=2):
    for number, length in enumerate(lengths):
        taken.append(number)
        yield Series(np.full((size, size, 3), 10 * number, np.uint8), anchor_blends(3)[:length], seed=number)


def test_batches_run_across_series_in_order_and_lazily():
    engine, taken = Recorder(), []
    frames = AgeTransformer(engine, 0.2).stream(series(taken, [3, 1, 2, 3, 1]))
    assert taken == []
    first = [next(frames)[0, 0, 0] for _ in range(4)]
    assert first == [0, 1, 2, 10]
    assert taken == [0, 1]
    assert [frame[0, 0, 0] for frame in frames] == [20, 21, 30, 31, 32, 40]
    assert engine.batches == [4, 4, 2]


def test_portraits_of_different_sizes_do_not_share_a_batch():
    engine = Recorder()
    many = [*series([], [2]), *series([], [3], size=4)]
    assert [frame.shape[0] for frame in AgeTransformer(engine, 0.2).stream(many)] == [2, 2, 4, 4, 4]
    assert engine.batches == [2, 3]


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({}, 3),
    ],
)
def test_threads_heed_a_containers_limit(tmp_path, files, threads):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        limit_threads(tmp_path)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
