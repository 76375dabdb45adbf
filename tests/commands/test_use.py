"""test.py as a command: videos, rows, comparisons, and users' mistakes."""

import re
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from PIL import Image

from models.age_code import anchor_blends, traversal_blends
from models.checkpoint import CheckpointFolder
from models.engines import TorchEngine
from models.generator import Generator, GeneratorConfig
from models.transformer import AgeTransformer
from options.test import parse_test_options
from options.test import test_parser as make_test_parser
from options.train import parse_train_options, train_parser
from tests.conftest import CLASSES, write_dataset
from util.errors import UserError
from util.provenance import MANIFEST
from util.video import write_video

AGES = len(CLASSES)


@pytest.fixture
def photo(tmp_path):
    """An aligned portrait with its map. Its name holds a space, a dot and a letter beyond ASCII."""
    source = write_dataset(tmp_path / "source", per_class=1) / "train0-2"
    target = tmp_path / "my phöto.v2.png"
    (tmp_path / "parsings").mkdir()
    (source / "0.png").rename(target)
    (source / "parsings" / "0.png").rename(tmp_path / "parsings" / target.name)
    return target


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
    # With +faststart, the index comes before the pictures.
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def files(folder) -> list[str]:
    """The results in a folder, without the record of them."""
    results = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(path.relative_to(folder).as_posix() for path in results)


def test_a_series_is_a_row_of_input_gap_and_frames(use, photo, tmp_path):
    use("--traverse", "--image_path_file", photo, "--interp_step", 0.25, "--random_seed", 3)
    folder = tmp_path / "results" / "tiny" / "test_latest_seed3"
    assert files(folder) == ["traversal/my phöto.v2.png"]
    series = pixels(folder / "traversal" / "my phöto.v2.png")
    frames = 4 * (AGES - 1) + 1
    assert series.shape == (16, 16 + 10 + frames * 16, 3)
    assert (series[:, 16:26] == 255).all()
    assert not (series[:, 26:] == 255).all()


def test_a_series_of_numbered_pictures(use, photo, tmp_path):
    use("--traverse", "--frames", "--image_path_file", photo, "--ages", "1.5,10,17.5,60", "--random_seed", 3)
    results = tmp_path / "results" / "tiny" / "test_latest_seed3"
    folder = results / "traversal" / "my phöto.v2"
    assert files(results) == [f"traversal/my phöto.v2/{number:03d}.png" for number in range(4)]
    use("--deploy", "--image_path_file", photo, "--random_seed", 3)
    deploy = results / "deploy"
    names = [f"my phöto.v2_{name}.png" for name in CLASSES]
    assert files(deploy) == sorted([*names, "my phöto.v2_input.png"])
    expected = pixels(photo).copy()
    expected[pixels(photo.parent / "parsings" / photo.name)[..., 0] == 0] = 128
    assert np.array_equal(pixels(deploy / "my phöto.v2_input.png"), expected)
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


@pytest.mark.parametrize("alone", [True, False])
def test_the_series_over_a_trained_class_is_all_that_is_made(use, photo, tmp_path, alone):
    asked = ["--compare_to_trained_outputs", *([] if alone else ["--traverse"]), "--image_path_file", photo]
    use(*asked, "--interp_step", 0.25)
    folder = tmp_path / "results" / "tiny" / "test_latest"
    name = "traversal/my phöto.v2_compare_to_1_jump_1"
    assert files(folder) == [f"{name}.png"]
    series = pixels(folder / f"{name}.png")
    # The input, the gap, then the frames from the left neighbour to the right one.
    assert series.shape == (16, 16 + 10 + 5 * 16, 3)
    assert (series[:, 16:26] == 255).all()
    assert not (series[:, :16] == 255).all()


def test_a_video_of_the_series_over_a_trained_class(use, photo, tmp_path):
    asked = ["--traverse", "--compare_to_trained_outputs", "--make_video", "--image_path_file", photo]
    use(*asked, "--interp_step", 0.25, "--fps", "30000/1001", "--crf", 30)
    folder = tmp_path / "results" / "tiny" / "test_latest" / "traversal"
    assert files(folder) == ["my phöto.v2_compare_to_1_jump_1.mp4"]
    with av.open(str(folder / "my phöto.v2_compare_to_1_jump_1.mp4")) as video:
        assert video.streams.video[0].average_rate == Fraction(30000, 1001)
        assert sum(1 for _ in video.decode(video=0)) == 5
    done = use("--compare_to_trained_outputs", "--compare_to_trained_class", 0, "--image_path_file", photo, code=2)
    assert "--compare_to_trained_class 0" in done.stderr


def test_a_setting_without_effect_is_reported(use, photo):
    done = use("--deploy", "--image_path_file", photo, "--interp_step", 0.1, "--fps", 30, "--debug_mode")
    for warning in (
        "--interp_step: has no effect without --traverse",
        "--fps: has no effect",
        "--debug_mode: has no",
    ):
        assert warning in done.stderr


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        ("--traverse --ages 4,63 --interp_step 0.1", {"interp_step"}),
        ("--portrait --engine torch --random_seed 3 --no_metadata", {"engine", "random_seed", "no_metadata"}),
        ("--traverse --out me.png --ascii_names --max_dataset_size 3", {"ascii_names", "max_dataset_size"}),
        ("--compare_to_trained_outputs --deploy --ages 4,63 --interp_step 0.1", set()),
    ],
)
def test_every_setting_without_effect_is_named(tiny_model, tmp_path, monkeypatch, caplog, line, idle):
    monkeypatch.chdir(tmp_path)
    parse_test_options(make_test_parser(), f"--name {tiny_model} --image_path_file p.png {line}".split())
    assert set(re.findall(r"--(\w+): has no effect", caplog.text)) == idle


def test_every_setting_without_effect_on_training_is_named(monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    line = "--display_id 0 --display_port 80 --display_freq 7 --no_html --save_display_freq 9 --which_epoch 3"
    parse_train_options(train_parser(), f"{line} --lambda_r1 0 --r1_interval 4".split())
    named = re.findall(r"--(\w+): has no effect", caplog.text)
    assert sorted(set(named)) == [
        *("display_freq", "display_port", "r1_interval", "save_display_freq", "which_epoch")
    ]
    caplog.clear()
    parse_train_options(train_parser(), ["--display_port", "80", "--display_freq", "7", "--save_display_freq", "9"])
    assert not caplog.records


def test_models_are_listed(run, use, tiny_model, tmp_path):
    folder = tmp_path / "checkpoints" / "männer 2"
    folder.mkdir()
    (folder / "20_net_G.pth").write_bytes(b"")
    (tmp_path / "checkpoints" / "empty").mkdir()
    assert use("--list_models").stdout == "männer 2\ntiny\n"
    assert run("evaluate.py", "--list_models").stdout == "männer 2\ntiny\n"
    assert run("test.py", "--list_models", "--checkpoints_dir", "elsewhere").stdout == ""
    # A link to a model's folder elsewhere counts as a model.
    (tmp_path / "checkpoints" / "tiny").rename(tmp_path / "stored")
    (tmp_path / "checkpoints" / "tiny").symlink_to(tmp_path / "stored")
    done = run("test.py", "--name", "tinny", code=2)
    assert "--name tinny: no such model in checkpoints; it holds männer 2, tiny" in done.stderr


def test_help_begins_with_what_to_make_and_hides_what_has_no_effect(run):
    text = run("test.py", "--help").stdout
    headings = ["what to make of each photo:", "photos:", "results:", "model and machine:", "network", "examples:"]
    places = [text.index(f"\n{heading}") for heading in headings]
    assert places == sorted(places)
    assert "--fps N               frames per second of videos (default: 20)" in text
    assert "(default: 0-2,3-6,7-9," in " ".join(text.split())
    for hidden in ("display", "--batchSize", "--serial_batches", "False", "None"):
        assert hidden not in text


def test_bad_images_are_skipped_and_reported(use, photo, tmp_path):
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
        (["--make_video"], "--make_video: has no effect without --traverse"),
        (
            ["--deploy", "--image_path_file", "PHOTO", "--make_video"],
            "--make_video: has no effect without --traverse",
        ),
        (["--traverse", "--image_path_file", "PHOTO", "--full_progression"], "--full_progression: has no effect"),
        (["--deploy", "--image_path_file", "PHOTO", "--frames"], "--frames: has no effect without --traverse"),
        (["--compare_to_trained_outputs", "--image_path_file", "PHOTO", "--ages", "4"], "--ages: has no effect"),
        (["--traverse", "--image_path_file", "PHOTO", "--interp_step", "0.001", "--output_size", "512"], "too large"),
    ],
)
def test_a_mistake_is_one_clear_line(use, photo, tmp_path, arguments, complaint):
    (tmp_path / "empty.txt").write_text("\n")
    done = use(*(str(photo) if part == "PHOTO" else part for part in arguments), code=2)
    assert complaint in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists()


def test_without_a_gpu_the_cpu_is_used_and_named(run, tiny_model, photo, tmp_path):
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    done = run("test.py", "--name", tiny_model, "--gpu_ids", 0, "--deploy", "--image_path_file", photo)
    assert "running on the CPU" in done.stderr


def make_transformer(precision="fp32") -> AgeTransformer:
    torch.manual_seed(0)
    config = GeneratorConfig(ngf=4, num_classes=AGES, dim_per_class=2)
    generator = Generator(config).eval().requires_grad_(False)
    return AgeTransformer(TorchEngine(generator, torch.device("cpu"), precision), 0.2)


def test_frames_are_made_as_they_are_asked_for(monkeypatch):
    transformer, made = make_transformer(), []
    decoder = transformer.engine.generator.decoder
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
        write_video(path, frames(), 20, crf=16)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_odd_sides_of_a_video_are_padded(tmp_path):
    """The last row and column are repeated, which a picture that is white only there shows."""
    frame = np.zeros((17, 33, 3), np.uint8)
    frame[-1], frame[:, -1] = 255, 255
    path = tmp_path / "a.mp4"
    write_video(path, [frame] * 3, Fraction("23.976"), crf=1)
    with av.open(str(path)) as video:
        assert video.streams.video[0].frames == 3
        assert abs(video.streams.video[0].average_rate - Fraction("23.976")) < 1e-6
        shown = next(video.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (18, 34, 3)
    assert (shown[-2:] > 200).all()
    assert (shown[:, -2:] > 200).all()
    assert shown[:-3, :-3].max() < 60


def test_checkpoints_of_every_epoch_can_be_used(use, photo, tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints" / "tiny")
    folder.weights("20", "g_running").write_bytes(folder.weights("latest", "g_running").read_bytes())
    use("--deploy", "--image_path_file", photo, "--which_epoch", 20)
    assert (tmp_path / "results" / "tiny" / "test_20" / "deploy").is_dir()
