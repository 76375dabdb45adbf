"""--paste_back: what the files show is the photo with the aged heads in it."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.masking import Label, mask
from data.origin import Origin, Square
from data.portrait import Portrait
from options.test import parse_test_options
from options.test import test_parser as make_test_parser
from outputs import photos, plan, preparation
from tests.conftest import CLASSES, write_dataset
from util.errors import UserError
from util.images import read_image, write_image

SIZE = 16
RESULTS = Path("results", "tiny", "test_latest")


@pytest.fixture
def place(tmp_path, tiny_model, monkeypatch):
    """The current folder, with a tiny model."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(source: Path, *extra: object) -> int:
    """Runs test.py on photos in this process."""
    parser = make_test_parser()
    asked = ["--name", "tiny", "--gpu_ids", -1, "--engine", "torch", "--image_path_file", source, "--random_seed", 0]
    options = parse_test_options(parser, list(map(str, [*asked, *extra])))
    return photos.use_photos(options, parser, RESULTS)


def picture(name: str) -> np.ndarray:
    return np.asarray(read_image(RESULTS / name)).astype(int)


def test_aligned_portraits_are_shown_with_their_background(place):
    root = write_dataset(place / "people", per_class=1, phases=("test",))
    source = root / "test0-2" / "0.png"
    photo = np.asarray(read_image(source))
    assert make(source, "--paste_back", "--deploy") == 0
    assert np.array_equal(picture("deploy/0_input.png"), photo)
    for name in CLASSES:
        assert (picture(f"deploy/0_{name}.png") != photo).any()
    with pytest.raises(UserError, match="was made with --paste_back"):
        make(source, "--deploy")


@pytest.fixture
def pair(place, monkeypatch):
    """A photo of two people, 100x60 pixels; their portraits are read without a search for faces."""
    rng = np.random.default_rng(0)
    parsing = np.zeros((SIZE, SIZE), np.uint8)
    parsing[4:12, 4:12] = Label.SKIN
    photo = rng.integers(100, 200, (60, 100, 3), dtype=np.uint8)
    write_image(place / "pair.png", photo)

    def read(path: Path) -> list[Portrait]:
        people = []
        for number, left in enumerate((10, 70), start=1):
            corner = np.array([left, 20.0])
            origin = Origin(path, Square(corner + (SIZE - 1) / 2, np.array([SIZE / 2, 0.0])))
            seen = photo[20 : 20 + SIZE, left : left + SIZE]
            people.append(Portrait(path, mask(seen, parsing), parsing, number, origin))
        return people

    monkeypatch.setattr(photos, "portrait_reader", lambda *_: read)
    monkeypatch.setattr(preparation, "log_age", lambda *_: {"looks": 30})
    return place / "pair.png"


def test_everybody_ages_in_one_picture(pair):
    asked = ("--in_the_wild", "--parser", "grabcut", "--face", "all", "--paste_back")
    assert make(pair, *asked, "--deploy", "--ages", "1.5,60") == 0
    photo = picture("deploy/pair_input.png")
    assert photo.shape == (60, 100, 3)
    made = sorted(path.name for path in (RESULTS / "deploy").iterdir())
    assert made == ["pair_1.5.png", "pair_60.png", "pair_input.png", "pair_portrait.png"]
    assert picture("deploy/pair_portrait.png").shape == (SIZE, 2 * SIZE, 3)
    changed = (picture("deploy/pair_60.png") != photo).any(axis=2)
    assert changed[24:32, 14:22].mean() > 0.8
    assert changed[24:32, 74:82].mean() > 0.8
    changed[16:40, 6:30] = changed[16:40, 66:90] = False
    assert not changed.any()
    (line,) = (json.loads(line) for line in (RESULTS / "manifest.jsonl").read_text().splitlines())
    assert line["looks"] == {"pair": None, "pair_face1": 30, "pair_face2": 30}


def test_series_show_a_reduced_photo(pair, monkeypatch):
    monkeypatch.setattr(plan, "MOST_SERIES_PIXELS", 1500)
    asked = ("--in_the_wild", "--parser", "grabcut", "--face", "all", "--paste_back", "--traverse")
    assert make(pair, *asked, "--interp_step", 1, "--frames") == 0
    assert picture("traversal/pair/000.png").shape == (30, 50, 3)
    monkeypatch.setattr(plan, "_MOST_PIXELS", 4 * 24 * 40)
    assert make(pair, *asked, "--interp_step", 1) == 0
    # The input, a gap, and a picture for each class.
    assert picture("traversal/pair.png").shape == (24, 4 * 40 + 10, 3)
    assert make(pair, *asked, "--interp_step", 1, "--output_size", 18, "--overwrite") == 0
    assert picture("traversal/pair.png").shape == (18, 4 * 30 + 10, 3)


def test_pasting_back_needs_pictures():
    with pytest.raises(UserError, match="--paste_back"):
        make(Path("photo.png"), "--portrait", "--paste_back")
