"""FID and KID by torch-fidelity. Its weights are not at hand, so a network with random weights stands in."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from data.classes import find_classes
from data.transforms import Transform
from evaluation.during_training import TrainingScores
from evaluation.fidelity import WEIGHTS, inception_distances
from models.execution import Execution
from tests.conftest import CLASSES, ROOT, TINY
from tests.models.test_trainer import make_trainer
from util.images import write_image
from util.torchvision_on_cpu import make_importable

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Where the weights belong."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    path = tmp_path / "home" / "hub" / "checkpoints" / WEIGHTS
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def shades(tmp_path):
    """Four dark pictures and four light ones, of two sizes."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        write_image(
            path, rng.integers(0, 60, (32, 32 - number % 2, 3)).astype(np.uint8) + np.uint8(180 * (number > 3))
        )
    return paths[:4], paths[4:]


def write_stand_in(path, monkeypatch):
    make_importable()
    from torch_fidelity import feature_extractor_inceptionv3 as inception

    class Random(inception.FeatureExtractorInceptionV3):
        def load_state_dict(self, _state):
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)

    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: {})
    torch.manual_seed(0)
    torch.save(Random("stand-in", ["2048"]).state_dict(), path)


def test_distances_of_equal_and_of_different_pictures(weights, shades, monkeypatch):
    write_stand_in(weights, monkeypatch)
    dark, light = shades
    same, other = inception_distances(dark, dark, CPU), inception_distances(dark, light, CPU)
    assert same["fid"] == pytest.approx(0, abs=1e-3 * other["fid"])
    assert other["fid"] > 0
    assert other["kid"] > same["kid"]


def test_without_weights_they_are_left_out_and_that_is_reported(weights, shades, caplog):
    caplog.set_level(logging.INFO)
    assert inception_distances(*shades, CPU) == {}
    assert str(weights.parent) in caplog.text


def test_a_single_photo_has_no_spread(weights, shades, caplog):
    weights.touch()
    caplog.set_level(logging.INFO)
    assert inception_distances(shades[0], shades[1][:1], CPU) == {}
    assert "two photos" in caplog.text


def test_damaged_and_foreign_weights_are_named(weights, shades, caplog):
    weights.write_bytes(b"PK no weights")
    assert inception_distances(*shades, CPU) == {}
    torch.save({"a": torch.zeros(1)}, weights)
    assert inception_distances(*shades, CPU) == {}
    assert [WEIGHTS in record.getMessage() for record in caplog.records] == [True, True]


def test_a_model_is_scored_while_it_trains(weights, dataset, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    write_stand_in(weights, monkeypatch)
    classes = 2 * find_classes(dataset, "train", CLASSES)
    trainer = make_trainer(Execution())
    before = trainer.rng.get_state()
    score = TrainingScores(trainer, classes, Transform("resize_and_crop", 64, 64), 2)
    assert score(1) == {}
    first = score(2)
    assert set(first) == {"fid", "kid"}
    assert first["fid"] > 0
    (dataset / "train0-2" / "0.png").write_bytes(b"no picture")
    assert set(score(4)) == {"fid", "kid"}
    assert caplog.text.count("left out of FID and KID") == 2
    assert torch.equal(trainer.rng.get_state(), before)


def test_training_without_the_weights_names_the_file_once(run, dataset, weights, tmp_path):
    arguments = [*TINY, "--dataroot", "people", "--batchSize", 2, "--name", "run", "--display_id", 0]
    done = run("train.py", *arguments, "--epochs", 3, "--metrics_freq", 1)
    assert done.stderr.count(str(weights)) == 1
    assert "fid" not in (tmp_path / "checkpoints" / "run" / "summary.csv").read_text()


def test_torchvision_is_imported_beside_any_pytorch():
    code = (
        "from util.torchvision_on_cpu import make_importable; make_importable(); import torchvision, torch; "
        "resized = torchvision.transforms.Resize(8)(torch.zeros(3, 16, 16)); assert resized.shape == (3, 8, 8)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
