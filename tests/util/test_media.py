"""Videos in three formats, what files say about themselves, and pictures with captions."""

import json
import re
from fractions import Fraction
from html import unescape

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from util.errors import UserError
from util.images import write_image
from util.sheets import ContactSheet, side_by_side
from util.video import there_and_back, write_video

FACTS = {
    "software": "Lifespan",
    "synthetic": "true",
    "model": 'männer "2" <&>',
    "ages": "1.5 to 60",
    "seed": "7" * 300,
}
SYNTHETIC = "digitalsourcetype/trainedAlgorithmicMedia"


def ramp(count: int, size: int = 24) -> list[np.ndarray]:
    """Skin colours that become darker from left to right, and over the frames."""
    shade = np.linspace(0.5, 1, size)[None, :, None] * np.ones((size, 1, 1))
    return [(shade * (230 - 10 * number, 180 - 8 * number, 160)).astype(np.uint8) for number in range(count)]


def shown(path) -> tuple[list[np.ndarray], list[int]]:
    """The frames of an animated picture and how long each one is shown, in milliseconds."""
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        frames = [
            (np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(image)
        ]
    return [pixels for pixels, _ in frames], [duration for _, duration in frames]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animated_picture_shows_every_frame_in_its_time(tmp_path, suffix):
    frames = ramp(7)
    write_video(tmp_path / f"a{suffix}", frames, Fraction("12.5"), crf=10)
    found, durations = shown(tmp_path / f"a{suffix}")
    assert durations == [80] * 7
    for pixels, expected in zip(found, frames, strict=True):
        error = pixels.astype(int) - expected
        assert pixels.shape == expected.shape
        assert np.abs(error).mean() < 3
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize(("suffix", "unit"), [(".gif", 10), (".webp", 1)])
def test_rounded_delays_do_not_add_up(tmp_path, suffix, unit):
    write_video(tmp_path / f"a{suffix}", ramp(13), 24, crf=30)
    assert sum(shown(tmp_path / f"a{suffix}")[1]) == pytest.approx(1000 * 13 / 24, abs=unit)


def test_quality_decides_the_size_of_a_webp(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for crf in (1, 16, 51):
        write_video(tmp_path / f"{crf}.webp", frames, 20, crf=crf)
    sizes = [(tmp_path / f"{crf}.webp").stat().st_size for crf in (1, 16, 51)]
    assert sizes[0] > 1.2 * sizes[1] > 1.4 * sizes[2]


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_a_format_that_refuses_a_size_is_reported(tmp_path, suffix):
    frames = [np.zeros((2, 70_000, 3), np.uint8)] * 2
    with pytest.raises(UserError, match="--output_size"):
        write_video(tmp_path / f"a{suffix}", frames, 20, crf=16)
    assert not any(tmp_path.iterdir())


def test_there_and_back_makes_each_frame_once():
    asked = []
    frames = there_and_back(asked.append(number) or number for number in range(4))
    assert next(frames) == 0
    assert asked == [0]
    assert list(frames) == [1, 2, 3, 2, 1, 0]
    assert asked == [0, 1, 2, 3]
    assert list(there_and_back([5])) == [5]


def facts_of(path) -> dict[str, str]:
    """What an independent reader finds in a file."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as video:
            return json.loads(video.metadata["comment"])
    with Image.open(path) as image:
        if path.suffix == ".gif":
            return json.loads(image.info["comment"])
        xmp = image.text["XML:com.adobe.xmp"] if path.suffix == ".png" else image.info["xmp"].decode()
        assert SYNTHETIC in xmp
        stated = json.loads(unescape(re.search(r"<rdf:li[^>]*>(.*)</rdf:li>", xmp)[1]))
        if path.suffix == ".png":
            assert stated.items() == image.text.items() - {("XML:com.adobe.xmp", xmp)}
        return stated


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".mp4", ".gif", ".webp"])
def test_a_file_says_what_it_is(tmp_path, suffix):
    """The pictures are the same with and without these facts."""
    told, silent = tmp_path / f"told{suffix}", tmp_path / f"silent{suffix}"
    for path, facts in ((told, FACTS), (silent, None)):
        if suffix in (".png", ".jpg"):
            write_image(path, ramp(1)[0], facts)
        else:
            write_video(path, ramp(3), 20, crf=16, facts=facts)
    assert facts_of(told) == FACTS
    assert b"Lifespan" not in silent.read_bytes()
    assert SYNTHETIC.encode() not in silent.read_bytes()
    if suffix in (".gif", ".webp"):
        assert np.array_equal(shown(told)[0], shown(silent)[0])


def test_only_what_is_synthetic_says_so(tmp_path):
    write_image(tmp_path / "a.png", ramp(1)[0], {"software": "Lifespan", "synthetic": "false"})
    assert SYNTHETIC.encode() not in (tmp_path / "a.png").read_bytes()


def test_side_by_side_has_captions_below():
    first, second = np.full((64, 64, 3), 10, np.uint8), np.full((64, 64, 3), 90, np.uint8)
    sheet = side_by_side(first, second, ("input", "age 25"))
    assert sheet.shape == (64 + 18, 64 + 10 + 64, 3)
    assert np.array_equal(sheet[:64, :64], first)
    assert (sheet[:64, 64:74] == 255).all()
    assert np.array_equal(sheet[:64, 74:], second)
    left, right = (sheet[64:, part].min(axis=(0, 2)) < 100 for part in (slice(0, 64), slice(74, 138)))
    # Text stands in the middle below each picture, and differs.
    for ink in (left, right):
        columns = np.flatnonzero(ink)
        assert columns[0] > 10
        assert columns[-1] < 54
        assert columns.mean() == pytest.approx(32, abs=4)
    assert not np.array_equal(left, right)
    other = side_by_side(first, second, ("input", "age 26"))
    assert np.array_equal(other[:, :74], sheet[:, :74])
    assert not np.array_equal(other, sheet)


def test_a_contact_sheet_has_one_row_a_photo():
    sheet = ContactSheet(rows=2)
    sheet.add("anna", [np.full((20, 20, 3), 50, np.uint8), np.full((20, 40, 3), 60, np.uint8)])
    sheet.add("bert", [np.full((256, 256, 3), 70, np.uint8)])
    pixels = sheet.pixels()
    assert pixels.shape == (2 * (22 + 128), 128 + 256, 3)
    assert (pixels[22:150, :128] == 50).all()
    assert (pixels[22:150, 128:] == 60).all()
    assert (pixels[172:, :128] == 70).all()
    assert (pixels[172:, 128:] == 255).all()
    for top in (0, 150):
        assert (pixels[top : top + 22] < 100).any()


def test_a_contact_sheet_of_very_many_photos_fits_a_jpeg():
    sheet, picture = ContactSheet(rows=1200), np.zeros((8, 8, 3), np.uint8)
    for number in range(1200):
        sheet.add(str(number), [picture])
    assert sheet.left_out == 200
    assert sheet.pixels().shape == (65_000, 43, 3)
