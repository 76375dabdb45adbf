"""Which photos a command works on."""

import logging
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path

from tqdm import tqdm

from data.portrait import Portrait
from util.errors import UserError
from util.images import IMAGE_SUFFIXES

logger = logging.getLogger(__name__)


def find_photos(source: Path, option: str) -> list[Path]:
    """The photos of a list file (one path a line, blank lines and # comments aside), an image, or a folder's images.

    Args:
        source: the list, image or folder.
        option: that named it, for messages.

    Whether each can be read shows when it is read; one that cannot must not stop the others.

    Raises:
        UserError: the source is missing or empty or no text, or the folder has no images.
    """
    if source.is_dir():
        photos = sorted(path for path in source.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        if not photos:
            raise UserError(f"{option} {source}: no images in this folder")
        return photos
    if not source.is_file():
        raise UserError(f"{option} {source}: no such file; give a list of image paths, an image or a folder")
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return [source]
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{option} {source}: neither an image nor a UTF-8 list of image paths") from None
    photos = [Path(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not photos:
        raise UserError(f"{option} {source}: the list is empty; give one image path a line")
    return photos


def for_each_portrait(
    photos: Sequence[Path], read: Callable[[Path], Portrait], use: Callable[[str, Portrait], None]
) -> int:
    """The one loop over photos: a photo that cannot be read or used is named and skipped.

    Args:
        photos: paths.
        read: makes a portrait of a path.
        use: takes the name of the photo's outputs, and the portrait.

    Returns:
        How many photos were skipped.
    """
    skipped = 0
    for photo, name in zip(tqdm(photos, unit="photo"), output_names(photos), strict=True):
        try:
            use(name, read(photo))
        except UserError as error:
            skipped += 1
            logger.error("skipped: %s", error)
    return skipped


def output_names(photos: Sequence[Path]) -> list[str]:
    """What each photo's outputs are called: its stem, numbered where an earlier photo has the same one."""
    names: dict[str, None] = {}
    for photo in photos:
        numbered = chain([photo.stem], (f"{photo.stem}_{number}" for number in count(2)))
        names[next(name for name in numbered if name not in names)] = None
    return list(names)
