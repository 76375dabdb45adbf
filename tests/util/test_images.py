"""Pictures of every kind come in as upright 8-bit RGB."""

import numpy as np
import pytest
from PIL import Image

from util.errors import UserError
from util.images import read_image, resize, write_image

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def picture():
    """Red on the left, blue on the right: 40x20."""
    image = Image.new("RGB", (40, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    return image


def colors(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    assert image.mode == "RGB"
    pixels = np.asarray(image).astype(int)
    return pixels[10, 5], pixels[10, -6]


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *(("RGB", suffix) for suffix in (".png", ".jpg", ".tiff", ".webp", ".bmp")),
        *(("P", suffix) for suffix in (".png", ".tiff", ".bmp")),
        *(("RGBA", suffix) for suffix in (".png", ".tiff", ".webp")),
        *(("CMYK", suffix) for suffix in (".jpg", ".tiff")),
    ],
)
def test_modes_and_formats(picture, tmp_path, mode, suffix):
    path = tmp_path / f"a{suffix}"
    (picture.quantize(8) if mode == "P" else picture.convert(mode)).save(path)
    for found, expected in zip(colors(read_image(path)), (RED, BLUE), strict=True):
        assert np.abs(found - expected).max() < 30


def test_grey_and_sixteen_bits(tmp_path):
    Image.new("L", (8, 8), 77).save(tmp_path / "grey.png")
    assert np.asarray(read_image(tmp_path / "grey.png"))[0, 0].tolist() == [77, 77, 77]
    Image.fromarray(np.full((8, 8), 77 * 257, np.uint16)).save(tmp_path / "deep.png")
    assert np.asarray(read_image(tmp_path / "deep.png"))[0, 0].tolist() == [77, 77, 77]
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    assert np.asarray(read_image(tmp_path / "bits.png"))[0, 0].tolist() == [255, 255, 255]


def test_what_is_transparent_becomes_the_masks_grey(picture, tmp_path):
    picture.putalpha(0)
    picture.save(tmp_path / "a.png")
    assert np.asarray(read_image(tmp_path / "a.png"))[3, 3].tolist() == [128, 128, 128]


@pytest.mark.parametrize(("flag", "left"), [(1, RED), (2, BLUE), (3, BLUE), (4, RED)])
def test_orientation_flag(picture, tmp_path, flag, left):
    exif = Image.Exif()
    exif[0x0112] = flag
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert np.abs(colors(read_image(tmp_path / "a.jpg"))[0] - left).max() < 30


def test_a_photo_that_lies_is_stood_up(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").size == (20, 40)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_large_photos_are_reduced_while_they_are_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (400, 200), RED).save(path)
    image = read_image(path, most_pixels=20_000)
    assert image.size == (200, 100)
    assert np.abs(np.asarray(image)[50, 50].astype(int) - RED).max() < 5
    assert read_image(path, most_pixels=80_000).size == (400, 200)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"this is no picture"),
        ("empty.jpg", b""),
        ("html.webp", b"<html></html>"),
        ("zeros.tif", bytes(1000)),
        ("bomb.png", None),
        ("cut.jpg", None),
        ("cut.png", None),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content):
    path = tmp_path / name
    if name.startswith("cut"):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_image(path, noise)
        content = path.read_bytes()[:-2000]
    elif name == "bomb.png":
        # A header that announces 30000x30000 pixels.
        write_image(path, np.zeros((1, 1, 3), np.uint8))
        content = bytearray(path.read_bytes())
        content[16:24] = (30000).to_bytes(4, "big") * 2
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=name):
        read_image(path)


def test_missing_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(UserError, match=path.name):
            read_image(path)


def test_resize_keeps_the_sides_ratio():
    assert resize(np.zeros((20, 40, 3), np.uint8), 10).shape == (10, 20, 3)
    same = np.zeros((20, 40, 3), np.uint8)
    assert resize(same, None) is same
