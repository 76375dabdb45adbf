"""Which photos a command works on, and what their outputs are called."""

import logging
import mimetypes
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path
from urllib.request import url2pathname

from unidecode import unidecode

from data.portrait import PARSINGS, Portrait
from util.errors import UserError
from util.files import FolderError
from util.images import file_problem, is_hidden, is_image, read_image
from util.progress import progress

logger = logging.getLogger(__name__)

_EXAMPLES = 3


def find_photos(source: Path, option: str) -> list[Path]:
    """The photos of a folder or of a list (one path a line, without blank lines and # comments), or a single photo.

    A file's content decides whether it is a photo, never its name. Each photo of a list is read only when its turn
    comes, so that one that cannot be read does not stop the others.

    Args:
        source: the list, image or folder.
        option: that named it, for messages.

    Raises:
        UserError: the source is missing, empty or neither of these, or the folder has no images.
    """
    source = user_path(str(source))
    if os.path.isdir(source):
        return _photos_in(source, option)
    if reason := file_problem(source):
        raise UserError(f"{option} {source}: no file ({reason}); give a list of image paths, an image or a folder")
    if is_image(source):
        return [source]
    lines = (line.strip() for line in _read_list(source, option).splitlines())
    photos = [user_path(line) for line in lines if line and not line.startswith("#")]
    if not photos:
        raise UserError(f"{option} {source}: the list is empty; give one image path a line")
    return photos


def user_path(text: str) -> Path:
    """A path as people paste it: in quotes, as a file:// address, or with ~ for their home."""
    # Windows marks the direction of writing in paths that are copied from a file's properties.
    text = text.strip(" \t\u202a\u202c")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    # A Path that was made of an address has lost one of its slashes.
    if address := re.fullmatch(r"(?i:file):/+(localhost/)?(.+)", text):
        text = url2pathname(f"/{address[2]}")
    return Path(os.path.expanduser(text))


def for_each_portrait(
    photos: Sequence[Path],
    read: Callable[[Path], Sequence[Portrait]],
    use: Callable[[str, Portrait], None],
    names: Sequence[str],
) -> int:
    """The one loop over photos: a photo that cannot be read or used is named and skipped.

    The loop ends when nothing more can be written, since every other photo would fail alike.

    Args:
        photos: paths.
        read: makes the portraits of a path.
        use: takes the name of the portrait's outputs, and the portrait.
        names: of each photo's outputs, from `output_names`.

    Returns:
        How many photos were skipped.

    Raises:
        FolderError: the folder of the outputs cannot be written, or the disk is full.
    """
    skipped = 0
    for photo, name in zip(progress(photos, unit="photo"), names, strict=True):
        try:
            for portrait in read(photo):
                use(face_name(name, portrait.face), portrait)
        except FolderError:
            raise
        except UserError as error:
            skipped += 1
            logger.error("skipped: %s", error)
    return skipped


def face_name(name: str, face: int | None) -> str:
    """What the outputs of one face are called, if each face of a photo has its own."""
    return name if face is None else f"{name}_face{face}"


def output_names(photos: Sequence[Path], endings: Sequence[str], *, ascii_only: bool = False) -> list[str]:
    """What each photo's outputs are called: its stem, numbered where an output would replace an earlier photo's.

    Args:
        photos: paths.
        endings: all that the command appends to a name, such as ".mp4" and "_15-19.png". A face's number between
            the two cannot make equal what differs here, because no ending begins or ends with one.
        ascii_only: spell the names in plain ASCII, as old players and web servers need it.
    """
    taken: set[str] = set()
    names = []
    for photo in photos:
        # A spelling may hold a slash: one half becomes 1/2.
        stem = unidecode(photo.stem).replace("/", "-").strip() or "photo" if ascii_only else photo.stem
        for name in chain([stem], (f"{stem}_{number}" for number in count(2))):
            # Many file systems take x.jpg and X.jpg, or two ways to write an umlaut, for one file.
            outputs = {unicodedata.normalize("NFC", name + ending).casefold() for ending in endings}
            if taken.isdisjoint(outputs):
                break
        taken |= outputs
        names.append(name)
    return names


def _photos_in(folder: Path, option: str) -> list[Path]:
    try:
        entries = sorted(path for path in folder.iterdir() if not is_hidden(path) and path.name != PARSINGS)
    except OSError as error:
        raise UserError(f"{option} {folder}: cannot be read ({error.strerror}); check its permissions") from error
    photos, others = list[Path](), list[str]()
    for path in entries:
        if file_problem(path) is None and is_image(path):
            photos.append(path)
        else:
            others.append(path.name + "/" * os.path.isdir(path))
    # Files that are called images come first, since people miss those.
    others.sort(key=lambda name: not _is_called_image(name))
    named = ", ".join(others[:_EXAMPLES]) + (", ..." if len(others) > _EXAMPLES else "")
    if not photos:
        raise UserError(f"{option} {folder}: no images in this folder" + (f", only {named}" if others else ""))
    if others:
        logger.warning("%s: %d of %d entries are no images: %s", folder, len(others), len(entries), named)
    return photos


def _read_list(source: Path, option: str) -> str:
    try:
        content = source.read_bytes()
        # PowerShell writes UTF-16. Its mark alone, two bytes, may start anything; so a line's end must be there too.
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\n" in content
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = "\0"
    if "\0" in text or _is_called_image(source.name):
        try:
            read_image(source)
        except UserError as error:
            raise UserError(f"{option} {error}, or give a list of image paths in UTF-8") from error
    return text


def _is_called_image(name: str) -> bool:
    return (mimetypes.guess_type(name)[0] or "").startswith("image/")
