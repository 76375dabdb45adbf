"""Weights on disk are loaded and saved completely or not at all."""

import pickle
from types import SimpleNamespace

import pytest
import torch

from models.checkpoint import (
    CheckpointFolder,
    export_half,
    load_weights,
    read_tensors,
    write_tensors,
)
from models.discriminator import DiscriminatorConfig, MultiScaleDiscriminator
from models.generator import Generator, GeneratorConfig
from util.errors import UserError
from util.files import FolderError

SMALL = GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(SMALL)


@pytest.fixture
def file(tmp_path, generator):
    path = tmp_path / "latest_net_G.pth"
    write_tensors(path, generator.state_dict())
    return path


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_round_trip(generator, file):
    other = Generator(SMALL)
    assert not same(other, generator)
    load_weights(other, file)
    assert same(other, generator)


def test_our_file_is_a_plain_state_dict(generator, file):
    content = torch.load(file, weights_only=True)
    assert list(content) == list(generator.state_dict())
    assert not [path for path in file.parent.iterdir() if path != file]


def test_module_prefix_and_half_precision_load(generator, tmp_path):
    path = tmp_path / "parallel.pth"
    torch.save({f"module.{name}": value for name, value in generator.state_dict().items()}, path)
    whole = path.stat().st_size
    export_half(path, path)
    assert path.stat().st_size < 0.6 * whole
    other = Generator(SMALL)
    load_weights(other, path)
    for name, value in other.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, generator.state_dict()[name].half().float())


def test_weights_that_other_programs_wrap_are_found(generator, tmp_path):
    weights = generator.state_dict()
    critic = MultiScaleDiscriminator(DiscriminatorConfig(ndf=4, layers=2)).state_dict()
    moments = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    for number, content in enumerate(
        (
            {"state_dict": weights},
            {"epoch": 3, "model": {f"module.{name}": value for name, value in weights.items()}, "optimizer": moments},
            {"discriminator": critic, "generator": weights, "optimizer": moments},
            {"networks": {"D": critic, "G": {f"_orig_mod.{name}": value for name, value in weights.items()}}},
        )
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(content, path)
        other = Generator(SMALL)
        load_weights(other, path)
        assert same(other, generator), number
    torch.save({"state_dict": {"elsewhere.weight": torch.zeros(3)}}, tmp_path / "another.pth")
    with pytest.raises(UserError, match=r"another\.pth: has 'elsewhere\.weight', which this network lacks"):
        load_weights(Generator(SMALL), tmp_path / "another.pth")
    torch.save({"args": Evil(), "state_dict": weights}, tmp_path / "more.pth")
    with pytest.raises(UserError, match=r"save its weights alone: torch\.save\("):
        load_weights(Generator(SMALL), tmp_path / "more.pth")


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"ngf": 8}, "--ngf"),
        ({"num_classes": 6}, "--sort_order"),
        ({"dim_per_class": 7}, "--gen_dim_per_style"),
        ({"adaptive_blocks": 3}, "--n_adaptive_blocks"),
        ({"downsamplings": 3}, "--n_downsample"),
        ({"equalized": False}, "--conv_weight_norm"),
        ({"modulated": False}, "--use_modulated_conv"),
    ],
)
def test_weights_that_do_not_fit_name_the_option_and_changes_nothing(file, change, option):
    other = Generator(GeneratorConfig(**{**vars(SMALL), **change}))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(UserError, match=option) as error:
        load_weights(other, file)
    assert str(file) in str(error.value)
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())


def test_discriminator_that_does_not_fit(tmp_path):
    path = tmp_path / "D.pth"
    write_tensors(path, MultiScaleDiscriminator(DiscriminatorConfig(ndf=4, layers=2)).state_dict())
    for config, option in (
        (DiscriminatorConfig(ndf=8, layers=2), "--ndf"),
        (DiscriminatorConfig(ndf=4, layers=3), "--n_layers_D"),
        (DiscriminatorConfig(ndf=4, layers=2, num_classes=5), "--sort_order"),
        (DiscriminatorConfig(ndf=4, layers=2, scales=2), "--num_D"),
    ):
        with pytest.raises(UserError, match=option):
            load_weights(MultiScaleDiscriminator(config), path)


class Evil:
    def __reduce__(self):
        return (print, ("code in a pickle was run",))


def test_broken_and_foreign_files(tmp_path, file, capsys):
    cases = {
        "missing.pth": (None, "no such file"),
        "truncated.pth": (file.read_bytes()[: file.stat().st_size // 2], "truncated"),
        "empty.pth": (b"", "damaged .it ends too early"),
        "cut.pth": (b"\x80", "truncated"),
        "text.pth": (b"hello", "not a PyTorch file"),
        "pickle.pth": (pickle.dumps(Evil()), "more than plain tensors"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            read_tensors(path)
        assert name in str(error.value)
    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("evil.pth", "list.pth"):
        with pytest.raises(UserError, match=name):
            read_tensors(tmp_path / name)
    torch.save({"decoder.note": "text"}, tmp_path / "values.pth")
    with pytest.raises(UserError, match="is not a tensor"):
        load_weights(Generator(SMALL), tmp_path / "values.pth")
    assert "code in a pickle" not in capsys.readouterr().out


def test_failed_write_keeps_the_old_file(tmp_path, file):
    before = file.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        write_tensors(file, {"unpicklable": lambda: None})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_first_save_promises_no_checkpoint(tmp_path, generator, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    folder = CheckpointFolder(tmp_path / "run")
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match=r"no space left.*; nothing was saved"):
        folder.write("latest", {"G": generator}, {})
    folder.weights("latest", "G").touch()
    with pytest.raises(UserError, match="the previous checkpoint is intact"):
        folder.write("latest", {"G": generator}, {})


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def cut_short(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:672]")

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(UserError, match="inline_container"):
        write_tensors(tmp_path / "weights.pth", {})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(FolderError, match=r"No space left on device.*free some space"):
        write_tensors(tmp_path / "weights.pth", {})


def test_checkpoint_holds_the_published_files(tmp_path, generator):
    folder = CheckpointFolder(tmp_path / "run")
    folder.write("latest", {"G": generator, "g_running": generator}, {"note": 1})
    folder.write_position(3, 120)
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == ["iter.txt", "latest_net_G.pth", "latest_net_g_running.pth", "latest_state.pth"]
    assert (folder.path / "iter.txt").read_text() == "3,120\n"
