"""Finds the photos that a command works on, loops over them, and names their outputs."""

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
    """The photos in a folder or a list, or a single photo. A list has one path a line; # begins a comment line.

    A file's content decides whether it is a photo, not its name. The photos of a list are not opened here, so that
    one that cannot be read does not stop the others.

    Args:
        source: the list, image or folder.
        option: the option that names it, for messages.

    Raises:
        UserError: the source is missing, empty or of another kind, or the folder has no images.
    """
    source = user_path(str(source))
    if os.path.isdir(source):
        return _photos_in(source, option)
    if problem := file_problem(source):
        raise UserError(
            f"{option} {source}: not a file ({problem}); give an image, a folder or a list of image paths"
        )
    if is_image(source):
        return [source]
    lines = (line.strip() for line in _read_list(source, option).splitlines())
    photos = [user_path(line) for line in lines if line and not line.startswith("#")]
    if not photos:
        raise UserError(f"{option} {source}: the list is empty; give one image path a line")
    return photos


def user_path(text: str) -> Path:
    """The path in a text that users paste: in quotes, as a file:// address, or with ~ for the home folder."""
    # Windows adds marks of the writing direction to paths that are copied from a file's properties.
    text = text.strip(" \t\u202a\u202c")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    # An address that became a Path has lost one of its slashes.
    if address := re.fullmatch(r"(?i:file):/+(localhost/)?(.+)", text):
        text = url2pathname(f"/{address[2]}")
    return Path(os.path.expanduser(text))


def for_each_portrait(
    photos: Sequence[Path],
    read: Callable[[Path], Sequence[Portrait]],
    use: Callable[[str, Portrait], None],
    names: Sequence[str],
) -> int:
    """Loops over photos. A photo that cannot be read or used is reported and skipped.

    The loop ends when the output folder cannot be written to, because all other photos would fail too.

    Args:
        photos: paths.
        read: makes the portraits of a path.
        use: uses a portrait; its first argument is the name of the outputs.
        names: name of each photo's outputs, from `output_names`.

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
    """The name of one face's outputs; `face` is None if the photo has outputs for one face only."""
    return name if face is None else f"{name}_face{face}"


def output_names(photos: Sequence[Path], endings: Sequence[str], *, ascii_only: bool = False) -> list[str]:
    """The name of each photo's outputs: its stem, with a number if they would replace an earlier photo's outputs.

    Args:
        photos: paths.
        endings: everything that the command appends to a name, such as ".mp4" and "_15-19.png". Names that differ
            here also differ with a face's number before the ending, because no ending begins with such a number.
        ascii_only: whether names are spelled in plain ASCII, for old players and web servers.
    """
    # Numbered pictures lie in a folder, whose name must not be another photo's file.
    endings = [ending.split("/")[0] for ending in endings]
    taken: set[str] = set()
    names = []
    for photo in photos:
        # The ASCII spelling may contain a slash: the character for one half becomes 1/2.
        stem = unidecode(photo.stem).replace("/", "-").strip() or "photo" if ascii_only else photo.stem
        for name in chain([stem], (f"{stem}_{number}" for number in count(2))):
            # For many file systems, x.jpg and X.jpg are one file, and so are two encodings of an umlaut.
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
    # Files with names of images come first, because users expect those to be read.
    others.sort(key=lambda name: not _is_called_image(name))
    named = ", ".join(others[:_EXAMPLES]) + (", ..." if len(others) > _EXAMPLES else "")
    if not photos:
        raise UserError(f"{option} {folder}: no images in this folder" + (f", only {named}" if others else ""))
    if others:
        logger.warning("%s: %d of %d entries are not images: %s", folder, len(others), len(entries), named)
    return photos


def _read_list(source: Path, option: str) -> str:
    try:
        content = source.read_bytes()
        # PowerShell writes UTF-16. Any file may begin with its two-byte mark, so a line end is required as well.
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
