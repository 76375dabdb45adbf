"""Records from which source and settings each result was made, so that none is replaced or mixed silently."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from util.errors import UserError
from util.files import write_error

logger = logging.getLogger(__name__)

# The record in a folder of results. Lines are only appended, so that a crash or a parallel command cannot damage the
# record, and a long batch does not rewrite it for each photo. The last line about a file counts.
RECORD = "made.jsonl"


class ProvenanceRecord:
    """The record of a folder of results.

    A result may be made again from the same source with the same settings, so the same command always works twice,
    also when the model was trained further or the photo was edited in its place. Any other existing result is
    protected unless the user allows overwriting. Results without a record, which older versions left, are protected
    too, because their source is unknown.

    Args:
        root: folder of results.
        overwrite: whether other results may be replaced.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, root: Path, *, overwrite: bool) -> None:
        self.root = root
        self.overwrite = overwrite
        self._path = root / RECORD
        self._made: dict[str, dict[str, Any]] = {}
        self._append("")
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                self._made |= dict.fromkeys(entry["files"], entry)
            except (ValueError, TypeError, KeyError):
                continue  # A full disk has cut the line short.

    def check(self, files: Sequence[Path], source: Path, settings: Mapping[str, str]) -> None:
        """Refuses to replace files, or folders of files, that were made from another source or with other settings.

        Raises:
            UserError: such a file exists; the message says what it was made of.
        """
        if self.overwrite:
            return
        remedy = "give --overwrite to replace it, or another --results_dir"
        for file in files:
            # A name that is too long is reported when the file is written.
            if not os.path.exists(file):
                continue
            entry = self._made.get(self._key(file))
            if entry is None:
                raise UserError(f"{file}: exists, and its source is not recorded; {remedy}")
            # A source that cannot be read is reported when it is used.
            if source_id(source) not in ("", entry["source"]) and entry.get("place") != place(source):
                raise UserError(f"{file}: was made of another picture or data set, {entry['from']}; {remedy}")
            if entry["settings"] != settings:
                raise UserError(f"{file}: was made {_difference(entry['settings'], settings)}; {remedy}")

    def add(self, files: Sequence[Path], source: Path, settings: Mapping[str, str], **facts: object) -> None:
        """Checks files that are about to be made, and records their source, settings and further facts for users.

        Raises:
            UserError: `check` fails, or the record cannot be written.
        """
        self.check(files, source, settings)
        keys, content = [self._key(file) for file in files], source_id(source)
        for key in keys:
            if self._made.get(key, {}).get("source", content) != content and not self.overwrite:
                logger.warning("%s: is made anew, because %s has changed", self.root / key, source)
        entry: dict[str, Any] = {
            "files": keys,
            "from": str(source),
            "place": place(source),
            "source": content,
            "settings": dict(settings),
            **facts,
        }
        if any(self._made.get(key) != entry for key in keys):
            self._append(json.dumps(entry, ensure_ascii=False) + "\n")
            self._made |= dict.fromkeys(keys, entry)

    def _key(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()

    def _append(self, text: str) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise write_error(self._path, error) from error


def place(source: Path) -> str:
    """Where a source lies, whatever the current folder is."""
    return str(source.absolute())


def source_id(source: Path) -> str:
    """The identity of a source: a file's content or a folder's path; empty if a file cannot be read."""
    if source.is_dir():
        return str(source.resolve())
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """How the old settings differ: `with --fps 25, without --ages`."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    texts = {name: f"with --{name} {old[name]}".removesuffix(" True") for name in names if name in old}
    return ", ".join(texts.get(name, f"without --{name}") for name in names)
