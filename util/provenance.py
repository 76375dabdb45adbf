"""The manifest of a folder of results: what each was made of, so that none is replaced, mixed or made twice."""

import csv
import errno
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from util.distributed import require_single_process
from util.errors import UserError
from util.files import atomic_path, write_error

logger = logging.getLogger(__name__)

# Lines are only appended, so that a crash or a parallel command cannot damage the manifest, and a long batch does not
# rewrite it for each photo. The last line about a file counts.
MANIFEST = "manifest.jsonl"
FAILURES = "failures.csv"
# Earlier versions kept one for all results, in --results_dir.
_OLD_MANIFEST = "made.jsonl"

Settings = Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """What results are made of: a photo, a data set, or a list."""

    path: Path

    @property
    def place(self) -> str:
        """Where it lies, whatever the current folder is."""
        return str(self.path.absolute())

    @cached_property
    def content(self) -> str:
        """Its identity when it was first asked for: that of a file's content or a folder's path."""
        return source_id(self.path)


class Manifest:
    """The manifest of a folder of results, which holds a line for each photo, page or evaluation.

    A result may be made again from the same source with the same settings, so the same command always works twice,
    also when the model was trained further or the photo was edited in its place. Any other existing result is
    protected unless the user allows overwriting. Results without a line are protected too, because their source is
    unknown.

    Args:
        folder: of the results; it is made when the first line is written.
        results_dir: where earlier versions kept their record.
        overwrite: whether other results may be replaced.
        part: this process's number among several that share the folder; each writes a file of its own.

    Raises:
        UserError: there are several processes, but this one has no number.
    """

    def __init__(self, folder: Path, results_dir: Path, *, overwrite: bool, part: int | None = None) -> None:
        self.folder = folder
        self.overwrite = overwrite
        if part is None:
            require_single_process()
        self._path = folder / (MANIFEST if part is None else f"manifest.{part}.jsonl")
        self._made: dict[Path, dict[str, Any]] = {}
        self._photos: dict[str, dict[str, Any]] = {}
        for path in (results_dir / _OLD_MANIFEST, folder / MANIFEST, *self._parts()):
            for line in _lines(path):
                self._learn(line, path.parent)

    def check(self, files: Sequence[Path], source: Source, settings: Settings) -> None:
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
            line = self._made.get(file)
            if line is None:
                raise UserError(f"{file}: exists, and its source is not recorded; {remedy}")
            # A source that cannot be read is reported when it is used.
            if source.content not in ("", line["source"]) and line.get("place") != source.place:
                raise UserError(f"{file}: was made of another picture or data set, {line['from']}; {remedy}")
            if (made_with := line["settings"][file]) != settings:
                raise UserError(f"{file}: was made {_difference(made_with, settings)}; {remedy}")

    def is_done(self, files: Mapping[Path, Settings], source: Source, made_by: str) -> bool:
        """Whether a photo's files exist, made of the same content, with the same settings, by the same model."""
        lines = [self._made.get(file) for file in files]
        for (file, settings), line in zip(files.items(), lines, strict=True):
            if line is None or line["settings"][file] != settings or line.get("made_by") != made_by:
                return False
            # The line may name more files, if the photo shows more faces.
            if line.get("error") or not all(os.path.exists(made) for made in line["settings"]):
                return False
        return all(line is not None and line["source"] == source.content for line in lines)

    def claim(self, files: Sequence[Path], source: Source, settings: Settings) -> None:
        """Checks files that are about to be made, and records their source and settings.

        Raises:
            UserError: `check` fails, or the manifest cannot be written.
        """
        self.check(files, source, settings)
        known = [self._made.get(file, {}) for file in files]
        if any(
            line.get("source") != source.content or line["settings"][f] != settings
            for f, line in zip(files, known, strict=True)
        ):
            self._append({"from": str(source.path)}, dict.fromkeys(files, settings), source)

    def add_photo(self, source: Source, files: Mapping[Path, Settings], **facts: object) -> None:
        """Records what became of a photo: its files and their settings, and facts for users.

        It is called before the files get their names, so that none is ever without a line. `facts` hold the model's
        identity as "made_by", and "error" if something went wrong.

        Raises:
            UserError: the manifest cannot be written.
        """
        self._append({"photo": str(source.path)}, files, source, **facts)

    def finish(self, photos: Sequence[Path]) -> None:
        """Merges the parts that several processes have written, and writes the list of failures.

        Args:
            photos: all photos of the batch, in order.

        Raises:
            UserError: a file cannot be written.
        """
        numbers = {str(photo.absolute()): number for number, photo in enumerate(photos)}
        if parts := self._parts():
            lines = [line for part in parts for line in _lines(part)]
            for line in lines:
                self._learn(line, self.folder)
            lines.sort(key=lambda line: numbers.get(line["place"], -1))
            self._write(self.folder / MANIFEST, lines)
            for part in parts:
                part.unlink()
            self._path = self.folder / MANIFEST
        last = [self._photos[place] for place in numbers if place in self._photos]
        failures = [(line["photo"], line["error"]) for line in last if line.get("error")]
        path = self.folder / FAILURES
        if not failures:
            path.unlink(missing_ok=True)
            return
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("photo", "error"), *failures])

    def seen_ages(self, photo: Path) -> dict[str, int | None]:
        """The names of the portraits that were last made of a photo, and the age seen in each."""
        return dict(self._photos.get(str(photo.absolute()), {}).get("looks", {}))

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("manifest.*.jsonl"))

    def _learn(self, line: dict[str, Any], root: Path) -> None:
        """Remembers a line, with the settings of each file by its path."""
        outputs = line["outputs"] if "outputs" in line else dict.fromkeys(line["files"], line["settings"])
        settings = {root / name: of_file for name, of_file in outputs.items()}
        known = {**line, "from": line.get("photo") or line["from"], "settings": settings}
        self._made |= dict.fromkeys(settings, known)
        if "photo" in line:
            self._photos[line["place"]] = known

    def _append(
        self, name: Mapping[str, str], files: Mapping[Path, Settings], source: Source, **facts: object
    ) -> None:
        for file in files:
            line = self._made.get(file)
            # A command that failed has claimed files that it did not make.
            if line and line["source"] != source.content and not self.overwrite and os.path.exists(file):
                logger.warning("%s: is made anew, because %s has changed", file, source.path)
        outputs = {file.relative_to(self.folder).as_posix(): dict(settings) for file, settings in files.items()}
        line = {**name, "outputs": outputs, **facts, "place": source.place, "source": source.content}
        self._write(self._path, [line])
        self._learn(line, self.folder)

    def _write(self, path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The system appends all that one call without a buffer writes in one piece.
            with path.open("ab+", buffering=0) as file:
                if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                    text = b"\n" + text  # A full disk has cut the last line short.
                if file.write(text) != len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
        except OSError as error:
            raise write_error(path, error) from error


def source_id(path: Path) -> str:
    """The identity of a file's content or a folder's path; empty if a file cannot be read."""
    if path.is_dir():
        return str(path.resolve())
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a manifest."""
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue  # A full disk has cut the line short.
        if isinstance(line, dict) and "source" in line and ("outputs" in line or "files" in line):
            found.append(line)
    return found


def _difference(old: Settings, new: Settings) -> str:
    """How the old settings differ: `with --fps 25, without --ages`."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    texts = {name: f"with --{name} {old[name]}".removesuffix(" True") for name in names if name in old}
    return ", ".join(texts.get(name, f"without --{name}") for name in names)
