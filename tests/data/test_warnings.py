"""What a user is told about a photo whose results may disappoint."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.in_the_wild.align import align, find_square
from data.in_the_wild.detect import find_faces
from data.in_the_wild.warnings import head_turn, portrait_warnings
from tests.conftest import ROOT
from util.images import read_image

# A head as a user of another library might measure it; the order is that of the landmarks below.
HEAD = np.array([(0, 0, 0), (0, 330, 65), (-225, -170, 135), (225, -170, 135), (-150, 150, 125), (150, 150, 125)])
LANDMARKS = [30, 8, 36, 45, 48, 54]


@pytest.fixture(scope="module")
def astronaut():
    """The aligned picture, its landmarks and the side of its square."""
    photo = read_image(Path(ROOT / "assets" / "astronaut.png"))
    (face,) = find_faces(photo)
    square = find_square(face.landmarks)
    return align(photo, square, 256), square.project(face.landmarks, 256), square.side


def only(warnings: list[str]) -> str:
    assert len(warnings) == 1, warnings
    return warnings[0]


def test_a_good_photo_gets_no_warning(astronaut):
    assert portrait_warnings(*astronaut) == []


def test_a_small_face(astronaut):
    pixels, landmarks, _ = astronaut
    assert portrait_warnings(pixels, landmarks, 128) == []
    assert "only 127 pixels" in only(portrait_warnings(pixels, landmarks, 127))


def test_a_grey_picture(astronaut):
    pixels, landmarks, side = astronaut
    grey = np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert "grey" in only(portrait_warnings(grey, landmarks, side))


@pytest.mark.parametrize("eyes", [(36,), (36, 42)])
def test_dark_glasses(astronaut, eyes):
    pixels, landmarks, side = astronaut
    pixels = pixels.copy()
    for first in eyes:
        x, y = landmarks[first : first + 6].mean(axis=0)
        cv2.ellipse(pixels, (round(x), round(y)), (24, 18), 0, 0, 360, (30, 30, 35), -1)
    assert "eyes are dark" in only(portrait_warnings(pixels, landmarks, side))


@pytest.mark.parametrize("degrees", [-50, -35, 0, 20, 45])
def test_the_turn_of_a_head_is_measured(degrees):
    angle = np.radians(degrees)
    turn = np.array([(np.cos(angle), 0, np.sin(angle)), (0, 1, 0), (-np.sin(angle), 0, np.cos(angle))])
    x, y, z = (HEAD @ turn.T).T
    landmarks = np.zeros((68, 2))
    landmarks[LANDMARKS] = np.stack([x, y], axis=1) / (1 + z[:, None] / 9000) / 9 + 128
    assert head_turn(landmarks, 256) == pytest.approx(degrees, abs=3)


def test_a_head_that_is_turned_away(astronaut):
    pixels, landmarks, side = astronaut
    # The nose moves over the edge of one cheek, as it does in a three-quarter view.
    turned = landmarks.copy()
    turned[27:36, 0] += 28
    assert "turned away" in only(portrait_warnings(pixels, turned, side))
