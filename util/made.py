"""Remembers which result was made from what, so that no result is lost or mixed silently."""

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

# Lies in the folder of results. Lines are only ever added, so a crash or a second command at the same time cannot
# damage what it says, and a long batch does not write it again for each photo. The last line about a file counts.
RECORD = "made.jsonl"


class MadeRecord:
    """The record of a folder of results.

    Whatever was made of the same source with the same settings may be made again, so the same command always works
    twice, also when the model was trained on or the photo was edited in its place. Anything else that is there is
    refused, unless the user allows to overwrite it. Results without a record, which older versions left, count as
    another's, because nobody can tell what they were made of.

    Args:
        root: folder of results.
        overwrite: allows to replace another result.

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
                continue  # a line that a full disk has cut

    def check(self, files: Sequence[Path], source: Path, settings: Mapping[str, str]) -> None:
        """Refuses to make files, or folders of files, that another source or other settings made.

        Raises:
            UserError: names the first such file and what it was made of.
        """
        if self.overwrite:
            return
        remedy = "give --overwrite to replace it, or another --results_dir"
        for file in files:
            # A name that is too long for a file is told when it is written.
            if not os.path.exists(file):
                continue
            entry = self._made.get(self._key(file))
            if entry is None:
                raise UserError(f"{file}: is there, and nothing tells what it was made of; {remedy}")
            # An unreadable source is told when its turn comes.
            if source_id(source) not in ("", entry["source"]) and entry.get("place") != place(source):
                raise UserError(f"{file}: was made of another picture or data set, {entry['from']}; {remedy}")
            if entry["settings"] != settings:
                raise UserError(f"{file}: was made {_difference(entry['settings'], settings)}; {remedy}")

    def add(self, files: Sequence[Path], source: Path, settings: Mapping[str, str], **facts: object) -> None:
        """Checks and then notes what files are about to be made of, with facts about it that users may ask for.

        Raises:
            UserError: as `check`; or the record cannot be written.
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
    """Tells sources apart: by the content of a file, wherever it lies, and by the place of a folder.

    A file that cannot be read has none.
    """
    if source.is_dir():
        return str(source.resolve())
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """The settings that differ, as they were: `with --fps 25, without --ages`."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    texts = {name: f"with --{name} {old[name]}".removesuffix(" True") for name in names if name in old}
    return ", ".join(texts.get(name, f"without --{name}") for name in names)
