"""The rooms behind the page, without a browser."""

import functools
import hashlib
import http.server
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.in_the_wild.grabcut import parse_by_grabcut
from data.portrait import read_portrait
from data.transforms import Transform
from interface.portraits import AlignedPhoto, ReadPhoto
from interface.series import ShownSeries, UsableModel, ages_in_words
from interface.shelf import Shelf
from interface.visits import Visits
from models.transformer import AgeTransformer
from tests.conftest import ROOT
from util.download import PublishedFile
from util.errors import UserError

CLASSES = ("0-2", "3-6", "7-9", "15-19", "30-39", "50-69")
ASTRONAUT = ROOT / "assets" / "astronaut.png"
DRAWN = ROOT / "assets" / "people" / "male_1.png"


class Painter(AgeTransformer):
    """In place of a network: each frame's grey value tells its position between the anchors."""

    def __init__(self):
        self.made = []

    def frames(self, pixels, blends, seed):
        for blend in blends:
            place = float(blend @ torch.arange(len(blend), dtype=torch.float32))
            self.made.append(round(20 * place))
            yield np.full((16, 16, 3), round(40 * place), np.uint8)


@pytest.fixture
def series():
    model = UsableModel("painter", "c0ffee", Painter(), Transform("resize_and_crop", 16, 16), 16, CLASSES)
    return ShownSeries(model, read_portrait(DRAWN), in_photo=False)


def test_a_series_is_made_coarsely_and_then_completed_once(series):
    assert list(series.make(series.coarse())) == list(range(1, 12))
    assert series.model.transformer.made == list(range(0, 101, 10))
    assert set(series.view()["frames"]) == {str(index) for index in range(0, 101, 10)}
    assert list(series.make(series.missing())) == list(range(12, 102))
    assert sorted(series.model.transformer.made) == list(range(101))
    assert series.missing() == series.coarse() == []
    assert all(frame[0, 0, 0] == 2 * index for index, frame in series.frames.items())


def test_ages_are_told_in_words():
    ages = ages_in_words(CLASSES, 101)
    assert ages[::20] == [f"{name} years" for name in CLASSES]
    assert (ages[10], ages[90]) == ("about 3 years", "about 46 years")
    assert ages_in_words(("young", "old"), 21)[::10] == ["young years", "between young and old", "old years"]


def test_downloads_are_complete_and_enlarged_or_refused(series, tmp_path):
    list(series.make(series.coarse()))
    with pytest.raises(UserError, match="not computed yet"):
        series.write("mp4", 0, tmp_path)
    for kind, index in (("exe", 0), ("age", 101), ("age", -1)):
        with pytest.raises(UserError, match="no such download"):
            series.write(kind, index, tmp_path)
    row, age = series.write("row", 0, tmp_path), series.write("age", 60, tmp_path)
    assert Image.open(row).size == (7 * 256 + 10, 256)
    assert age.name == "lifespan_15-19_years.png"
    assert Image.open(age).getpixel((128, 128)) == (120, 120, 120)


def test_a_head_is_shown_and_saved_in_its_photo_from_the_frames_that_are_there(series, tmp_path):
    list(series.make(series.missing()))
    whole = ShownSeries(series.model, series.portrait, in_photo=True, frames=series.frames)
    made = len(series.model.transformer.made)
    assert list(whole.make(whole.coarse())) == list(range(1, 12))
    assert len(series.model.transformer.made) == made
    assert whole.view()["before"] != series.view()["before"]
    saved = np.asarray(Image.open(whole.write("age", 64, tmp_path)))
    photo = np.asarray(Image.open(DRAWN).convert("RGB"))
    assert saved.shape == photo.shape
    # Its frame is as grey as the mask, so the head is gone, and the background is untouched.
    assert (saved[0] == photo[0]).all()
    assert (saved != photo).any()


def test_files_say_what_they_are(series, tmp_path):
    list(series.make(series.missing()))
    with Image.open(series.write("age", 20, tmp_path)) as picture:
        assert picture.info["synthetic"] == "true"
        assert (picture.info["model"], picture.info["weights_sha256"]) == ("painter", "c0ffee")
        assert picture.info["ages"] == "3-6 years"
    for kind in ("gif", "webp"):
        with Image.open(series.write(kind, 0, tmp_path)) as picture:
            assert picture.n_frames > 20  # frames that hardly differ are joined
            assert b"c0ffee" in (picture.info.get("comment") or picture.info.get("xmp"))


def test_visits_end_with_their_files_and_the_oldest_is_forgotten(tmp_path):
    visits = Visits(tmp_path, most=2)
    upload = tmp_path / "hash" / "same.png"
    upload.parent.mkdir()
    upload.touch()
    for name in ("a", "b"):
        visits.hold(visits[name], upload)
        visits[name].folder.mkdir()
    assert visits["a"] is visits["a"]
    folder = visits["b"].folder
    visits.end("b")
    assert not folder.exists()
    assert upload.exists()  # the other visitor sent the same file
    visits["c"], visits["d"]
    assert not upload.exists()
    assert visits["a"].upload is None  # a new visit
    visits.end("unknown")


def test_a_photo_of_two_people_and_one_that_is_too_large(tmp_path):
    face = Image.open(ASTRONAUT).convert("RGB")
    both = Image.new("RGB", (820, 512))
    both.paste(face.resize((300, 300)), (0, 100))
    both.paste(face, (308, 0))
    both.save(tmp_path / "two.png")
    photo = ReadPhoto.read(tmp_path / "two.png")
    assert (photo.count, photo.largest, len(photo.thumbnails(32))) == (2, 1, 2)
    sitting = photo.sit(0, size=64, parse=parse_by_grabcut, judge=lambda pixels: 41.4)
    assert sitting.pixels.shape == (256, 256, 3)
    assert sitting.looks == 41.4
    assert len(sitting.warnings) == 1
    assert "small" in sitting.warnings[0]
    Image.new("1", (10_000, 6_001)).save(tmp_path / "huge.png")
    with pytest.raises(UserError, match=r"^huge.png: is too large; reduce it below 60,000,000 pixels$"):
        ReadPhoto.read(tmp_path / "huge.png")


def test_a_drawn_sample_keeps_its_own_mask():
    sample = AlignedPhoto(DRAWN)
    sitting = sample.sit(0, size=64, parse=parse_by_grabcut, judge=lambda pixels: None)
    assert sitting.looks is None
    assert (sitting.pixels[0, 0] == 128).all()


def test_a_missing_model_is_fetched_with_progress_and_then_there(tmp_path):
    published = tmp_path / "server"
    published.mkdir()
    with zipfile.ZipFile(published / "new_model.zip", "w") as archive:
        archive.writestr("latest_net_g_running.pth", b"0" * 200_000)
    content = (published / "new_model.zip").read_bytes()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=published)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/new_model.zip"
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        file = PublishedFile(Path("checkpoints/new_model.zip"), len(content), md5, (address,))
        shelf = Shelf(tmp_path / "checkpoints", str, fetchable={"new_model": [file]}, root=tmp_path)
        assert (shelf.there(), shelf.names(), shelf.to_fetch("new_model")) == ([], ["new_model"], [file])
        assert list(shelf.fetch("new_model"))[-1] == 1
        server.shutdown()
    assert (shelf.there(), shelf.to_fetch("new_model")) == (["new_model"], [])
    assert list(shelf.fetch("new_model")) == []


def test_only_the_last_models_stay_loaded(tmp_path):
    loaded = []
    shelf = Shelf(tmp_path, lambda name: loaded.append(name) or name, fetchable={}, root=tmp_path)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert shelf.get(name) == name
    assert loaded == ["a", "b", "c", "b"]
