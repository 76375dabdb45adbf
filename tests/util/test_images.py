"""Pictures of every kind are read as upright 8-bit RGB."""

import struct

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from util.errors import UserError
from util.images import is_image, read_image, resize, visible_files, write_image

PHOTOS = ROOT / "tests" / "photos"
RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


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


def test_jpeg_2000_and_first_frames(picture, tmp_path):
    for name in ("a.jp2", "a.gif", "a.ppm"):
        picture.save(tmp_path / name)
    frames = {"save_all": True, "append_images": [picture.rotate(180)]}
    for name in ("several.gif", "several.png", "several.webp", "several.tif", "several.avif"):
        picture.save(tmp_path / name, **frames)
    picture.save(tmp_path / "phone.jpg", "MPO", quality=95, **frames)
    for path in sorted(tmp_path.iterdir()):
        for found, expected in zip(colors(read_image(path)), (RED, BLUE), strict=True):
            assert np.abs(found - expected).max() < 30, path.name


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


# How a camera stores an upright picture under each orientation flag.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("flag", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_every_orientation_in_every_format_reduced_or_not(tmp_path, flag, suffix):
    upright = Image.new("RGB", (160, 320), RED)
    upright.paste(BLUE, (0, 0, 80, 160))
    upright.paste(GREEN, (80, 0, 160, 160))
    exif = Image.Exif()
    exif[0x0112] = flag
    turn = STORED[flag]
    (upright if turn is None else upright.transpose(turn)).save(tmp_path / f"a{suffix}", exif=exif)
    for most_pixels, size in ((None, (160, 320)), (12_800, (80, 160)), (3_200, (40, 80))):
        image = read_image(tmp_path / f"a{suffix}", most_pixels=most_pixels)
        assert image.size == size
        found = np.asarray(image.resize((2, 2), Image.Resampling.BOX)).astype(int)
        assert np.abs(found - [[BLUE, GREEN], [RED, RED]]).max() < 30


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_uncompressed_tiffs_that_lie_on_their_side(tmp_path, mode):
    upright = Image.new("L", (160, 320), 250)
    upright.paste(0, (0, 0, 80, 160))
    stored = upright.transpose(STORED[6])
    deep = Image.fromarray(np.asarray(stored).astype(np.uint16) * 257)
    (deep if mode == "I;16" else stored.convert("RGB").convert(mode)).save(tmp_path / "a.tif", tiffinfo={0x0112: 6})
    image = read_image(tmp_path / "a.tif")
    assert image.size == (160, 320)
    found = np.asarray(image.convert("L").resize((2, 2), Image.Resampling.BOX)).astype(int)
    assert np.abs(found - [[0, 250], [250, 250]]).max() < 10


def turned_heic(quarters: int, mirrored: bool) -> bytes:
    """IMG_0001.HEIC with the boxes by which phones turn their photos: quarters to the left, then a mirror."""
    content = (PHOTOS / "IMG_0001.HEIC").read_bytes()
    added = struct.pack(">I4sB", 9, b"irot", quarters) + struct.pack(">I4sB", 9, b"imir", 1) * mirrored
    # The properties (ipco) end where their use (ipma) begins; the last bytes of ipma are the used ones of picture 1.
    start = content.index(b"ipma") - 4
    end = start + int.from_bytes(content[start : start + 4], "big")
    used = bytes([0x85, 0x86][: 1 + mirrored])
    ipma = content[start + 4 : end - 5] + bytes([content[end - 5] + len(used)]) + content[end - 4 : end] + used
    sized = bytearray(content[:start] + added + struct.pack(">I", 4 + len(ipma)) + ipma + content[end:])
    grown = len(added) + len(used)
    for name, by in ((b"meta", grown), (b"iprp", grown), (b"ipco", len(added))):
        at = content.index(name) - 4
        sized[at : at + 4] = (int.from_bytes(content[at : at + 4], "big") + by).to_bytes(4, "big")
    # The picture's own bytes moved too; iloc says where they are.
    old = struct.pack(">I", content.index(b"mdat") + 4)
    return bytes(sized).replace(old, struct.pack(">I", content.index(b"mdat") + 4 + grown), 1)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("most_pixels", [None, 10_000])
def test_every_orientation_of_heic(tmp_path, quarters, mirrored, most_pixels):
    lying = tmp_path / "a.heic"
    lying.write_bytes(turned_heic(quarters, mirrored))
    expected = read_image(PHOTOS / "IMG_0001.HEIC", most_pixels=most_pixels).rotate(90 * quarters)
    if mirrored:
        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = read_image(lying, most_pixels=most_pixels)
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).mean() < 3


def test_an_orientation_is_applied_before_the_reduced_size_is_computed():
    image = read_image(PHOTOS / "orientation6_400x200.jpg", most_pixels=20_000)
    assert image.size == (100, 200)


def test_content_decides_what_is_an_image(tmp_path, picture):
    for name in ("photo", "photo.txt", "photo.png"):
        picture.save(tmp_path / name, "JPEG")
        assert is_image(tmp_path / name)
        assert read_image(tmp_path / name).size == (40, 20)
    for content in (b"", b"photo.jpg\n", b"P1000123.JPG\n", b"<html></html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        (tmp_path / "a.jpg").write_bytes(content)
        assert not is_image(tmp_path / "a.jpg")


def test_what_systems_hide_is_not_among_the_files(tmp_path):
    for name in ("b.jpg", "A.JPG", "._A.JPG", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in visible_files(tmp_path)] == ["A.JPG", "b.jpg"]


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
