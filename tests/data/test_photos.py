"""Which files are photos, what their outputs are called, and how each kind of file is read (docs/photos.md)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.in_the_wild import PhotoReader
from data.in_the_wild.grabcut import parse_by_grabcut
from data.photo_list import find_photos, for_each_portrait, output_names, user_path
from data.portrait import Portrait
from tests.conftest import ROOT
from util.errors import UserError
from util.images import read_image, write_image

ASTRONAUT = ROOT / "assets" / "astronaut.png"
PHOTOS = ROOT / "tests" / "photos"
FACE = np.s_[80:165, 175:265]
OPTION = "--image_path_file"


def astronaut(mode: str = "RGB") -> Image.Image:
    return Image.open(ASTRONAUT).convert("RGB").convert(mode)


def as_float(path: Path) -> None:
    Image.fromarray(np.asarray(astronaut("L"), np.float32) / 255).save(path)


def as_sixteen_bits(path: Path) -> None:
    Image.fromarray(np.asarray(astronaut("L")).astype(np.uint16) * 257).save(path)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    astronaut().transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)


def as_format(name: str, mode: str = "RGB", **options: object) -> Callable[[Path], None]:
    return lambda path: astronaut(mode).save(path, name, **options)


def copy_of(source: Path) -> Callable[[Path], None]:
    return lambda path: shutil.copy(source, path)


# File names, and functions that make the files: the rows of the table in docs/photos.md.
KINDS: dict[str, Callable[[Path], None]] = {
    "a.jpg": as_format("JPEG", quality=95),
    "a.JPEG": as_format("JPEG", quality=95),
    "a.jfif": as_format("JPEG", quality=95),
    "no_suffix": as_format("JPEG", quality=95),
    "wrong.png": as_format("JPEG", quality=95),
    "wrong.txt": as_format("JPEG", quality=95),
    "a.png": as_format("PNG"),
    "palette.png": lambda path: astronaut().quantize(256).save(path),
    "clear.png": as_format("PNG", "RGBA"),
    "a.webp": as_format("WEBP", quality=95),
    "a.tif": as_format("TIFF"),
    "a.bmp": as_format("BMP"),
    "a.gif": as_format("GIF"),
    "a.avif": as_format("AVIF", quality=90),
    "a.jp2": as_format("JPEG2000"),
    "a.ppm": as_format("PPM"),
    "IMG_0001.HEIC": copy_of(PHOTOS / "IMG_0001.HEIC"),
    "turned.jpg": turned,
    "turned.webp": turned,
    "turned.tif": turned,
    "turned.avif": turned,
    "display_p3.jpg": copy_of(PHOTOS / "display_p3.jpg"),
    "ink.jpg": as_format("JPEG", "CMYK", quality=95),
    "ink.tif": as_format("TIFF", "CMYK"),
    "grey.jpg": as_format("JPEG", "L", quality=95),
    "sixteen.png": as_sixteen_bits,
    "sixteen.tif": as_sixteen_bits,
    "float.tif": as_float,
}


@pytest.mark.parametrize("route", ["list", "file", "folder"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_photo_by_every_route(tmp_path, kind, route):
    photo = tmp_path / "photos" / kind
    photo.parent.mkdir()
    KINDS[kind](photo)
    (tmp_path / "list.txt").write_text(f"{photo}\n")
    source = {"list": tmp_path / "list.txt", "file": photo, "folder": photo.parent}[route]
    assert find_photos(source, OPTION) == [photo]
    grey = kind.startswith(("grey", "sixteen", "float"))
    expected = np.asarray(astronaut("L").convert("RGB") if grey else astronaut()).astype(int)
    found = np.asarray(read_image(photo)).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found[FACE].mean(axis=(0, 1)) - expected[FACE].mean(axis=(0, 1))).max() < (
        3 if kind in ("palette.png", "a.gif") else 1
    )
    assert np.abs(found - expected).mean() < 8


def test_the_table_in_the_docs_has_these_rows():
    table = (ROOT / "docs" / "photos.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"| `{kind}` |" not in table] == []


@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "display_p3.jpg"])
def test_photos_of_phones_become_portraits(name):
    (portrait,) = PhotoReader(64, parse_by_grabcut)(PHOTOS / name)
    (expected,) = PhotoReader(64, parse_by_grabcut)(ASTRONAUT)
    assert np.abs(portrait.pixels.astype(int) - expected.pixels).mean() < 4


def test_photo_lists(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("# people\n my photo.jpeg \n\nb/Ünal.png\n", encoding="utf-8")
    assert [str(p) for p in find_photos(listed, OPTION)] == ["my photo.jpeg", "b/Ünal.png"]
    write_image(tmp_path / "b.png", np.zeros((4, 4, 3), np.uint8))
    write_image(tmp_path / "a.jpg", np.zeros((4, 4, 3), np.uint8))
    assert find_photos(tmp_path / "b.png", OPTION) == [tmp_path / "b.png"]
    assert find_photos(tmp_path, OPTION) == [tmp_path / "a.jpg", tmp_path / "b.png"]
    (tmp_path / "empty").mkdir()
    listed.write_text("\n\n")
    (tmp_path / "binary.list").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "zeros.list").write_bytes(b"\0" * 20)
    (tmp_path / "page.jpg").write_text("<html>\n</html>")
    (tmp_path / "nothing.heic").write_bytes(b"")
    for source in ("missing.txt", "empty", "list.txt", "binary.list", "zeros.list", "page.jpg", "nothing.heic"):
        with pytest.raises(UserError, match=source):
            find_photos(tmp_path / source, OPTION)


@pytest.mark.parametrize(
    "content",
    [
        b"a.jpg\r\nmy photo.png\r\n",
        "a.jpg\r\nmy photo.png".encode("utf-8-sig"),
        "a.jpg\r\nmy photo.png\r\n".encode("utf-16"),
        b"\"a.jpg\"\n'my photo.png'\n",
        b'# mine\n\n  a.jpg  \n\t"my photo.png"\n',
    ],
)
def test_lists_of_windows_and_pasted_paths(tmp_path, content):
    (tmp_path / "list").write_bytes(content)
    assert find_photos(tmp_path / "list", OPTION) == [Path("a.jpg"), Path("my photo.png")]


def test_paths_as_people_paste_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    photo = tmp_path / "Bilder" / "ein Foto.png"
    write_image(photo, np.zeros((4, 4, 3), np.uint8))
    address = str(photo).replace(" ", "%20")
    texts = ["~/Bilder/ein Foto.png", f'"{photo}"', f"'{photo}'", f"\u202a{photo}", '"~/Bilder/ein Foto.png"']
    texts += [f"file://{address}", f"file://localhost{address}"]
    (tmp_path / "list.txt").write_text("\n".join(texts), encoding="utf-8")
    assert find_photos(tmp_path / "list.txt", OPTION) == [photo] * len(texts)
    for text in texts:
        assert user_path(text) == photo
        assert find_photos(Path(text), OPTION) == [photo]


def test_files_of_a_folder_that_are_not_photos_are_named_in_one_line(tmp_path, caplog):
    shutil.copy(PHOTOS / "display_p3.jpg", tmp_path / "A.JPG")
    for name in ("._A.JPG", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "parsings").mkdir()
    assert find_photos(tmp_path, OPTION) == [tmp_path / "A.JPG"]
    assert not caplog.records
    for name in ("zbroken.jpg", "notes.txt", "video.mov", "x.json"):
        (tmp_path / name).write_bytes(b"no picture")
    (tmp_path / "more").mkdir()
    assert find_photos(tmp_path, OPTION) == [tmp_path / "A.JPG"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: 5 of 6 entries are not images: zbroken.jpg, more/, notes.txt, ..."
    ]
    (tmp_path / "A.JPG").unlink()
    with pytest.raises(UserError, match=r"no images in this folder, only zbroken\.jpg"):
        find_photos(tmp_path, OPTION)


def named(*photos: str, endings: tuple[str, ...] = ("", "_portrait")) -> list[str]:
    return output_names([Path(photo) for photo in photos], endings)


def test_no_output_replaces_another():
    assert named("a/x.png", "b/x.jpg", "y.z.png") == ["x", "x_2", "y.z"]
    assert named("x.jpg", "X.jpg", "x_portrait.jpg") == ["x", "X_2", "x_portrait_2"]
    assert named("x_portrait.jpg", "x.jpg") == ["x_portrait", "x_2"]
    assert named("x.jpg", "x.png", "x_2.jpg") == ["x", "x_2", "x_2_2"]
    assert named("u\u0308.jpg", "ü.jpg", "STRASSE.jpg", "straße.jpg") == ["u\u0308", "ü_2", "STRASSE", "straße_2"]
    deploy = ("_portrait", "_0-2", "_15-19")
    assert named("a.png", "a_15-19.png", endings=deploy) == ["a", "a_15-19"]
    assert named("a.png", "a_15-19.png", endings=("", *deploy)) == ["a", "a_15-19_2"]
    # Its folder of numbered pictures would have the name of the other one's video.
    assert named("a.png", "a.mp4.png", endings=(".mp4", "/000.png", "/001.png")) == ["a", "a.mp4_2"]


def test_names_in_plain_ascii():
    photos = [Path(name) for name in ("Ünal.jpg", "unal.jpg", "李明.png", "½.png", "😀.png", "plain 1.png")]
    names = output_names(photos, [""], ascii_only=True)
    assert names == ["Unal", "unal_2", "Li Ming", "1-2", "photo", "plain 1"]


def test_all_faces_of_a_photo_have_names_of_their_own(caplog):
    pixels = np.zeros((4, 4, 3), np.uint8)

    def read(path: Path) -> list[Portrait]:
        if path.stem == "nobody":
            raise UserError(f"{path}: no face found")
        faces = [1, 2] if path.stem == "pair" else [None]
        return [Portrait(path, pixels, pixels[..., 0], face) for face in faces]

    used: list[str] = []
    photos = [Path("pair.png"), Path("nobody.png"), Path("one.png")]
    names = output_names(photos, [""])
    assert for_each_portrait(photos, read, lambda name, _: used.append(name), names) == 1
    assert used == ["pair_face1", "pair_face2", "one"]
    assert "skipped: nobody.png" in caplog.text
