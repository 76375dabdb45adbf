"""test.py as its users run it: videos, rows, comparisons, and what goes wrong."""

from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from PIL import Image

from models.age_code import anchor_blends, traversal_blends
from models.checkpoint import CheckpointFolder
from models.generator import Generator, GeneratorConfig
from models.transformer import AgeTransformer
from tests.conftest import CLASSES, write_dataset
from util.errors import UserError
from util.video import write_video

AGES = len(CLASSES)


@pytest.fixture
def photo(tmp_path):
    """An aligned portrait with its map; a space, a dot and a letter beyond ASCII in its name."""
    source = write_dataset(tmp_path / "source", per_class=1) / "train0-2"
    target = tmp_path / "my phöto.v2.png"
    (tmp_path / "parsings").mkdir()
    (source / "0.png").rename(target)
    (source / "parsings" / "0.png").rename(tmp_path / "parsings" / target.name)
    return target


@pytest.fixture
def use(run, tiny_model):
    def use(*arguments, code=0):
        return run("test.py", "--name", tiny_model, "--gpu_ids", -1, *arguments, code=code)

    return use


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_video_plays_in_browsers(use, photo, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photo.name}\n", "utf-8")
    use("--traverse", "--make_video", "--interp_step", 0.25, "--image_path_file", listed, "--output_size", 32)
    path = tmp_path / "results" / "tiny" / "test_latest" / "traversal" / "my phöto.v2.mp4"
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 20
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
    assert [frame.shape for frame in frames] == [(32, 32, 3)] * (4 * (AGES - 1) + 1)
    # +faststart: the index lies before the pictures.
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_series_of_pictures(use, photo, tmp_path):
    use("--traverse", "--image_path_file", photo, "--ages", "1.5,10,17.5,60", "--random_seed", 3)
    folder = tmp_path / "results" / "tiny" / "test_latest_seed3" / "traversal" / "my phöto.v2"
    assert sorted(path.name for path in folder.iterdir()) == ["000.png", "001.png", "002.png", "003.png"]
    use("--deploy", "--image_path_file", photo, "--random_seed", 3)
    deploy = folder.parent.parent / "deploy"
    names = [f"my phöto.v2_{name}.png" for name in CLASSES]
    assert sorted(path.name for path in deploy.iterdir()) == sorted(names)
    # The ages 1.5, 17.5 and 60 are the centres of the three anchors.
    for number, name in zip((0, 2, 3), names, strict=True):
        assert np.abs(pixels(folder / f"{number:03d}.png").astype(int) - pixels(deploy / name)).max() <= 1


def test_a_progression_is_input_gap_and_ages(use, photo, tmp_path):
    use("--deploy", "--full_progression", "--image_path_file", tmp_path, "--random_seed", 0)
    path = tmp_path / "results" / "tiny" / "test_latest_seed0" / "deploy" / "my phöto.v2.png"
    row = pixels(path)
    assert row.shape == (16, 16 + 10 + AGES * 16, 3)
    expected = pixels(photo).copy()
    expected[pixels(photo.parent / "parsings" / photo.name)[..., 0] == 0] = 128
    assert np.array_equal(row[:, :16], expected)
    assert (row[:, 16:26] == 255).all()
    ages = [row[:, start : start + 16].astype(int) for start in range(26, row.shape[1], 16)]
    assert all(np.abs(a - b).max() > 2 for a, b in pairwise(ages))
    first = path.read_bytes()
    use("--deploy", "--full_progression", "--image_path_file", photo, "--random_seed", 0)
    assert path.read_bytes() == first


def test_a_trained_class_beside_its_interpolation(use, photo, tmp_path):
    use("--compare_to_trained_outputs", "--image_path_file", photo, "--interp_step", 0.5)
    path = tmp_path / "results" / "tiny" / "test_latest" / "traversal" / "my phöto.v2_compare_to_1_jump_1.png"
    # The trained class, the gap, then from its left neighbour over the middle to its right one.
    assert pixels(path).shape == (16, 16 + 10 + 3 * 16, 3)
    done = use("--compare_to_trained_outputs", "--compare_to_trained_class", 0, "--image_path_file", photo, code=2)
    assert "--compare_to_trained_class 0" in done.stderr


def test_bad_images_are_skipped_and_told(use, photo, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "mapless.png").write_bytes(photo.read_bytes())
    listed = tmp_path / "list.txt"
    listed.write_text(f"missing.png\ntext.png\n{photo.name}\nmapless.png\n", "utf-8")
    done = use("--deploy", "--full_progression", "--image_path_file", listed, code=1)
    for name in ("missing.png", "text.png", "mapless.png"):
        assert f"skipped: {name}" in done.stderr
    assert "1 of 4 photos done" in done.stderr
    assert (tmp_path / "results" / "tiny" / "test_latest" / "deploy" / f"{photo.stem}.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--traverse"], "--image_path_file"),
        (["--image_path_file", "PHOTO"], "--traverse"),
        (["--in_the_wild"], "--in_the_wild"),
        ([], "--dataroot datasets/males"),
        (["--dataroot", "source"], "test0-2"),
        (["--traverse", "--image_path_file", "nothing.txt"], "nothing.txt"),
        (["--traverse", "--image_path_file", "empty.txt"], "empty.txt"),
        (["--traverse", "--image_path_file", "PHOTO", "--interp_step", "0"], "--interp_step"),
        (["--traverse", "--image_path_file", "PHOTO", "--ages", "4,old"], "--ages"),
        (["--traverse", "--image_path_file", "PHOTO", "--ages", "4,130"], "--ages: 130"),
        (["--traverse", "--image_path_file", "PHOTO", "--name", "nobody"], "nobody"),
        (["--traverse", "--image_path_file", "PHOTO", "--which_epoch", "7"], "7_net_g_running.pth"),
        (["--traverse", "--image_path_file", "PHOTO", "--ngf", "8"], "--ngf"),
        (["--traverse", "--image_path_file", "PHOTO", "--in_the_wild", "--parser", "magic"], "--parser"),
        (["--traverse", "--image_path_file", "PHOTO", "--fps", "none"], "--fps"),
    ],
)
def test_a_mistake_is_one_clear_line(use, photo, tmp_path, arguments, complaint):
    (tmp_path / "empty.txt").write_text("\n")
    done = use(*(str(photo) if part == "PHOTO" else part for part in arguments), code=2)
    assert complaint in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists()


def test_without_a_gpu_the_cpu_is_used_and_said(run, tiny_model, photo, tmp_path):
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    done = run("test.py", "--name", tiny_model, "--gpu_ids", 0, "--deploy", "--image_path_file", photo)
    assert "running on the CPU" in done.stderr


def make_transformer(precision="fp32") -> AgeTransformer:
    torch.manual_seed(0)
    config = GeneratorConfig(ngf=4, num_classes=AGES, dim_per_class=2)
    return AgeTransformer(Generator(config).eval().requires_grad_(False), torch.device("cpu"), 0.2, precision)


def test_frames_are_made_as_they_are_asked_for(monkeypatch):
    transformer, made = make_transformer(), []
    decoder = transformer.generator.decoder
    decoder.register_forward_hook(lambda module, inputs, output: made.append(len(output)))
    frames = transformer.frames(np.zeros((16, 16, 3), np.uint8), traversal_blends(AGES, 0.05), seed=0)
    next(frames)
    assert sum(made) <= 4
    rest = list(frames)
    assert len(rest) == 40
    assert max(made) <= 4


def test_bfloat16_is_near_float32():
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    full, half = (
        np.stack(list(make_transformer(p).frames(pixels, anchor_blends(AGES), seed=0))) for p in ("fp32", "bf16")
    )
    assert half.dtype == np.uint8
    assert not np.array_equal(full, half)
    # An untrained network amplifies rounding; the picture stays the same.
    assert np.corrcoef(full.ravel(), half.ravel())[0, 1] > 0.9


def test_a_video_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def frames():
        yield np.zeros((16, 16, 3), np.uint8)
        raise UserError("the next frame is lost")

    with pytest.raises(UserError):
        write_video(path, frames(), 20)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    # An odd last row and column are dropped.
    assert write_video(path, [np.zeros((17, 33, 3), np.uint8)] * 3, 5) == 3
    with av.open(str(path)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (32, 16)


def test_checkpoints_of_every_epoch_can_be_used(use, photo, tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints" / "tiny")
    folder.weights("20", "g_running").write_bytes(folder.weights("latest", "g_running").read_bytes())
    use("--deploy", "--image_path_file", photo, "--which_epoch", 20)
    assert (tmp_path / "results" / "tiny" / "test_20" / "deploy").is_dir()
