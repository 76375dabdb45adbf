"""Files and folders that appear complete or not at all, and names for them."""

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

# Stands in each folder that was built here, and holds the command. Only such a folder may be replaced.
MARKER = ".made_by"

# These errors will meet the next file in the same folder too.
_LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ENOTDIR, errno.EEXIST)


class FolderError(UserError):
    """Nothing more can be written to a folder, so that a batch should stop."""


def write_error(target: Path, error: OSError) -> UserError:
    """The error to tell users if a file cannot be written."""
    lasting = error.errno in _LASTING
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space, or choose another folder" if full else "choose another folder"
    kind = FolderError if lasting else UserError
    return kind(f"{target}: cannot be written ({error.strerror or error}); {remedy}")


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; on success it is flushed to disk and takes the target's name.

    If the body raises, the temporary file is removed and a file already at `target` stays as it was. The temporary
    name keeps the target's suffix, which image and video writers choose their format by.

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
        # mkstemp makes private files; the user's umask decides what a finished file allows.
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
def built_aside(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a new folder, `<target>.part`, that takes the target's name when the body has succeeded.

    If the body raises, or Ctrl-C or SIGTERM ends it, the new folder is removed and what was at `target` stays as it
    was. The next run removes what a killed process has left.

    Raises:
        UserError: as `check_free`; or the folder cannot be written, or the disk is full.
    """
    check_free(target, overwrite=overwrite)
    real = target.resolve()
    aside, old = (real.with_name(real.name + suffix) for suffix in (".part", ".part-old"))
    for left in (aside, old):
        check_free(left, overwrite=True)
        shutil.rmtree(left, ignore_errors=True)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        aside.mkdir(parents=True)
        (aside / MARKER).write_text(f"{shlex.join(sys.argv)}\n", encoding="utf-8")
        yield aside
        if real.exists():
            real.rename(old)
        aside.rename(real)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be made ({error}); mend that, or choose another folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def check_free(target: Path, *, overwrite: bool) -> None:
    """The one rule for folders of results: they never mix with, or silently replace, what is there.

    Raises:
        UserError: `target` holds files, and `overwrite` is not given or they are not a result of this project; or
            it cannot be replaced at all.
    """
    if target.is_symlink() and not target.exists():
        raise UserError(f"{target}: a link that leads nowhere; remove it or choose another folder")
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{target}: a file; choose another folder")
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
    """Removes the files of a folder of results that are not part of the newest one."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and path.name not in names:
            path.unlink()


@contextmanager
def locked(folder: Path, message: str) -> Iterator[None]:
    """Within it, no other process can lock the folder, which is made if needed. The lock ends with the process.

    Raises:
        UserError: another process holds the lock. The message begins with `message` and names that process.
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
            # Unlike flock's, these locks are not inherited by the processes that read pictures.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            raise UserError(f"{message} (process {file.read().strip()})") from None
        except OSError as error:
            logger.warning("%s: cannot be locked (%s); start no other run there", folder, error.strerror)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # It holds something by now.
                folder.rmdir()


def ascii_name(name: str) -> str:
    """The name in plain ASCII, for a file or an address: letters, digits, points, hyphens and underscores.

    Different names may become the same one; a caller that needs unique names has to check.
    """
    # Its tables are loaded only where a name needs them.
    from unidecode import unidecode

    return re.sub(r"[^\w.-]+", "_", unidecode(name), flags=re.ASCII).strip("._") or "unnamed"
