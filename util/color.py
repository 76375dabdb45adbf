"""Converts pixels of any bit depth, colour profile, ink or transparency to 8-bit sRGB."""

import logging
import re
import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms

logger = logging.getLogger(__name__)

# The picture mode that a profile of each colour space describes.
_MODE_OF_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}
_WHITE = {"L": (255,), "RGB": (255, 255, 255), "CMYK": (0, 0, 0, 0), "LAB": (255, 128, 128)}
_DARKEST_WHITE = 200  # The profiles of scanners miss 255 by a little.
# Chromaticities x, y of white, red, green and blue.
_SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_ADOBE_RGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
# The same for the ITU-T H.273 codes of BT.2020 and Display P3.
_CODED_POINTS = {
    9: (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    12: (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
# Parameters of ICC's parametric curves, type 3: a power with a straight foot.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_ADOBE_RGB_CURVE = (563 / 256, 1.0, 0.0, 0.0, 0.0)
# The same for codes of H.273. The curves of HDR screens, PQ and HLG, leave open how bright white is.
_CODED_CURVES = {4: (2.2, 1.0, 0.0, 0.0, 0.0), 5: (2.8, 1.0, 0.0, 0.0, 0.0), 8: (1.0, 1.0, 0.0, 0.0, 0.0)}
_HDR_CURVES = (16, 18)
# ICC profiles refer to this white. Bradford's cone responses adapt colours that refer to another one.
_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))


def to_srgb(image: Image.Image, background: int, path: Path) -> Image.Image:
    """Converts a picture of any mode to 8-bit sRGB (mode RGB), by its embedded profile where it has one.

    Args:
        image: a picture as Pillow opened it, so that what its file declares is known.
        background: grey value, 0 to 255, that shows through transparent pixels.
        path: its file, for messages and for declarations that Pillow does not read.
    """
    if image.format in ("JPEG", "MPO") and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow inverts the ink of every CMYK JPEG. Only Adobe's files, which say so, store it inverted.
        image = Image.fromarray(255 - np.asarray(image), "CMYK")
    colors, alpha = _split(_to_eight_bits(image))
    try:
        profile = image.info.get("icc_profile") or _implied_profile(image, path)
        if profile or colors.mode == "LAB":
            colors = _convert_by_profile(colors, profile)
    # Declared numbers may be impossible: a gamma of 0.00001, or three equal primaries.
    except (ImageCms.PyCMSError, OSError, ValueError, struct.error) as error:
        logger.warning("%s: its colour profile cannot be used (%s); its colours are read as sRGB", path, error)
    colors = colors.convert("RGB")
    if alpha is None:
        return colors
    canvas = Image.new("RGB", colors.size, (background,) * 3)
    canvas.paste(colors, mask=alpha)
    return canvas


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Scales values to uint8 if the file does not say which value is white.

    White is the smallest usual value that no pixel exceeds: 1 (for fractions only), 255, 65535, or the largest value
    of an integer type. Fractions may exceed it by half, because sharpening overshoots, and one in a hundred may
    exceed it by any amount, because lights in HDR pictures do.
    """
    if np.issubdtype(values.dtype, np.floating):
        shown = values[np.isfinite(values) & (values > 0)]
        largest = float(np.quantile(shown, 0.99)) / 1.5 if shown.size else 0.0
        usual = [1.0, 255.0, 65535.0]
        values = np.nan_to_num(values)
    else:
        largest = float(values.max(initial=0))
        usual = [255.0, 65535.0, float(np.iinfo(values.dtype).max)]
    return _scaled(values, next((white for white in usual if largest <= white), largest))


def _scaled(values: np.ndarray, white: float) -> np.ndarray:
    return (values.clip(0, white) * (255 / white)).round().astype(np.uint8)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales deeper pictures to 8 bits; Pillow would clip them at 255."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    tags = getattr(image, "tag_v2", {})
    bits, signed = tags.get(ExifTags.Base.BitsPerSample, (16,))[0], tags.get(ExifTags.Base.SampleFormat) == (2,)
    values = np.asarray(image)
    if image.mode != "F" and bits <= 16:
        pixels = _scaled(values, 2 ** (bits - signed) - 1)
    else:
        pixels = to_bytes(values if signed or image.mode == "F" else values.view(np.uint32))
    # In some scans 0 is white, which Pillow respects for 8 bits only.
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:
        pixels = 255 - pixels
    eight = Image.fromarray(pixels)
    if "transparency" in image.info:
        eight.putalpha(Image.fromarray(np.where(values == image.info["transparency"], np.uint8(0), np.uint8(255))))
    return eight


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours in mode L, RGB, CMYK or LAB, and the opacity in mode L if there is any transparency."""
    if image.mode in ("LA", "La") or (image.mode in ("1", "L") and "transparency" in image.info):
        grey = image.convert("LA")
        return grey.getchannel("L"), grey.getchannel("A")
    if image.mode in ("RGBA", "PA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return rgba.convert("RGB"), rgba.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in _MODE_OF_SPACE.values() else image.convert("RGB")), None


def _convert_by_profile(colors: Image.Image, data: bytes | None) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(BytesIO(data) if data else ImageCms.createProfile("LAB"))
    space = profile.profile.xcolor_space.strip()
    mode = _MODE_OF_SPACE.get(space)
    if colors.mode == "L" and mode == "RGB":
        colors = colors.convert("RGB")
    if colors.mode != mode:
        raise ValueError(f"it describes {space} pictures")
    transform = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    # A damaged profile can often be opened, but would turn the picture black or give it a tint.
    white = ImageCms.applyTransform(Image.new(mode, (1, 1), _WHITE[mode]), transform)
    converted = ImageCms.applyTransform(colors, transform)
    assert white is not None  # None is returned only for conversions in place.
    assert converted is not None
    if np.asarray(white).min() < _DARKEST_WHITE:
        raise ValueError("it is damaged: white would not stay white")
    return converted


def _implied_profile(image: Image.Image, path: Path) -> bytes | None:
    """A profile for colours that a file declares in a place that Pillow ignores; None for sRGB."""
    info = image.info
    if image.format == "JPEG2000":
        before, _, box = _head(path, 1 << 20).partition(b"colr\2")
        return box[2 : int.from_bytes(before[-4:], "big") - 7] or None
    # Codes of ITU-T H.273 for primaries and curve. Pillow and pi-heif convert by the other codes, but not by these.
    nclx = info.get("nclx_profile", {})
    codes = nclx.get("color_primaries"), nclx.get("transfer_characteristics")
    if image.format == "AVIF":
        codes = struct.unpack(">HH", _head(path, 1 << 20).partition(b"colrnclx")[2][:4].rjust(4, b"\0"))
    elif image.format == "PNG" and "srgb" not in info:
        codes = struct.unpack("BB", _head(path, 1 << 12).partition(b"cICP")[2][:2].rjust(2, b"\0"))
    if codes[1] in _HDR_CURVES:
        logger.warning("%s: is made for HDR screens and will look pale; export it as an ordinary JPEG or PNG", path)
    if codes[0] in _CODED_POINTS or codes[1] in _CODED_CURVES:
        points = _CODED_POINTS.get(codes[0], _SRGB_POINTS)
        return _matrix_profile(points, _CODED_CURVES.get(codes[1], _SRGB_CURVE))
    if image.format == "PNG" and "srgb" not in info and ("gamma" in info or "chromaticity" in info):
        points = info.get("chromaticity", _SRGB_POINTS)
        curve = (1 / info["gamma"], 1.0, 0.0, 0.0, 0.0) if info.get("gamma") else _SRGB_CURVE
        # Programs write 1 / 2.2 for sRGB.
        if np.allclose(points, _SRGB_POINTS, atol=0.002) and (curve is _SRGB_CURVE or abs(curve[0] - 2.2) < 0.02):
            return None
        return _matrix_profile(points, curve)
    if image.format in ("JPEG", "MPO") and "exif" in info:
        details = image.getexif().get_ifd(ExifTags.IFD.Exif)
        interop = image.getexif().get_ifd(ExifTags.IFD.Interop) if ExifTags.IFD.Interop in details else {}
        # This is how cameras mark Adobe RGB, the "optional colour space" of DCF 2.0; some write 2 as colour space.
        marked = str(interop.get(ExifTags.Interop.InteropIndex)).startswith("R03")
        if marked or details.get(ExifTags.Base.ColorSpace) == 2:
            return _matrix_profile(_ADOBE_RGB_POINTS, _ADOBE_RGB_CURVE)
    return None


def _head(path: Path, length: int) -> bytes:
    """The part of a file before the pixels, in which its colours are declared."""
    with path.open("rb") as file:
        return re.split(rb"IDAT|mdat|jp2c", file.read(length), maxsplit=1)[0]


def _matrix_profile(points: Sequence[float], curve: Sequence[float]) -> bytes:
    """sRGB's ICC profile with other primaries and another curve written into it (ICC.1:2022, section 10)."""
    xy = np.reshape(points, (4, 2))
    white, *primaries = np.column_stack([xy, 1 - xy.sum(axis=1)]) / xy[:, 1:]
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    amounts = np.linalg.solve(np.transpose(primaries), white)
    values = [adapt @ (primary * amount) for primary, amount in zip(primaries, amounts, strict=True)]
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Before its numbers, a colour has 8 bytes, and a curve has 12. The three channels share one curve.
    tags = (b"rXYZ", 8), (b"gXYZ", 8), (b"bXYZ", 8), (b"rTRC", 12)
    for (tag, skipped), numbers in zip(tags, (*values, curve), strict=True):
        entry = profile.index(tag) + 4
        start = int.from_bytes(profile[entry : entry + 4], "big") + skipped
        fixed = struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))
        profile[start : start + len(fixed)] = fixed
    return bytes(profile)
