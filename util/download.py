"""Downloads files from one of several sources, resumes interrupted downloads, and verifies the result."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from util.errors import UserError
from util.http import Network, SourceError, UnreachableError, describe_error, fetch_rest, is_unreachable, size
from util.unpack import is_unpacked, unpack

logger = logging.getLogger(__name__)

_PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass(frozen=True)
class PublishedFile:
    """A file to fetch. A zip is unpacked into a folder of its name and then removed."""

    path: Path  # under the root of the repository
    size: int  # bytes
    md5: str
    sources: tuple[str, ...]  # addresses, in the order they are tried

    @property
    def folder(self) -> Path | None:
        """The folder that a zip is unpacked into; None for other files."""
        return self.path.with_suffix("") if self.path.suffix == ".zip" else None

    def at_mirror(self, address: str) -> "PublishedFile":
        """The same file with this address's copy as its only source."""
        return replace(self, sources=(f"{address.rstrip('/')}/{self.path.name}",))


class OfflineError(UserError):
    """None of a file's servers can be reached, so downloading other files would fail too."""


def download(files: Mapping[str, PublishedFile], root: Path, network: Network) -> list[str]:
    """Fetches named files to their paths under `root`, and skips those that are complete.

    If one fails, the others are still fetched, and the reasons are logged at the end. A partial download is kept with
    the suffix .part, and the next call resumes it.

    Returns:
        The names of the files that failed.
    """
    failed: dict[str, list[str]] = {}  # reason -> names, because files that fail for the same reason share a line
    offline: OfflineError | None = None
    for name, file in files.items():
        try:
            if is_complete(file, root):
                logger.info("%s: already complete", name)
                continue
            if offline:
                raise offline
            fetch(file, root, network)
            logger.info("%s: done", name)
        except UserError as error:
            offline = error if isinstance(error, OfflineError) else offline
            failed.setdefault(str(error), []).append(name)
    for why, names in failed.items():
        logger.error("failed: %s: %s", ", ".join(names), why)
    return [name for names in failed.values() for name in names]


def is_complete(file: PublishedFile, root: Path) -> bool:
    """Whether the file, or the content of its zip, is under `root` and is the published one."""
    return is_unpacked(root / file.folder, file.md5) if file.folder else _matches(root / file.path, file)


def fetch(file: PublishedFile, root: Path, network: Network) -> None:
    """Fetches one file to its path under `root` from the first source that has it, and unpacks a zip.

    Raises:
        OfflineError: no source can be reached.
        UserError: no source has the published file, the zip is damaged or unsafe, or the folder holds other files of
            the same names or cannot be written to.
    """
    target = root / file.path
    try:
        if not _matches(target, file):
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch_file(file, target, network)
        if file.folder:
            unpack(target, root / file.folder, file.md5)
            target.unlink()
    except OSError as error:
        where = error.filename or target
        raise UserError(f"{where}: {error.strerror or error}; free some space or choose another --out") from error


def _fetch_file(file: PublishedFile, target: Path, network: Network) -> None:
    """Tries the sources in turn, and warns about each that fails."""
    errors: dict[str, SourceError] = {}
    for address in file.sources:
        host = urlsplit(address).hostname or address
        try:
            return _fetch_from(address, file, target, network)
        except SourceError as error:
            errors[host] = error
            if address != file.sources[-1] and not isinstance(error, UnreachableError):
                logger.warning("%s: %s: %s; trying the next source", target.name, host, error)
    reasons = "; ".join(f"{host}: {error}" for host, error in errors.items())
    if all(isinstance(error, UnreachableError) for error in errors.values()):
        raise OfflineError(f"no server can be reached ({reasons}); check the network, or use --mirror")
    raise UserError(f"{reasons}; run the command again later, or use --mirror")


def _fetch_from(address: str, file: PublishedFile, target: Path, network: Network) -> None:
    """Completes the partial file, verifies it, and gives it its final name."""
    part = target.with_name(target.name + ".part")
    retry, at_first = network.retry, size(part)
    furthest = at_first
    for inherited in (True, False):
        while size(part) < file.size:
            try:
                fetch_rest(address, part, whole=file.size, network=network)
            except requests.RequestException as error:
                if is_unreachable(error) and size(part) == at_first:
                    raise UnreachableError(describe_error(error)) from error
                # Only tries that bring no data count, so that a large file arrives even over a bad line.
                retry = _pause(network.retry if size(part) > furthest else retry, error)
                furthest = max(furthest, size(part))
        if _matches(part, file):
            part.replace(target)
            return
        part.unlink()
        if not (inherited and at_first):
            break
        # The part that an earlier run or source left may be wrong, so try once more from the start.
    raise SourceError("its file is not the published one (other md5)")


def _pause(retry: Retry, error: requests.RequestException) -> Retry:
    """Waits after a failed try, as long as the server asks or longer each time, and returns the tries left."""
    reply = error.response
    if reply is not None:
        passing = retry.is_retry("GET", reply.status_code)
    else:
        passing = isinstance(error, _PASSING) and not isinstance(error, requests.exceptions.SSLError)
    if not passing:
        raise SourceError(describe_error(error)) from error
    try:
        retry = retry.increment("GET", error=error)
        logger.info("%s; trying again", describe_error(error))
        retry.sleep(reply.raw if reply is not None else None)
    except HTTPError as end:  # no tries left, or a Retry-After that cannot be read
        raise SourceError(describe_error(error)) from end
    return retry


def _matches(path: Path, file: PublishedFile) -> bool:
    """Whether a file is the published one. Its size is compared first, which costs nothing, then its md5."""
    if not path.is_file() or size(path) != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == file.md5
