"""Pixel values are converted as the file declares: profiles, bit depths, inks, gammas."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.conftest import ROOT
from util.errors import UserError
from util.images import is_image, read_image

ASTRONAUT = ROOT / "assets" / "astronaut.png"
FACE = np.s_[80:165, 175:265]
SRGB = ImageCms.createProfile("sRGB")
P3_POINTS = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def first_pixel(path: Path) -> list[int]:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)[0, 0].tolist()


def saved(path: Path, mode: str, color: object, **options: object) -> Path:
    Image.new(mode, (8, 8), color).save(path, **options)
    return path


def icc(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A small ICC profile, version 2."""
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + white, **tags}
    offset, table, blocks = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, offset + len(blocks), len(data))
        blocks += data + bytes(-len(data) % 4)
    fields = (offset + len(blocks), 0x02400000, kind, space, pcs, b"acsp", 1, white)
    return struct.pack(">I4xI4s4s4s12x4s24xI12s48xI", *fields, len(tags)) + table + blocks


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">4xIHxx", 1, round(gamma * 256))


def png_with(path: Path, color: tuple[int, int, int], **chunks: bytes) -> Path:
    """A PNG of one colour with further chunks after its header."""
    content = BytesIO()
    Image.new("RGB", (8, 8), color).save(content, "PNG")
    extra = b"".join(
        struct.pack(">I", len(data)) + name.encode() + data + struct.pack(">I", zlib.crc32(name.encode() + data))
        for name, data in chunks.items()
    )
    path.write_bytes(content.getvalue()[:33] + extra + content.getvalue()[33:])
    return path


def test_a_phones_display_p3_photo_has_the_astronauts_colours():
    found = np.asarray(read_image(ROOT / "tests" / "photos" / "display_p3.jpg"))[FACE].mean(axis=(0, 1))
    expected = np.asarray(Image.open(ASTRONAUT).convert("RGB"))[FACE].mean(axis=(0, 1))
    assert np.abs(found - expected).max() < 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_profiles_are_applied_in_every_format(tmp_path, suffix):
    # This profile, sRGB with red and blue exchanged, shows whether a profile was applied.
    profile = ImageCms.ImageCmsProfile(SRGB).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    quality = {} if suffix in (".png", ".tif") else {"quality": 95}
    path = saved(tmp_path / f"a{suffix}", "RGB", (200, 30, 60), icc_profile=swapped, **quality)
    assert np.abs(np.subtract(first_pixel(path), (60, 30, 200))).max() <= 4


def test_a_profile_is_applied_beside_transparency_and_in_palettes(tmp_path):
    profile = ImageCms.ImageCmsProfile(SRGB).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    clear = saved(tmp_path / "clear.png", "RGBA", (200, 30, 60, 0), icc_profile=swapped)
    assert first_pixel(clear) == [128, 128, 128]
    opaque = saved(tmp_path / "opaque.png", "RGBA", (200, 30, 60, 255), icc_profile=swapped)
    assert np.abs(np.subtract(first_pixel(opaque), (60, 30, 200))).max() <= 1
    Image.new("RGB", (8, 8), (200, 30, 60)).quantize(4).save(tmp_path / "palette.png", icc_profile=swapped)
    assert np.abs(np.subtract(first_pixel(tmp_path / "palette.png"), (60, 30, 200))).max() <= 1


def test_grey_profiles(tmp_path):
    linear = icc(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": gamma_curve(1.0)})
    # A share of 55 / 255 of white's light is 128 in sRGB.
    for mode, color in (("L", 55), ("LA", (55, 255))):
        found = first_pixel(saved(tmp_path / f"{mode}.png", mode, color, icc_profile=linear))
        assert np.abs(np.subtract(found, 128)).max() <= 1
    # Programs leave a colour profile in pictures that they turn grey.
    colored = saved(tmp_path / "rgb.jpg", "L", 77, icc_profile=ImageCms.ImageCmsProfile(SRGB).tobytes())
    assert np.abs(np.subtract(first_pixel(colored), 77)).max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_ink_is_converted_by_its_profile(tmp_path, suffix):
    # A table of 2x2x2x2 inks in which full cyan is a light grey, L = 75.
    lightness = np.full((2, 2, 2, 2), 0, np.uint8)
    lightness[0, 0, 0, 0], lightness[1, 0, 0, 0] = 255, 191
    table = np.stack([lightness, np.full_like(lightness, 128), np.full_like(lightness, 128)], axis=-1)
    straight = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * one for one in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = b"mft1" + struct.pack(">4x4B", 4, 3, 2, 0) + matrix + straight * 4 + table.tobytes() + straight * 3
    profile = icc(b"CMYK", b"Lab ", b"prtr", {b"A2B0": lut})
    found = first_pixel(saved(tmp_path / f"a{suffix}", "CMYK", (255, 0, 0, 0), icc_profile=profile))
    assert np.abs(np.subtract(found, 185)).max() <= 2


def test_ink_is_inverted_in_adobes_jpegs_only(tmp_path):
    assert (
        np.abs(np.subtract(first_pixel(saved(tmp_path / "a.jpg", "CMYK", (200, 20, 0, 0))), (55, 235, 255))).max()
        <= 3
    )
    content = saved(tmp_path / "b.jpg", "CMYK", (200, 20, 0, 255)).read_bytes()
    start = content.index(b"\xff\xee")
    plain = content[:start] + content[start + 2 + int.from_bytes(content[start + 2 : start + 4], "big") :]
    (tmp_path / "b.jpg").write_bytes(plain)
    assert np.abs(np.subtract(first_pixel(tmp_path / "b.jpg"), (200, 20, 0))).max() <= 3


def test_lab(tmp_path, caplog):
    for color in ((200, 30, 60), (250, 250, 250), (120, 160, 90)):
        image = Image.new("RGB", (8, 8), color)
        lab = ImageCms.profileToProfile(image, SRGB, ImageCms.createProfile("LAB"), outputMode="LAB")
        lab.save(tmp_path / "lab.tif")
        assert np.abs(np.subtract(first_pixel(tmp_path / "lab.tif"), color)).max() <= 2
    assert not caplog.records


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 0.5, 1], np.float32), [0, 128, 255]),
        (np.array([-0.2, 0.5, 1.1], np.float32), [0, 128, 255]),
        (np.array([np.nan, 0.5, np.inf], np.float32), [0, 128, 255]),
        (np.array([0, 128, 255], np.float32), [0, 128, 255]),
        (np.array([0, 32896, 65535], np.float32), [0, 128, 255]),
        (np.array([0, 0.5, 1], np.float64), [0, 128, 255]),
        (np.array([0, 128, 255], np.int32), [0, 128, 255]),
        (np.array([0, 32896, 65535], np.int32), [0, 128, 255]),
        (np.array([0, 1 << 30, 2**31 - 1], np.int32), [0, 128, 255]),
        (np.array([0, 1 << 31, 2**32 - 1], np.uint32), [0, 128, 255]),
        (np.array([0, 128 * 257, 65535], np.uint16), [0, 128, 255]),
        (np.array([0, 128, 255], np.uint16), [0, 0, 1]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, np.ndarray) else "",
)
@pytest.mark.parametrize("colors", [False, True])
def test_deep_tiffs(tmp_path, values, expected, colors):
    path = tmp_path / "deep.tif"
    pixels = np.repeat(values[None], 4, axis=0)
    if colors and values.dtype == np.int32:
        pytest.skip("OpenCV writes no signed colours")
    if colors or values.dtype in (np.float64, np.uint32):
        cv2.imwrite(str(path), pixels[..., None].repeat(3, axis=2) if colors else pixels)
    else:
        Image.fromarray(pixels).save(path)
    assert is_image(path)
    found = np.asarray(read_image(path))[0]
    assert np.abs(found - np.array(expected)[:, None]).max() <= (1 if values.dtype == np.uint16 else 0)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_scans_in_which_zero_is_white(tmp_path, dtype):
    white = 65535 if dtype == np.uint16 else 1
    Image.fromarray(np.array([[0, white]] * 4, dtype)).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    assert np.asarray(read_image(tmp_path / "a.tif"))[0, :, 0].tolist() == [255, 0]


def test_the_order_of_colours_in_deep_tiffs(tmp_path):
    bgr = np.full((4, 4, 3), (0.25, 0.5, 1), np.float32)
    cv2.imwrite(str(tmp_path / "a.tif"), bgr)
    assert first_pixel(tmp_path / "a.tif") == [255, 128, 64]


def test_gamma_and_primaries_of_a_png(tmp_path):
    def gamma(value: float) -> bytes:
        return struct.pack(">I", round(value * 100000))

    primaries = struct.pack(">8I", *(round(value * 100000) for value in P3_POINTS))
    linear = png_with(tmp_path / "linear.png", (55, 55, 55), gAMA=gamma(1))
    assert np.abs(np.subtract(first_pixel(linear), 128)).max() <= 1
    usual = png_with(tmp_path / "usual.png", (55, 55, 55), gAMA=gamma(0.45455))
    assert first_pixel(usual) == [55, 55, 55]
    declared = png_with(tmp_path / "declared.png", (55, 55, 55), sRGB=b"\0", gAMA=gamma(1))
    assert first_pixel(declared) == [55, 55, 55]
    # sRGB's red in Display P3.
    wide = png_with(tmp_path / "wide.png", (234, 51, 35), gAMA=gamma(0.45455), cHRM=primaries)
    assert np.abs(np.subtract(first_pixel(wide), (255, 0, 0))).max() <= 4


def test_cameras_mark_adobe_rgb_without_a_profile(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    # sRGB's green in Adobe RGB.
    path = saved(tmp_path / "DSC1.jpg", "RGB", (144, 255, 60), exif=exif, quality=98, subsampling=0)
    assert np.abs(np.subtract(first_pixel(path), (0, 255, 0))).max() <= 6
    exif.get_ifd(0x8769)[0xA005] = {1: "R98"}
    path = saved(tmp_path / "DSC2.jpg", "RGB", (144, 255, 60), exif=exif, quality=98, subsampling=0)
    assert np.abs(np.subtract(first_pixel(path), (144, 255, 60))).max() <= 3
    exif.get_ifd(0x8769)[0xA001] = 2
    path = saved(tmp_path / "DSC3.jpg", "RGB", (144, 255, 60), exif=exif, quality=98, subsampling=0)
    assert np.abs(np.subtract(first_pixel(path), (0, 255, 0))).max() <= 6


def test_primaries_of_heic_without_a_profile(tmp_path):
    content = (ROOT / "tests" / "photos" / "IMG_0001.HEIC").read_bytes()
    before, after = b"nclx" + struct.pack(">H", 1), b"nclx" + struct.pack(">H", 12)
    assert content.count(before) == 1
    (tmp_path / "p3.heic").write_bytes(content.replace(before, after))
    srgb = np.asarray(read_image(ROOT / "tests" / "photos" / "IMG_0001.HEIC"))[FACE].mean(axis=(0, 1))
    wide = np.asarray(read_image(tmp_path / "p3.heic"))[FACE].mean(axis=(0, 1))
    # The same numbers mean more saturated colours in Display P3: skin gets redder and less blue.
    assert (wide - srgb > (3, -3, -10)).all()
    assert (wide - srgb < (10, 0, -1)).all()


@pytest.mark.parametrize("profile", [b"no profile" * 20, icc(b"CMYK", b"Lab ", b"prtr", {})])
def test_a_profile_that_cannot_be_used_is_reported_and_the_colours_stay(tmp_path, caplog, profile):
    path = saved(tmp_path / "a.png", "RGB", (200, 30, 60), icc_profile=profile)
    assert first_pixel(path) == [200, 30, 60]
    assert len(caplog.records) == 1
    assert f"{path}: its colour profile cannot be used" in caplog.text


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"junk", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
@pytest.mark.filterwarnings("error")
def test_broken_exif_data_do_not_stop_a_photo(tmp_path, exif):
    path = saved(tmp_path / "a.jpg", "RGB", (200, 30, 60), exif=exif, quality=95)
    assert np.abs(np.subtract(first_pixel(path), (200, 30, 60))).max() <= 3


def test_damaged_profiles_do_not_ruin_the_colours(tmp_path, caplog):
    profile = bytearray(ImageCms.ImageCmsProfile(SRGB).tobytes())
    start = int.from_bytes(profile[profile.index(b"rXYZ") + 4 :][:4], "big") + 8
    profile[start : start + 12] = bytes(12)
    path = saved(tmp_path / "a.png", "RGB", (200, 30, 60), icc_profile=bytes(profile))
    assert first_pixel(path) == [200, 30, 60]
    assert "its colour profile cannot be used" in caplog.text


def test_large_profiles_and_descriptions_do_not_stop_a_png(tmp_path):
    profile = ImageCms.ImageCmsProfile(SRGB).tobytes() + bytes(3 << 20)
    assert first_pixel(saved(tmp_path / "a.png", "RGB", (200, 30, 60), icc_profile=profile)) == [200, 30, 60]


def test_a_grey_profile_beside_a_transparent_grey(tmp_path):
    linear = icc(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": gamma_curve(1.0)})
    assert first_pixel(saved(tmp_path / "a.png", "L", 55, icc_profile=linear, transparency=3)) == [128, 128, 128]
    deep = Image.fromarray(np.full((8, 8), 5, np.uint16))
    deep.save(tmp_path / "b.png", transparency=5)
    assert first_pixel(tmp_path / "b.png") == [128, 128, 128]


def test_profiles_and_coded_primaries_that_pillow_does_not_read(tmp_path):
    swapped = ImageCms.ImageCmsProfile(SRGB).tobytes()
    swapped = swapped.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    content = saved(tmp_path / "a.jp2", "RGB", (200, 30, 60)).read_bytes()
    start = content.index(b"colr") - 4
    box = struct.pack(">I4sBBB", 11 + len(swapped), b"colr", 2, 0, 0) + swapped
    at = content.index(b"jp2h") - 4
    size = int.from_bytes(content[at : at + 4], "big") - 15 + len(box)
    (tmp_path / "a.jp2").write_bytes(
        content[:at] + struct.pack(">I", size) + content[at + 4 : start] + box + content[start + 15 :]
    )
    assert np.abs(np.subtract(first_pixel(tmp_path / "a.jp2"), (60, 30, 200))).max() <= 2
    # sRGB's red in Display P3.
    coded = png_with(tmp_path / "a.png", (234, 51, 35), cICP=bytes((12, 13, 0, 1)))
    assert np.abs(np.subtract(first_pixel(coded), (255, 0, 0))).max() <= 4
    avif = saved(tmp_path / "a.avif", "RGB", (234, 51, 35), quality=100, subsampling="4:4:4")
    avif.write_bytes(avif.read_bytes().replace(b"colrnclx\0\1", b"colrnclx\0\x0c"))
    assert np.abs(np.subtract(first_pixel(avif), (255, 0, 0))).max() <= 6


@pytest.mark.parametrize("chunk", [{"gAMA": struct.pack(">I", 1)}, {"cHRM": struct.pack(">8I", *[31270, 32900] * 4)}])
def test_impossible_declarations_are_reported_and_the_colours_stay(tmp_path, caplog, chunk):
    assert first_pixel(png_with(tmp_path / "a.png", (200, 30, 60), **chunk)) == [200, 30, 60]
    assert "its colour profile cannot be used" in caplog.text


def test_coded_curves(tmp_path, caplog):
    linear = png_with(tmp_path / "linear.png", (55, 55, 55), cICP=bytes((1, 8, 0, 1)))
    assert np.abs(np.subtract(first_pixel(linear), 128)).max() <= 1
    avif = saved(tmp_path / "linear.avif", "RGB", (55, 55, 55), quality=100, subsampling="4:4:4")
    avif.write_bytes(avif.read_bytes().replace(b"colrnclx\0\1\0\x0d", b"colrnclx\0\1\0\x08"))
    assert np.abs(np.subtract(first_pixel(avif), 128)).max() <= 3
    assert not caplog.records
    hdr = png_with(tmp_path / "hdr.png", (55, 55, 55), cICP=bytes((1, 16, 0, 1)))
    assert first_pixel(hdr) == [55, 55, 55]
    assert f"{hdr}: is made for HDR screens" in caplog.text


def write_tiff(path: Path, pixels: np.ndarray | bytes, tags: dict[int, list[int]]) -> Path:
    """A TIFF of 8x8 pixels with any tags; Pillow and OpenCV write few kinds."""
    data = pixels if isinstance(pixels, bytes) else pixels.tobytes()
    tags = {256: [8], 257: [8], 259: [1], 273: [0], 277: [1], 278: [8], 279: [len(data)], **tags}
    blobs, entries, after = b"", b"", 14 + 12 * len(tags)
    for tag in sorted(tags):
        raw = struct.pack(f"<{len(tags[tag])}I", *tags[tag])
        if tag == 273:
            raw = struct.pack("<I", after + sum(4 * len(values) for values in tags.values() if len(values) > 1))
        value = raw if len(raw) == 4 else struct.pack("<I", after + len(blobs))
        blobs += raw if len(raw) > 4 else b""
        entries += struct.pack("<HHI", tag, 4, len(tags[tag])) + value
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + blobs + data)
    return path


def test_integer_tiffs_of_12_and_signed_16_bits(tmp_path):
    twelve = bytes((0x80, 0x88, 0x08)) * 32  # 0x808 is 128 of 255.
    assert first_pixel(write_tiff(tmp_path / "a.tif", twelve, {258: [12], 262: [1]})) == [128, 128, 128]
    signed = np.full((8, 8), 16448, np.int16)
    path = write_tiff(tmp_path / "b.tif", signed, {258: [16], 262: [1], 339: [2]})
    assert first_pixel(path) == [128, 128, 128]


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({258: [16] * 3, 262: [2], 277: [3], 284: [2], 273: [0], 279: [384]}, "separate planes"),
        ({258: [16] * 3, 262: [8], 277: [3]}, "TIFF with 16 bits"),
        ({258: [12] * 3, 262: [2], 277: [3]}, "TIFF with 12 bits"),
        ({258: [16] * 3, 262: [2], 277: [3], 339: [3] * 3}, "TIFF with 16 bits"),
        ({258: [8] * 3, 262: [2], 277: [3], 254: [1]}, "camera raw"),
    ],
)
def test_tiffs_that_would_be_read_wrongly_are_refused(tmp_path, capfd, tags, reason):
    path = write_tiff(tmp_path / "a.tif", bytes(8 * 8 * 3 * 2), tags)
    assert not is_image(path)
    with pytest.raises(UserError, match=reason):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_lights_brighter_than_white_leave_the_rest_of_a_picture(tmp_path):
    fractions = np.full((40, 40, 3), 0.5, np.float32)
    fractions[:2, :5] = 50, 1e9, np.inf
    cv2.imwrite(str(tmp_path / "a.tif"), fractions)
    found = np.asarray(read_image(tmp_path / "a.tif"))
    assert found[20, 20].tolist() == [128, 128, 128]
    assert found[0, 0].tolist() == [255, 255, 255]


def test_the_profile_of_a_picture_of_fractions(tmp_path):
    swapped = ImageCms.ImageCmsProfile(SRGB).tobytes()
    swapped = swapped.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    pixels = np.full((8, 8, 3), (200 / 255, 30 / 255, 60 / 255), np.float32)
    tags = {258: [32] * 3, 262: [2], 277: [3], 339: [3] * 3}
    path = write_tiff(tmp_path / "a.tif", pixels, tags)
    assert first_pixel(path) == [200, 30, 60]
    padded = swapped + bytes(-len(swapped) % 4)
    path = write_tiff(
        tmp_path / "b.tif", pixels, {**tags, 34675: list(struct.unpack(f"<{len(padded) // 4}I", padded))}
    )
    content = bytearray(path.read_bytes())
    entry = content.index(struct.pack("<HH", 34675, 4))
    content[entry + 2 : entry + 8] = struct.pack("<HI", 7, len(padded))
    path.write_bytes(bytes(content))
    assert np.abs(np.subtract(first_pixel(path), (60, 30, 200))).max() <= 1
