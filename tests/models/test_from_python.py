"""Models used from Python: the examples of docs/python.md, every kind of photo, and callers' mistakes."""

import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from data.in_the_wild.pasted_photo import PastedPhoto
from data.portrait import read_portrait
from data.transforms import Transform
from models import AgeTransformer
from models.engines import TorchEngine
from models.generator import Generator, GeneratorConfig
from models.model_folder import ModelOptions, read_model_options
from options.test import parse_test_options
from options.test import test_parser as parser_of_test
from options.train import train_parser
from tests.conftest import CLASSES, ROOT
from util.errors import UserError
from util.images import resize

EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text("utf-8"), re.M | re.S)


@pytest.fixture
def model(tiny_model, tmp_path) -> AgeTransformer:
    return AgeTransformer.from_pretrained(tiny_model, checkpoints_dir=tmp_path / "checkpoints", device="cpu")


@pytest.fixture
def portrait(dataset) -> Path:
    """An aligned picture with its map."""
    return dataset / "train0-2" / "0.png"


def arrays(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(picture) for picture in pictures])


def test_the_examples_run(tmp_path, monkeypatch):
    """They run in a folder like the checkout, so that their pictures do not land there."""
    for name in ("assets", "checkpoints", "hubconf.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for example in EXAMPLES[:3]:
        exec(example, names)
    assert Image.open("old.png").size == (256, 256)
    assert not np.array_equal(names["child"], names["old"])
    with av.open("growing_old.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == 15
    assert [picture.size for picture in names["six_ages"]] == [(128, 128)] * 6
    # The last example has opened the model through torch.hub.
    again = names["model"].age("assets/people/male_1.png", aligned=True, seed=7)
    assert np.array_equal(arrays(again), arrays(names["six_ages"]))


def test_a_path_a_picture_and_an_array_give_the_same(model, portrait):
    pixels = read_portrait(portrait).pixels
    pictures = arrays(model.age(portrait, [1, 10, 60], aligned=True))
    assert pictures.shape == (3, 16, 16, 3)
    for photo in (str(portrait), pixels, Image.fromarray(pixels)):
        assert np.array_equal(arrays(model.age(photo, [1, 10, 60], aligned=True)), pictures)
    assert not np.array_equal(arrays(model.age(portrait, [1, 10, 60], aligned=True, seed=1)), pictures)


def test_ages_are_the_frames_of_their_blends(model, portrait):
    """1.5 is the centre of 0-2, and 17.5 that of 15-19."""
    blends = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    expected = list(model.frames(read_portrait(portrait).pixels, blends, seed=0))
    assert np.array_equal(arrays(model.age(portrait, [1.5, 17.5, 60], aligned=True)), expected)
    assert np.array_equal(arrays(model.age(portrait, aligned=True)), expected)


def test_a_face_is_found_in_pictures_of_all_kinds(model, monkeypatch):
    """A picture of Pillow is turned upright by its own flag. The number of the face is handed on."""
    seen = []

    def portraits(reader, image, photo):
        seen.append((reader.face, reader.size, image.mode, image.size))
        return [read_portrait(ROOT / "assets" / "people" / "male_1.png")]

    monkeypatch.setattr("models.photo_input.PhotoReader.portraits", portraits)
    flagged = Image.new("RGBA", (20, 30))
    flagged.getexif()[0x0112] = 6
    flagged.info["exif"] = flagged.getexif().tobytes()
    model.age(flagged, [5], face=2)
    model.age(np.zeros((30, 20), np.uint8), [5])
    assert seen == [(2, 16, "RGB", (30, 20)), ("largest", 16, "RGB", (20, 30))]


def test_heads_go_back_into_the_photo(model, portrait, tmp_path):
    whole = np.asarray(Image.open(portrait))
    made = arrays(model.age(portrait, [1.5, 60], aligned=True, paste_back=True, size=32))
    photo = PastedPhoto([read_portrait(portrait)], Transform("crop", 16, 16))
    assert np.array_equal(photo.pixels, whole)
    expected = photo.series(np.asarray(frame) for frame in model.age(portrait, [1.5, 60], aligned=True))
    assert np.array_equal(made, [resize(picture, 32) for picture in expected])
    path = model.video(portrait, tmp_path / "a.mp4", [1.5, 60], aligned=True, paste_back=True)
    with av.open(str(path)) as video:
        assert [(frame.width, frame.height) for frame in video.decode(video=0)] == [(16, 16)] * 2
    with pytest.raises(UserError, match="the photo: cannot be pasted back"):
        model.age(whole, aligned=True, paste_back=True)


def test_a_video_goes_through_all_ages(model, portrait, tmp_path):
    path = model.video(portrait, tmp_path / "out" / "a.mp4", aligned=True, size=32, fps=10)
    with av.open(str(path)) as video:
        assert video.streams.video[0].average_rate == 10
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert {frame.shape for frame in frames} == {(32, 32, 3)}
    assert len(frames) == 20 * (len(CLASSES) - 1) + 1


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("males_model", "python download_models.py --only males_model deeplab_model"),
        ("nobody", "nobody: no such model in .*it holds tiny"),
    ],
)
def test_a_missing_model_is_explained(model, tmp_path, name, complaint):
    with pytest.raises(UserError, match=complaint):
        AgeTransformer.from_pretrained(name, checkpoints_dir=tmp_path / "checkpoints")


@pytest.mark.parametrize(
    ("photo", "ages", "complaint"),
    [
        ("nothing.png", [5], "nothing.png"),
        (None, [5, 130], "130 is not an age"),
        (np.zeros((16, 16, 3)), [5], r"shape \(16, 16, 3\), float64: give \(height, width, 3\) uint8"),
        (np.zeros((2, 16, 16, 3), np.uint8), [5], r"shape \(2, 16, 16, 3\)"),
    ],
)
def test_a_mistake_is_explained(model, portrait, photo, ages, complaint):
    with pytest.raises(UserError, match=complaint):
        model.age(portrait if photo is None else photo, ages, aligned=True)


def test_a_wrong_line_of_opt_txt_is_named(model, tmp_path):
    folder = tmp_path / "checkpoints" / "tiny"
    for line in ("ngf: True", "ngf: four", "decoder_norm: batch", "normalize_mlp: maybe"):
        (folder / "opt.txt").write_text(f"{line}\n")
        with pytest.raises(UserError, match=rf"opt\.txt: '{line}' is not a valid value"):
            AgeTransformer.from_pretrained(folder)


def test_opt_txt_means_the_same_to_commands_and_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    parsed = parse_test_options(parser_of_test(), ["--name", "demo_model"])
    assert read_model_options(ROOT / "checkpoints" / "demo_model") == ModelOptions.of(vars(parsed))
    assert ModelOptions.of(vars(train_parser().parse_args([]))) == ModelOptions()
    # The original saved lists with brackets, and later options are missing.
    (tmp_path / "opt.txt").write_text("sort_order: ['0-2', '3-6']\nno_moving_avg: True\nid_enc_norm: None\n")
    expected = ModelOptions(sort_order=("0-2", "3-6"), no_moving_avg=True)
    assert read_model_options(tmp_path) == expected
    assert (expected.network, expected.generator_config.num_classes) == ("G", 2)


def test_a_transformer_without_options_takes_no_photos():
    generator = Generator(GeneratorConfig(ngf=4, dim_per_class=2)).eval()
    with pytest.raises(TypeError, match="from_pretrained"):
        AgeTransformer(TorchEngine(generator, torch.device("cpu")), 0.2).age("me.jpg")


def test_importing_the_package_is_cheap():
    code = "import models, sys; assert 'torch' not in sys.modules; models.nonsense"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "AttributeError: module 'models' has no attribute 'nonsense'" in done.stderr
