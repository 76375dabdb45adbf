"""Unpacks zips completely or not at all, and never overwrites files."""

import json
import posixpath
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from util.errors import UserError

# This file in an unpacked folder records the md5 and the file list of its zip.
MARKER = ".unpacked.json"

# Path inside the folder -> size in bytes, CRC-32.
Listing = dict[str, tuple[int, int]]


def is_unpacked(folder: Path, md5: str) -> bool:
    """Whether all files of the zip with this md5 are in `folder`, unchanged."""
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        return marker["zip_md5"] == md5 and all(_holds(folder / n, *wanted) for n, wanted in marker["files"].items())
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return False


def unpack(archive: Path, folder: Path, md5: str) -> None:
    """Unpacks a zip's files directly into `folder`, without the folder that holds them in the zip.

    If `folder` exists, missing files are added and none is overwritten. A new folder takes its name when all files
    are in it.

    Args:
        archive: the zip.
        folder: the target of its files.
        md5: md5 of the zip, for the marker that `is_unpacked` reads.

    Raises:
        UserError: the zip is damaged or holds a link or a path outside its folder, or `folder` holds another file of
            the same name. `folder` is then unchanged.
        OSError: the folder cannot be written to, or the disk is full.
    """
    unfinished = folder.with_name(folder.name + ".part")
    try:
        with zipfile.ZipFile(archive) as source:
            members = _members(source, archive)
            listing: Listing = {name: (info.file_size, info.CRC) for name, info in members.items()}
            missing = [name for name in listing if not (folder / name).exists()]
            for name in listing.keys() - set(missing):
                if not _holds(folder / name, *listing[name]):
                    raise UserError(
                        f"{folder / name}: is not the published file and is kept; move {folder} away and run the "
                        f"command again ({archive.name} is complete and need not be fetched again)"
                    )
            shutil.rmtree(unfinished, ignore_errors=True)
            for name in missing:
                target = unfinished / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with source.open(members[name]) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
        unfinished.mkdir(parents=True, exist_ok=True)
        (unfinished / MARKER).write_text(json.dumps({"zip_md5": md5, "files": listing}, indent=1), "utf-8")
        if not folder.exists():
            unfinished.rename(folder)
        else:
            # The marker is moved last because it states that all other files are present.
            for name in (*missing, MARKER):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(unfinished / name, folder / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise UserError(f"{archive}: not a readable zip ({error}); nothing was unpacked") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _members(source: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by their path below the folder that holds all of them."""
    members = {}
    for info in source.infolist():
        path = PurePosixPath(info.filename)
        # Backslashes separate folders and colons name drives on Windows; portable zips have neither.
        if path.is_absolute() or ".." in path.parts or set(info.filename) & {"\\", ":"}:
            raise UserError(f"{archive}: holds '{info.filename}', which would leave its folder; nothing was unpacked")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"{archive}: holds the link '{info.filename}'; nothing was unpacked")
        # macOS adds this folder to zips; it is not part of the content.
        if not info.is_dir() and path.parts[0] != "__MACOSX":
            members[path] = info
    if not members:
        raise UserError(f"{archive}: holds no files; nothing was unpacked")
    top = posixpath.commonpath([path.parent for path in members])
    return {str(path.relative_to(top)): info for path, info in members.items()}


def _holds(path: Path, size: int, crc: int) -> bool:
    """Whether `path` is a file of this size and CRC-32."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    found = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found = zlib.crc32(block, found)
    return found == crc
