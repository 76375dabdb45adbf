"""Files that appear complete or not at all, and names for them."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from util.errors import UserError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; on success it is flushed to disk and takes the target's name.

    If the body raises, the temporary file is removed and a file already at `target` stays as it was. The temporary
    name keeps the target's suffix, which image and video writers choose their format by.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error
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
        raise UserError(f"{target}: cannot be written ({error}); free some space or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)


def ascii_name(name: str) -> str:
    """The name in plain ASCII, for a file or an address: letters, digits, points, hyphens and underscores.

    Different names may become the same one; a caller that needs unique names has to check.
    """
    # Its tables are loaded only where a name needs them.
    from unidecode import unidecode

    return re.sub(r"[^\w.-]+", "_", unidecode(name), flags=re.ASCII).strip("._") or "unnamed"
