"""Synthetic people: the same person at every age, with exact maps, in both layouts."""

import csv
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data.age_classes import ANCHORS, CLUSTERS
from data.masking import MASKED_LABELS, Label
from datasets.renderer.growth import strain
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from tests.conftest import ROOT

SYNTHESIZE = "datasets/synthesize.py"


def head_of(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return pixels[~np.isin(labels, MASKED_LABELS)].astype(float)


def test_same_arguments_same_picture():
    person = sample_identity(3, 5)
    first, again = draw(person, 30, 128), draw(person, 30, 128)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], draw(person, 30, 128, picture=1)[0])
    assert not np.array_equal(first[0], draw(sample_identity(4, 5), 30, 128)[0])


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("age", [0, 8, 35, 75])
def test_every_age_has_a_whole_head(index, age):
    pixels, labels = draw(sample_identity(0, index), age, 256)
    assert pixels.shape == (256, 256, 3)
    assert labels.shape == (256, 256)
    assert pixels.dtype == labels.dtype == np.uint8
    for label in (Label.SKIN, Label.NOSE, Label.LEFT_EYE, Label.RIGHT_EYE, Label.LEFT_BROW, Label.UPPER_LIP,
                  Label.LOWER_LIP, Label.HAIR, Label.NECK, Label.CLOTH):  # fmt: skip
        assert (labels == label).sum() > 20, label.name
    rows = {label: np.nonzero(labels == label)[0].mean() for label in (Label.LEFT_EYE, Label.NOSE, Label.UPPER_LIP)}
    assert rows[Label.LEFT_EYE] < rows[Label.NOSE] < rows[Label.UPPER_LIP]
    columns = [np.nonzero(labels == eye)[1].mean() for eye in (Label.LEFT_EYE, Label.RIGHT_EYE)]
    assert columns[0] < 128 < columns[1]


def test_small_pictures_show_what_large_ones_do():
    person = sample_identity(0, 2)
    large, small = Image.fromarray(draw(person, 60, 256)[0]), draw(person, 60, 64)[0]
    reduced = np.asarray(large.resize((64, 64), Image.Resampling.BOX))
    assert np.abs(reduced.astype(float) - small).mean() < 2


def test_growth_lowers_eyes_in_the_head_of_infants():
    """Todd et al. 1980: lower points move towards the skull's centre, the top stays."""
    top, chin = np.array([(0.0, -1.0)]), np.array([(0.0, 1.0)])
    assert strain(top, -0.15) == pytest.approx(top)
    assert strain(chin, -0.15)[0, 1] < 0.8
    person = sample_identity(0, 4)
    forehead = {}
    for age in (1, 40):
        labels = draw(person, age, 256)[1]
        skin = np.nonzero((labels == Label.SKIN).any(axis=1))[0]
        eyes = np.nonzero(labels == Label.LEFT_EYE)[0].mean()
        forehead[age] = (eyes - skin.min()) / (skin.max() - skin.min())
    assert forehead[1] > forehead[40] + 0.04


def test_age_greys_hair_and_folds_skin():
    person = sample_identity(0, 10)

    def colorfulness(age: int) -> float:
        pixels, labels = draw(person, age, 256)
        hair = pixels[labels == Label.HAIR].astype(float)
        return float((hair.max(axis=1) - hair.min(axis=1)).mean() / hair.mean())

    def roughness(age: int) -> float:
        pixels, labels = draw(person, age, 256)
        steps = np.abs(np.diff(pixels.astype(float).mean(axis=2), axis=0))
        return float(steps[(labels == Label.SKIN)[1:]].mean())

    assert colorfulness(72) < 0.5 * colorfulness(25)
    assert roughness(72) > 1.3 * roughness(25)


def test_a_person_is_nearer_to_itself_than_to_others():
    people = [sample_identity(0, index) for index in range(0, 12, 2)]
    at = {age: [draw(person, age, 64)[0].astype(float) for person in people] for age in (30, 38)}
    for index, picture in enumerate(at[30]):
        distances = [np.abs(picture - other).mean() for other in at[38]]
        assert int(np.argmin(distances)) == index


def test_classes_layout(run, tmp_path):
    run(SYNTHESIZE, "--out", "people", "--identities", 10, "--size", 32, "--test_fraction", 0.2, "--workers", 2)
    people: dict[str, set[str]] = {"train": set(), "test": set()}
    for gender in ("males", "females"):
        for phase, names in people.items():
            for name in ANCHORS:
                folder = tmp_path / "people" / gender / f"{phase}{name}"
                pictures = sorted(folder.glob("*.png"))
                assert pictures
                for path in pictures:
                    assert Image.open(path).size == (32, 32)
                    labels = np.asarray(Image.open(path.parent / "parsings" / path.name))
                    assert labels.shape == (32, 32)
                    assert labels.max() <= max(Label)
                names |= {path.stem.split("_")[0] for path in pictures}
    assert len(people["train"]) == 8
    assert len(people["test"]) == 2
    assert not people["train"] & people["test"]


def test_together_is_one_data_set_that_training_takes(run, tmp_path):
    run(SYNTHESIZE, "--out", "people", "--identities", 4, "--size", 16, "--together", "--workers", 1)
    sizes = ["--loadSize", 16, "--fineSize", 16, "--n_layers_D", 2]
    done = run("train.py", "--dataroot", "people", "--gpu_ids", -1, *sizes, "--dry-run")
    assert "0-2: 4" in done.stdout + done.stderr


def test_raw_layout_is_that_of_ffhq_aging(run, tmp_path):
    run(SYNTHESIZE, "--out", "raw", "--identities", 30, "--size", 16, "--layout", "raw", "--workers", 2)
    with (tmp_path / "raw" / "ffhq_aging_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["image_number"]) for row in rows] == list(range(300))
    assert {row["age_group"] for row in rows} == set(CLUSTERS)
    assert {row["gender"] for row in rows} == {"male", "female"}
    for row in rows:
        path = tmp_path / "raw" / "ffhq_aging256x256" / "00000" / f"{int(row['image_number']):05d}.png"
        assert path.is_file()
        assert (path.parent / "parsings" / path.name).is_file()
    # There are pictures for every rule by which create_dataset leaves some out.
    known = [row for row in rows if row["glasses"] != "-1"]
    assert len(known) < len(rows)
    assert any(float(row["age_group_confidence"]) <= 0.6 for row in rows)
    assert any(float(row["gender_confidence"]) <= 0.66 for row in rows)
    assert any(abs(float(row["head_pitch"])) >= 30 for row in known)
    assert any(abs(float(row["head_yaw"])) >= 40 for row in known)
    assert any(float(row["left_eye_occluded"]) >= 50 for row in known)
    assert any(row["glasses"] == "Dark" for row in known)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", "x", "--identities", "0"], "--identities"),
        (["--out", "x", "--size", "big"], "--size"),
        (["--out", "x", "--size", "60000"], "--size 60000: must be from 8 to 4096"),
        (["--out", "x", "--test_fraction", "1.5"], "--test_fraction"),
        (["--out", "x", "--layout", "faces"], "--layout"),
        (["--out", "x", "--seed", "-3"], "--seed"),
        (["--identities", "3"], "--out"),
        (["--out", "x", "--layout", "raw", "--test_fraction", "0.5"], "--test_fraction: has no effect"),
    ],
)
def test_bad_options(run, arguments, complaint):
    assert complaint in run(SYNTHESIZE, *arguments, code=2).stderr


def test_a_file_in_the_way_is_named(run, tmp_path):
    (tmp_path / "taken").write_text("mine")
    done = run(SYNTHESIZE, "--out", "taken", "--identities", 2, "--size", 16, "--workers", 1, code=2)
    assert "taken" in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"


def test_two_populations_never_mix(run, tmp_path):
    drawing = ("--out", "people", "--identities", 2, "--together", "--workers", 1, "--test_fraction", 0)
    run(SYNTHESIZE, *drawing, "--size", 16)
    assert "--overwrite" in run(SYNTHESIZE, *drawing, "--size", 24, code=2).stderr
    run(SYNTHESIZE, *drawing, "--size", 24, "--overwrite")
    assert {Image.open(path).size for path in (tmp_path / "people").glob("*/*.png")} == {(24, 24)}
    assert [path.name for path in tmp_path.iterdir()] == ["people"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_half_set(tmp_path, number):
    command = [sys.executable, ROOT / SYNTHESIZE, "--out", "people", "--identities", "2000", "--size", "32"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "drawing" in process.stderr.readline()
        process.send_signal(number)
        assert process.stderr.read() == "interrupted\n"
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_contact_sheet_in_assets_is_the_renderers(tmp_path):
    """The first picture of the README shows what the code draws today."""
    sheet = np.asarray(Image.open(ROOT / "assets" / "contact_sheet.jpg").convert("RGB")).astype(float)
    side = sheet.shape[1] // 8
    drawn = draw(sample_identity(0, 3), 18, side)[0]
    shown = sheet[3 * side : 4 * side, 4 * side : 5 * side]
    assert np.abs(shown - drawn).mean() < 6
