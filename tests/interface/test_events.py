"""What the page does when visitors act at awkward moments."""

import shutil
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest

from data.in_the_wild.grabcut import parse_by_grabcut
from data.transforms import Transform
from interface.events import Events
from interface.portraits import AlignedPhoto, ReadPhoto
from interface.series import UsableModel
from interface.shelf import Shelf
from interface.visits import Visits
from tests.conftest import ROOT

CLASSES = ("0-2", "15-19", "50-69")
REQUEST = SimpleNamespace(session_hash="a visitor")
PERSON = ROOT / "assets" / "people" / "male_1.png"


class Painter:
    """In place of a network."""

    def frames(self, pixels, blends, seed):
        for number in range(len(blends)):
            yield np.full((16, 16, 3), number, np.uint8)


@pytest.fixture
def events(tmp_path):
    model = tmp_path / "models" / "painter"
    model.mkdir(parents=True)
    (model / "latest_net_g_running.pth").touch()
    transform = Transform("resize_and_crop", 16, 16)
    return Events(
        shelf=Shelf(
            tmp_path / "models",
            lambda name: UsableModel(name, "", Painter(), transform, 16, CLASSES),
            fetchable={},
            root=tmp_path,
        ),
        visits=Visits(tmp_path / "private", most=2),
        parser=lambda: parse_by_grabcut,
        judge=lambda pixels: 41.0,
        samples={PERSON: AlignedPhoto, ROOT / "assets" / "astronaut.png": ReadPhoto.read},
        licence="",
    )


def pick(events, index):
    return events.take_sample(SimpleNamespace(index=index), REQUEST)


def start(events, name="painter", face=None, in_photo=False):
    return list(events.start(name, face, in_photo, REQUEST))


def test_only_uploads_are_read(events, tmp_path):
    for path in (ROOT / "assets" / "astronaut.png", tmp_path / "private" / ".." / "astronaut.png", None):
        with pytest.raises(gr.Error, match="was not uploaded here"):
            events.read({"path": str(path)}, REQUEST)
    uploaded = tmp_path / "private" / "hash" / "astronaut.png"
    uploaded.parent.mkdir(parents=True)
    shutil.copy(ROOT / "assets" / "astronaut.png", uploaded)
    assert events.read({"path": str(uploaded)}, REQUEST).value == 0
    events.leave(REQUEST)
    assert not uploaded.exists()


def test_a_refused_photo_leaves_the_one_before_in_use(events, tmp_path):
    pick(events, 0)
    text = tmp_path / "private" / "hash" / "text.png"
    text.parent.mkdir(parents=True)
    text.write_text("no picture")
    with pytest.raises(gr.Error, match=r"text\.png: not a photo"):
        events.read({"path": str(text)}, REQUEST)
    html, view = start(events)[0]
    assert "Looks 41" in html
    assert len(view["ages"]) == 41
    events.leave(REQUEST)
    assert not text.exists()


def test_a_series_stops_when_the_visitor_takes_another_photo(events):
    pick(events, 0)
    start(events)
    refining = events.refine(REQUEST)
    done = len(next(refining)["frames"])
    assert 5 < done < 41
    pick(events, 0)
    assert list(refining) == []
    coarse = start(events)[-1][1]
    assert len(coarse["frames"]) == 5
    *_, complete = events.refine(REQUEST)
    assert len(complete["frames"]) == 41


def test_a_change_of_the_view_keeps_the_frames_and_a_change_of_the_face_does_not(events):
    visit = events.visits[REQUEST.session_hash]
    pick(events, 0)
    start(events)
    frames = visit.series.frames
    start(events, in_photo=True)
    assert all(visit.series.frames[index] is frame for index, frame in frames.items())
    visit.choice = ("painter", 1)
    start(events, in_photo=True)
    assert not any(visit.series.frames[index] is frame for index, frame in frames.items())


def test_nothing_happens_without_a_photo_a_model_or_a_face(events):
    skip = gr.skip()
    assert start(events) == [(skip, skip)]
    assert list(events.refine(REQUEST)) == [skip]
    pick(events, 1)
    assert start(events, name="../painter") == [(skip, skip)]
    with pytest.raises(gr.Error, match="shows fewer faces"):
        start(events, face=7)


def test_what_is_lost_is_said(events):
    with pytest.raises(gr.Error, match="choose the photo again"):
        events.save(SimpleNamespace(kind="age", index=0), REQUEST)
    pick(events, 0)
    start(events)
    with pytest.raises(gr.Error, match="wait until all ages are there"):
        events.save(SimpleNamespace(kind="mp4", index=0), REQUEST)
