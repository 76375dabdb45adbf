"""Writes files and folders completely or not at all, protects and locks folders, and makes ASCII names."""

import errno
import logging
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError

logger = logging.getLogger(__name__)

# This file marks each folder that this project built, and holds the command. Only such folders may be replaced.
MARKER = ".made_by"

# The next file in the same folder would fail with these errors too.
_LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENOTDIR, errno.EEXIST)


class FolderError(UserError):
    """A folder cannot be written to any more, so that a batch should stop."""


def write_error(target: Path, error: OSError) -> UserError:
    """The error to raise if a file cannot be written."""
    lasting = error.errno in _LASTING
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space, or choose another folder" if full else "choose another folder"
    kind = FolderError if lasting else UserError
    return kind(f"{target}: cannot be written ({error.strerror or error}); {remedy}")


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; on success it is flushed to disk and takes the target's name.

    If the body raises, the temporary file is removed and a file at `target` stays unchanged. The temporary
    name keeps the target's suffix, by which image and video writers choose their format.

    Raises:
        FolderError: the folder cannot be written to, or the disk is full.
        UserError: this file alone cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise write_error(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; finished files get the permissions of the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields a new folder within `folder`, for files that get their places later by `replace`; it is removed then.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace(new: Path, target: Path) -> None:
    """Moves a finished file, or folder of files, to its place in the same file system, instead of an older one.

    Raises:
        UserError: it cannot be moved.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rename(new.with_name(f"{new.name}.old"))
        new.replace(target)
    except OSError as error:
        raise write_error(target, error) from error


@contextmanager
def atomic_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a new folder, `<target>.part`, which takes the target's name when the body has succeeded.

    If the body raises, or Ctrl-C or SIGTERM ends it, the new folder is removed and `target` stays unchanged. The next
    run removes what a killed process has left.

    Raises:
        UserError: `check_replaceable` fails, the folder cannot be written, or the disk is full.
    """
    check_replaceable(target, overwrite=overwrite)
    real = target.resolve()
    new, old = (real.with_name(real.name + suffix) for suffix in (".part", ".part-old"))
    for leftover in (new, old):
        check_replaceable(leftover, overwrite=True)
        shutil.rmtree(leftover, ignore_errors=True)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        new.mkdir(parents=True)
        (new / MARKER).write_text(f"{shlex.join(sys.argv)}\n", encoding="utf-8")
        yield new
        if real.exists():
            real.rename(old)
        new.rename(real)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be made ({error}); remove the cause, or choose another folder") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def check_replaceable(target: Path, *, overwrite: bool) -> None:
    """Protects the content of a folder: new results neither mix with it nor replace it without --overwrite.

    Raises:
        UserError: `target` cannot be replaced, holds files that this project did not make, or holds a result while
            `overwrite` is false.
    """
    if target.is_symlink() and not target.exists():
        raise UserError(f"{target}: is a broken link; remove it or choose another folder")
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{target}: is a file; choose another folder")
    if os.path.ismount(target) or target.resolve() == Path.cwd():
        raise UserError(f"{target}: cannot be replaced as a whole; choose a new folder inside it")
    if any(target.iterdir()):
        if not (target / MARKER).is_file():
            raise UserError(f"{target}: holds other files; move them away or choose another folder")
        if not overwrite:
            raise UserError(
                f"{target}: holds another result; give --overwrite to replace it, or choose another folder"
            )


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Removes the other files of a folder, which an earlier result has left."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and path.name not in names:
            path.unlink()


@contextmanager
def locked(folder: Path, message: str) -> Iterator[None]:
    """Keeps other processes from locking a folder, which is made if needed. The lock ends with the process.

    Raises:
        UserError: another process holds the lock. The message is `message` with that process's number.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        yield
        return
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    with file:
        try:
            # Unlike flock's locks, these are not inherited by the loader's worker processes.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise UserError(f"{message} (process {file.read().strip()})") from None
        except OSError as error:
            logger.warning("%s: cannot be locked (%s); do not start another run in it", folder, error.strerror)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # The folder holds files.
                folder.rmdir()


def ascii_name(name: str) -> str:
    """The name as ASCII letters, digits, points, hyphens and underscores, for a file or an address.

    Different names may become equal; a caller that needs unique names must check.
    """
    # Only a few commands need its large tables.
    from unidecode import unidecode

    return re.sub(r"[^\w.-]+", "_", unidecode(name), flags=re.ASCII).strip("._") or "unnamed"
