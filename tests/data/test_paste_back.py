"""Heads go back into their photo: to the bit where nothing changed, without a ghost where they shrank."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from data.in_the_wild.align import align
from data.in_the_wild.paste_back import PasteBack
from data.in_the_wild.pasted_photo import PastedPhoto
from data.masking import Label, mask
from data.origin import Origin, Square
from data.portrait import Portrait, read_portrait
from data.transforms import RESIZE_MODES, Transform
from tests.conftest import ROOT
from util.errors import UserError
from util.images import write_image

SIZE = 64
HEAD = np.array([150.0, 90.0, 60.0])
UPRIGHT = Square(np.array([160.0, 150.0]), np.array([90.0, 0.0]))


def square(side: float = 180, tilt: float = 0, center: tuple[float, float] = (160, 150)) -> Square:
    radians = np.radians(tilt)
    return Square(np.array(center), side / 2 * np.array([np.cos(radians), np.sin(radians)]))


def heads(place: Square, scale: float = 1, drop: float = 0) -> np.ndarray:
    """An oval head in a photo of 320x300, (300, 320) bool. `drop` moves it down by a share of the side."""
    rows, columns = np.mgrid[:300, :320]
    x, y = np.moveaxis(
        place.project(np.stack([columns, rows], axis=-1).reshape(-1, 2), 2).reshape(300, 320, 2) - 1, 2, 0
    )
    return (x / 0.55) ** 2 + ((y - 2 * drop) / 0.7) ** 2 < scale**2


def photo_of(place: Square, noise: float = 4, drop: float = 0) -> np.ndarray:
    """A brown head before a wall that gets bluer to the right, with noise and, on the head, stripes."""
    rng = np.random.default_rng(0)
    wall = np.linspace((190, 190, 180), (160, 180, 220), 320)[None].repeat(300, axis=0)
    stripes = 12 * np.sin(np.arange(320) * 1.5)[None, :, None]
    picture = np.where(heads(place, drop=drop)[..., None], HEAD + stripes, wall)
    return np.rint(picture + rng.normal(0, noise, (300, 320, 1))).clip(0, 255).astype(np.uint8)


def portrait_of(photo: np.ndarray, place: Square, drop: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """The portrait and its labels, both of SIZE."""
    shown = align(Image.fromarray(heads(place, drop=drop).astype(np.uint8) * 255).convert("RGB"), place, SIZE)[..., 0]
    parsing = np.where(shown > 127, Label.SKIN, Label.BACKGROUND).astype(np.uint8)
    return mask(align(Image.fromarray(photo), place, SIZE), parsing), parsing


def scaled(frame: np.ndarray, scale: float) -> np.ndarray:
    """The frame with its head at another size."""
    turn = cv2.getRotationMatrix2D((SIZE / 2 - 0.5, SIZE / 2 - 0.5), 0, scale)
    return cv2.warpAffine(frame, turn, (SIZE, SIZE), flags=cv2.INTER_NEAREST, borderValue=(128,) * 3)


def tinted(frame: np.ndarray, parsing: np.ndarray, change: tuple[float, float, float]) -> np.ndarray:
    return mask((frame + np.array(change)).clip(0, 255).astype(np.uint8), parsing)


@pytest.mark.parametrize(
    "place",
    [UPRIGHT, square(tilt=25), square(tilt=200, center=(40, 250)), square(side=40), square(side=400)],
    ids=["upright", "tilted", "leaving the photo", "smaller than the frame", "larger than the photo"],
)
def test_the_portrait_itself_gives_the_photo_to_the_bit(place):
    photo = photo_of(place)
    pixels, parsing = portrait_of(photo, place)
    assert np.array_equal(PasteBack(Image.fromarray(photo), place, pixels, parsing > 0)(photo, pixels), photo)


@pytest.mark.parametrize("place", [UPRIGHT, square(tilt=25), square(tilt=-40, center=(60, 240))])
def test_only_the_head_changes_and_it_changes_in_its_place(place):
    photo = photo_of(place)
    pixels, parsing = portrait_of(photo, place)
    pasted = PasteBack(Image.fromarray(photo), place, pixels, parsing > 0)(
        photo, tinted(pixels, parsing, (30, 30, -20))
    )
    assert np.array_equal(pasted[~heads(place, 1.2)], photo[~heads(place, 1.2)])
    inner = heads(place, 0.9)
    inner[:12] = inner[-12:] = inner[:, :12] = inner[:, -12:] = False
    change = (pasted.astype(float) - photo)[inner]
    # The stripes and the noise, which are finer than the frame's pixels, stay as they were.
    assert np.abs(change - (30, 30, -20)).max() < 2
    assert np.abs(change).std(axis=0).max() < 1


@pytest.mark.parametrize("place", [UPRIGHT, square(tilt=25)])
def test_a_head_that_shrank_leaves_no_ghost(place):
    photo = photo_of(place)
    pixels, parsing = portrait_of(photo, place)
    pasted = PasteBack(Image.fromarray(photo), place, pixels, parsing > 0)(photo, scaled(pixels, 0.7)).astype(float)
    gap = heads(place, 1.05) & ~heads(place, 0.78)
    wall = photo_of(square(center=(-900, -900))).astype(float)
    assert np.abs(pasted - wall)[gap].mean() < 8
    assert np.abs(cv2.blur(pasted, (9, 9)) - cv2.blur(wall, (9, 9)))[gap & ~heads(place, 0.85)].max() < 12
    # Its own colours are back, and the gap has the photo's grain.
    assert np.abs(pasted - HEAD)[heads(place, 0.55)].mean() < 12
    assert 2.5 < (pasted - cv2.blur(pasted, (5, 5)))[gap & ~heads(place, 0.9)].std() < 5.5


def test_a_head_that_grew_covers_the_background():
    photo = photo_of(UPRIGHT)
    pixels, parsing = portrait_of(photo, UPRIGHT)
    pasted = PasteBack(Image.fromarray(photo), UPRIGHT, pixels, parsing > 0)(photo, scaled(pixels, 1.25)).astype(
        float
    )
    ring = heads(UPRIGHT, 1.18) & ~heads(UPRIGHT, 1.02)
    assert np.abs(cv2.blur(pasted, (5, 5)) - HEAD)[ring].mean() < 8
    assert np.array_equal(pasted[~heads(UPRIGHT, 1.5)], photo[~heads(UPRIGHT, 1.5)])


def test_a_head_that_the_square_cuts_has_no_seam():
    """The head goes on below the square; it was tinted above only."""
    photo = photo_of(UPRIGHT, noise=0, drop=0.25)
    pixels, parsing = portrait_of(photo, UPRIGHT, drop=0.25)
    paste = PasteBack(Image.fromarray(photo), UPRIGHT, pixels, parsing > 0)
    pasted = paste(photo, tinted(pixels, parsing, (40, 40, 40))).astype(float)
    change = (pasted - photo)[:, 150:170].mean(axis=(1, 2))
    assert change[170] > 30
    assert np.abs(change[245:]).max() == 0
    assert np.abs(np.diff(change[150:])).max() < 3
    # The head that left leaves nothing in the margin either.
    without = paste(photo, scaled(pixels, 0.5)).astype(float)
    assert np.abs(without[236:250, 150:170] - photo[236:250, 20:40]).mean() < 25


def test_grain_is_added_where_the_frame_is_smooth():
    made = []
    for noise in (0, 6):
        photo = photo_of(UPRIGHT, noise=noise)
        pixels, parsing = portrait_of(photo, UPRIGHT)
        # Another structure, in which the photo's own noise has no place.
        checks = np.where((np.indices((SIZE, SIZE)) // 2).sum(axis=0)[..., None] % 2, 60, 200).repeat(3, axis=2)
        frame = mask(checks.astype(np.uint8), parsing)
        made.append(PasteBack(Image.fromarray(photo), UPRIGHT, pixels, parsing > 0)(photo, frame).astype(float))
    grain = (made[1] - made[0])[heads(UPRIGHT, 0.8)]
    assert 5 < grain.std() < 7


@pytest.fixture
def pair(tmp_path):
    """A photo of two heads, and their portraits."""
    places = square(side=120, center=(80, 150)), square(side=120, center=(240, 150), tilt=10)
    photo = np.where(heads(places[1])[..., None], photo_of(places[1]), photo_of(places[0]))
    write_image(tmp_path / "pair.png", photo)
    made = [(place, *portrait_of(photo, place)) for place in places]
    path = tmp_path / "pair.png"
    return photo, places, [Portrait(path, pixels, parsing, None, Origin(path, at)) for at, pixels, parsing in made]


def test_several_heads_go_into_one_photo(pair):
    photo, (left, right), portraits = pair
    pasted = PastedPhoto(portraits, Transform("crop", SIZE, SIZE))
    assert np.array_equal(pasted.with_heads([portrait.pixels for portrait in portraits]), photo)
    changes = (30, 0, 0), (0, 0, 60)
    frames = [tinted(p.pixels, p.parsing, change) for p, change in zip(portraits, changes, strict=True)]
    change = pasted.with_heads(frames).astype(float) - photo
    assert np.abs(change[heads(left, 0.8)] - (30, 0, 0)).max() < 2
    assert np.abs(change[heads(right, 0.8)] - (0, 0, 60)).max() < 2


@pytest.mark.parametrize("transform", [Transform("resize_and_crop", 48, 33), Transform("crop", SIZE, 50)])
def test_cut_portraits_go_into_a_reduced_photo(pair, transform):
    photo, (left, right), portraits = pair
    pasted = PastedPhoto(portraits, transform, most_pixels=photo[..., 0].size // 4)
    assert pasted.pixels.shape == (150, 160, 3)
    frames = [tinted(p.at_size(transform), transform(p.parsing), (30, 30, 30)) for p in portraits]
    change = pasted.with_heads(frames).astype(float) - pasted.pixels
    inner, outer = (heads(left, s)[::2, ::2] | heads(right, s)[::2, ::2] for s in (0.4, 1.3))
    assert np.abs(change[inner] - 30).max() < 4
    assert np.abs(change[~outer]).max() == 0


def test_portraits_that_are_not_square_do_not_go_back(pair):
    _, _, portraits = pair
    with pytest.raises(UserError, match=r"pair\.png: cannot be pasted back"):
        PastedPhoto([portraits[0], replace(portraits[1], origin=None)], Transform("crop", SIZE, SIZE))


def test_squares_lead_back_to_the_photo():
    place = square(tilt=33, side=150)
    points = np.array([(3.0, 8.0), (60.0, 1.0)])
    to_photo = place.to_photo(SIZE)
    # Pixels are counted from their middles in the picture, from its corner by `project`.
    assert place.project(points @ to_photo[:, :2].T + to_photo[:, 2], SIZE) == pytest.approx(points + 0.5)
    part = place.part(0.25, 0.75)
    assert part.corners == pytest.approx((place.corners + place.center) / 2)
    assert place.part(0, 0.5).corners[0] == pytest.approx(place.corners[0])
    photo = Image.fromarray(photo_of(place, noise=0))
    half = photo.resize((160, 150), Image.Resampling.BOX)
    difference = align(half, place.scaled(0.5), SIZE).astype(float) - align(photo, place, SIZE)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_transform_tells_which_part_of_a_picture_it_keeps(mode):
    transform = Transform(mode, 80, 49)
    columns = np.arange(100, dtype=np.uint8)[None, :, None].repeat(100, axis=0).repeat(3, axis=2)
    kept = transform(columns)[0, :, 0]
    start, stop = transform.window(100)
    step = 100 * (stop - start) / 49
    assert kept[0] == pytest.approx(100 * start + step / 2 - 0.5, abs=1)
    assert kept[-1] == pytest.approx(100 * stop - step / 2 - 0.5, abs=1)


def test_aligned_portraits_are_the_whole_of_their_picture():
    portrait = read_portrait(ROOT / "assets" / "people" / "male_1.png")
    whole = portrait.origin.read()
    assert np.array_equal(mask(np.asarray(whole), portrait.parsing), portrait.pixels)
    size = whole.width
    expected = np.array([(0, 0), (0, size), (size, size), (size, 0)]) - 0.5
    assert portrait.origin.square.corners == pytest.approx(expected)
