"""Pixels of any declared meaning -> 8-bit sRGB: bit depths, colour profiles, ink, transparency."""

import logging
import struct
from io import BytesIO
from itertools import accumulate

import numpy as np
from PIL import ExifTags, Image, ImageCms

logger = logging.getLogger(__name__)

# The picture mode that a profile of each colour space describes.
_MODE_OF_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}
# Chromaticities x, y of white, red, green and blue.
_SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_ADOBE_RGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
# Parameters of ICC's parametric curves: a power alone, or with a straight foot.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_ADOBE_RGB_CURVE = (563 / 256,)
# ICC profiles are relative to this white; colours of another white are adapted by Bradford's cone responses.
_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))


def to_srgb(image: Image.Image, background: int, name: str) -> Image.Image:
    """Converts a picture of any mode to 8-bit sRGB (mode RGB), by its embedded profile where it has one.

    Args:
        image: a picture as Pillow opened it, so that what its file declares is known.
        background: grey value, 0 to 255, that shows through transparent pixels.
        name: what messages call the picture.
    """
    profile = image.info.get("icc_profile") or _implied_profile(image)
    if image.format in ("JPEG", "MPO") and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow inverts the ink of every CMYK JPEG. Only Adobe's files, which say so, store it inverted.
        image = Image.fromarray(255 - np.asarray(image), "CMYK")
    colors, alpha = _split(_to_eight_bits(image))
    try:
        if profile or colors.mode == "LAB":
            colors = _convert_by_profile(colors, profile)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        logger.warning("%s: its colour profile cannot be used (%s); its colours are taken as sRGB", name, error)
    colors = colors.convert("RGB")
    if alpha is None:
        return colors
    canvas = Image.new("RGB", colors.size, (background,) * 3)
    canvas.paste(colors, mask=alpha)
    return canvas


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Numbers of which no file says what white is -> uint8.

    White is the smallest of the usual ones that holds all values: 1 (for fractions only), 255, 65535, and an integer
    type's largest value. Fractions may exceed it by half, as sharpening makes them.
    """
    fractions = np.issubdtype(values.dtype, np.floating)
    if fractions:
        values = np.nan_to_num(values, posinf=0)
    largest = float(values.max(initial=0))
    usual = (1, 255, 65535) if fractions else (255, 65535, np.iinfo(values.dtype).max)
    white = next((white for white in usual if largest <= white * (1.5 if fractions else 1)), largest)
    return (values.clip(0, white) * (255 / white)).round().astype(np.uint8)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow would clip deeper pictures at 255 instead of scaling them."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    tags = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        values = (values / 257).round().astype(np.uint8)
    elif image.mode == "I" and tags and tags.get(ExifTags.Base.SampleFormat) != (2,):
        values = to_bytes(values.view(np.uint32))
    else:
        values = to_bytes(values)
    # Pillow minds this for 8 bits only: in some scans 0 is white.
    return Image.fromarray(255 - values if tags.get(ExifTags.Base.PhotometricInterpretation) == 0 else values)


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours in mode L, RGB, CMYK or LAB, and the opacity in mode L if there is any transparency."""
    if image.mode in ("LA", "La"):
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
        raise ValueError(f"it is for {space} pictures")
    converted = ImageCms.profileToProfile(
        colors,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None  # It is None only when the picture is converted in place.
    return converted


def _implied_profile(image: Image.Image) -> bytes | None:
    """A profile for colours that a file declares without embedding one; None for sRGB."""
    info = image.info
    if image.format == "PNG" and "srgb" not in info and ("gamma" in info or "chromaticity" in info):
        points = info.get("chromaticity", _SRGB_POINTS)
        curve = (1 / info["gamma"],) if info.get("gamma") else _SRGB_CURVE
        # 1 / 2.2 is what programs write for sRGB.
        if np.allclose(points, _SRGB_POINTS, atol=0.002) and (len(curve) > 1 or abs(curve[0] - 2.2) < 0.02):
            return None
        return _matrix_profile(points, curve)
    nclx = info.get("nclx_profile") or {}
    if nclx.get("color_primaries", 1) not in (1, 2):
        names = (f"color_primary_{color}_{axis}" for color in ("white", "red", "green", "blue") for axis in "xy")
        return _matrix_profile([nclx[name] for name in names], _SRGB_CURVE)
    if image.format in ("JPEG", "MPO") and "exif" in info:
        exif = image.getexif()
        # Cameras mark Adobe RGB so: it is the "optional colour space" of DCF 2.0.
        if ExifTags.IFD.Interop in exif.get_ifd(ExifTags.IFD.Exif) and str(
            exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
        ).startswith("R03"):
            return _matrix_profile(_ADOBE_RGB_POINTS, _ADOBE_RGB_CURVE)
    return None


def _matrix_profile(points: tuple[float, ...] | list[float], curve: tuple[float, ...]) -> bytes:
    """An ICC profile, version 4, of three primaries and one curve (ICC.1:2022, sections 7 to 10)."""
    xy = np.reshape(points, (4, 2))
    white, *primaries = np.column_stack([xy, 1 - xy.sum(axis=1)]) / xy[:, 1:]
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    amounts = np.linalg.solve(np.transpose(primaries), white)
    vectors = [_D50, *(adapt @ (primary * amount) for primary, amount in zip(primaries, amounts, strict=True))]
    blocks = [b"XYZ \0\0\0\0" + _fixed(*vector) for vector in vectors]
    blocks.append(struct.pack(">4s4xHxx", b"para", 0 if len(curve) == 1 else 3) + _fixed(*curve))
    tags = (
        *zip((b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ"), range(4), strict=True),
        *((c + b"TRC", 4) for c in (b"r", b"g", b"b")),
    )
    start = 128 + 4 + 12 * len(tags)
    offsets = [start, *accumulate(map(len, blocks), initial=start)][1:]
    table = b"".join(struct.pack(">4sII", tag, offsets[block], len(blocks[block])) for tag, block in tags)
    header = struct.pack(
        ">I4xI4s4s4s12x4s24xI12s48x", offsets[-1], 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp", 1, _fixed(*_D50)
    )
    return header + struct.pack(">I", len(tags)) + table + b"".join(blocks)


def _fixed(*values: float) -> bytes:
    """Numbers as ICC's s15Fixed16."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))
