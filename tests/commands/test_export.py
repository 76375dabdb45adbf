"""export.py: ONNX files that other programs run, as docs/python.md shows."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

import export
from models.checkpoint import CheckpointFolder, load_weights
from models.generator import Generator
from models.model_folder import read_model_options
from models.onnx_export import check_onnx
from tests.models.test_from_python import EXAMPLES
from util.errors import UserError
from util.images import to_pixels, to_tensor


def test_an_export_runs_elsewhere_and_is_not_replaced(tiny_model, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["export.py", "--name", tiny_model])
    caplog.set_level("INFO")
    assert export.main() == 0
    for part in ("encoder", "mapping", "decoder"):
        assert f"{part}: differs from PyTorch by" in caplog.text

    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save("portrait.png")
    names: dict = {}
    exec(EXAMPLES[3].replace("demo_model", tiny_model), names)
    folder = tmp_path / "checkpoints" / tiny_model
    generator = Generator(read_model_options(folder).generator_config).eval().requires_grad_(False)
    load_weights(generator, CheckpointFolder(folder).weights("latest", "g_running"))
    images = to_tensor(pixels)[None].expand(3, -1, -1, -1)
    expected = to_pixels(generator.synthesize(images, torch.from_numpy(names["codes"]).float()))
    assert np.abs(np.stack(names["pictures"]).astype(int) - expected).max() <= 1

    with pytest.raises(UserError, match="onnx_latest: holds another result; give --overwrite"):
        export.main()
    # The comparison notices other weights.
    with torch.no_grad():
        generator.decoder.StyledConvBlock_0.conv0.bias += 1
    with pytest.raises(UserError, match=r"decoder\.onnx: differs from torch by"):
        check_onnx(generator, 16, tmp_path / "results" / tiny_model / "onnx_latest")


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_a_missing_package_is_named_and_nothing_is_left(tiny_model, tmp_path, monkeypatch, package):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["export.py", "--name", tiny_model, "--out", "exported"])
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package}: not installed; run pip install -r requirements-export\.txt"):
        export.main()
    assert not (tmp_path / "exported").exists()


def test_a_model_that_is_not_there_is_named_with_its_option(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["export.py", "--name", "nothing"])
    with pytest.raises(UserError, match=f"^--name nothing: no such model in checkpoints; it holds {tiny_model}"):
        export.main()
