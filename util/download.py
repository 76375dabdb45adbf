"""The published files (spec/method.md, section 9) fetched: resumed, checked, unpacked."""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProxyError
from urllib3.util import Retry

from util.errors import UserError
from util.unpack import is_unpacked, unpack

logger = logging.getLogger(__name__)

_BLOCK = 1 << 16
_LARGEST_PAGE = 1 << 20


@dataclass(frozen=True)
class PublishedFile:
    """A file to fetch. A zip ends as a folder of its name; the zip itself is then removed."""

    path: Path  # under the root of the repository
    size: int  # bytes
    md5: str
    sources: tuple[str, ...]  # addresses, in the order they are tried

    @property
    def folder(self) -> Path | None:
        """What a zip unpacks to."""
        return self.path.with_suffix("") if self.path.suffix == ".zip" else None

    def at_mirror(self, address: str) -> "PublishedFile":
        """The same file, fetched from under this address only."""
        return replace(self, sources=(f"{address.rstrip('/')}/{self.path.name}",))


def _published(path: str, size: int, md5: str, drive_id: str) -> PublishedFile:
    drive = f"https://drive.google.com/uc?export=download&id={drive_id}"
    alternate = "https://grail.cs.washington.edu/projects/lifespan_age_transformation_synthesis/pretrained_models/"
    return PublishedFile(Path(path), size, md5, (drive, alternate + Path(path).name))


# fmt: off
PUBLISHED: Mapping[str, PublishedFile] = {
    "males_model": _published("checkpoints/males_model.zip", 213175683, "0079186147ec816176b946a073d1f396", "1MsXN54hPi9PWDmn1HKdmKfv-J5hWYFVZ"),  # noqa: E501
    "females_model": _published("checkpoints/females_model.zip", 213218113, "0675f809413c026170cf1f22b27f3c5d", "1LNm0zAuiY0CIJnI0lHTq1Ttcu9_M1NAJ"),  # noqa: E501
    "deeplab_model": _published("deeplab_model/deeplab_model.pth", 464446305, "8e8345b1b9d95e02780f9bed76cc0293", "1w2XjDywFr2NjuUWaLQDRktH7VwIfuNlY"),  # noqa: E501
    "deeplab_backbone": _published("deeplab_model/R-101-GN-WS.pth.tar", 178260167, "aa48cc3d3ba3b7ac357c1489b169eb32", "1oRGgrI4KNdefbWVpw0rRkEP1gbJIRokM"),  # noqa: E501
    "landmarks": _published("util/shape_predictor_68_face_landmarks.dat", 99693937, "73fde5e05226548677a050913eed4e04", "1fhq5lvWy-rjrzuHdMoZfLsULvF0gJGwD"),  # noqa: E501
}
# fmt: on


def _patience() -> Retry:
    return Retry(5, backoff_factor=1, backoff_max=60, retry_after_max=60, status_forcelist=(429, 500, 502, 503, 504))


@dataclass(frozen=True)
class Network:
    """How servers are asked."""

    session: requests.Session = field(default_factory=requests.Session)
    retry: Retry = field(default_factory=_patience)  # how often in vain, and with what pauses in seconds
    timeout: tuple[float, float] = (10, 30)  # seconds to connect, and between two pieces of an answer


class SourceError(Exception):
    """This source does not give the file; another may."""


class UnreachableError(SourceError):
    """The source's server cannot be reached at all."""


class OfflineError(UserError):
    """No server of a file can be reached, so that asking them for other files is in vain."""


def download(files: Mapping[str, PublishedFile], root: Path, network: Network) -> list[str]:
    """Fetches files, by name, to their paths under `root`; those that are there and right are left alone.

    What fails does not stop the others: the reasons are logged at the end. A file that was fetched in part waits
    beside its final name, with the suffix .part, and is resumed by the next call.

    Returns:
        The names of the files that failed.
    """
    failed: dict[str, list[str]] = {}  # why -> names, so that what fails alike is said once
    offline: OfflineError | None = None
    for name, file in files.items():
        try:
            if is_there(file, root):
                logger.info("%s: already there", name)
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


def is_there(file: PublishedFile, root: Path) -> bool:
    """Whether nothing need be done: the file, or what its zip held, stands under `root` and is right."""
    return is_unpacked(root / file.folder, file.md5) if file.folder else _is_right(root / file.path, file)


def fetch(file: PublishedFile, root: Path, network: Network) -> None:
    """Fetches one file to its path under `root`, from the first source that gives it; a zip is unpacked.

    Raises:
        OfflineError: no source can be reached.
        UserError: no source gives the right file, the zip is damaged or unsafe, the folder holds other files of the
            same names, or cannot be written to. Says which.
    """
    target = root / file.path
    try:
        if not _is_right(target, file):
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch_file(file, target, network)
        if file.folder:
            unpack(target, root / file.folder, file.md5)
            target.unlink()
    except OSError as error:
        where = error.filename or target
        raise UserError(f"{where}: {error.strerror or error}; free some space or choose another --out") from error


def _fetch_file(file: PublishedFile, target: Path, network: Network) -> None:
    """Tries the sources in turn."""
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
    """Fetches what is missing of the partial file until it is whole and right; it then takes its final name."""
    part = target.with_name(target.name + ".part")
    retry, at_first = network.retry, _size(part)
    furthest = at_first
    for inherited in (True, False):
        while _size(part) < file.size:
            try:
                _fetch_rest(address, file, part, network)
            except requests.RequestException as error:
                if _is_unreachable(error) and _size(part) == at_first:
                    raise UnreachableError(_reason(error)) from error
                # Only tries in vain count: a long file over a bad line arrives in the end.
                retry = _pause(network.retry if _size(part) > furthest else retry, error)
                furthest = max(furthest, _size(part))
        if _is_right(part, file):
            part.replace(target)
            return
        part.unlink()
        if not (inherited and at_first):
            break
        # What an earlier run or source left may have spoilt it: once more, from the start.
    raise SourceError("its file is not the published one (other md5)")


def _pause(retry: Retry, error: requests.RequestException) -> Retry:
    """Waits after a failed try, as long as the server asks for or longer each time; returns the tries left."""
    reply = error.response
    if reply is None:
        passing = isinstance(
            error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
        )
        passing = passing and not isinstance(error, requests.exceptions.SSLError)
    else:
        passing = retry.is_retry("GET", reply.status_code)
    if not passing:
        raise SourceError(_reason(error)) from error
    try:
        retry = retry.increment("GET", error=error)
        logger.info("%s; trying again", _reason(error))
        retry.sleep(reply.raw if reply is not None else None)
    except HTTPError as end:  # no tries left, or a Retry-After that cannot be read
        raise SourceError(_reason(error)) from end
    return retry


def _fetch_rest(address: str, file: PublishedFile, part: Path, network: Network) -> None:
    """Asks once for what is missing and appends what comes."""
    start = _size(part)
    reply = _ask(address, start, network)
    if reply.status_code == requests.codes.requested_range_not_satisfiable:
        reply.close()
        reply = _ask(address, 0, network)
    with reply:
        reply.raise_for_status()
        if _is_page(reply):
            raise SourceError("sends a web page in place of the file")
        if reply.status_code != requests.codes.partial_content:  # the server does not know Range
            start, total = 0, reply.headers.get("Content-Length", "")
        else:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", ""))
            if span is None or int(span[1]) != start:
                raise SourceError("sends another part of the file than it was asked for")
            total = span[2]
        if total.isdigit() and int(total) != file.size:
            raise SourceError(f"its file is not the published one ({total} bytes, not {file.size})")
        with (
            part.open("ab" if start else "wb") as out,
            tqdm(desc=file.path.name, total=file.size, initial=start, unit="B", unit_scale=True, leave=False) as bar,
        ):
            for block in reply.iter_content(_BLOCK):
                out.write(block)
                bar.update(len(block))
                if out.tell() > file.size:
                    raise SourceError(f"its file is not the published one (more than {file.size} bytes)")
    if _size(part) < file.size:
        raise requests.ConnectionError("the answer ended early")


def _ask(address: str, start: int, network: Network) -> requests.Response:
    """The server's answer, from byte `start` on; a note of Google Drive that the file is too large to be searched
    for viruses is confirmed."""
    # Bytes as they are: sizes and ranges count those.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    reply = network.session.get(address, headers=headers, stream=True, timeout=network.timeout)
    if not _is_page(reply):
        return reply
    page = next(reply.iter_content(_LARGEST_PAGE), b"").decode("utf-8", "replace")
    form = _ConfirmForm()
    form.feed(page)
    if "confirm" in form.inputs:
        reply.close()
        action = urljoin(reply.url, form.action)
        return network.session.get(action, params=form.inputs, headers=headers, stream=True, timeout=network.timeout)
    if "quota exceeded" in page.lower():
        reply.close()
        raise SourceError("quota exceeded, too many people fetched the file today")
    return reply


class _ConfirmForm(HTMLParser):
    """The form of a page: where it goes, and its named inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.inputs: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action, self.inputs = values.get("action") or "", {}
        elif tag == "input" and (name := values.get("name")):
            self.inputs[name] = values.get("value") or ""


def _is_page(reply: requests.Response) -> bool:
    return reply.headers.get("Content-Type", "").startswith("text/html")


def _is_unreachable(error: requests.RequestException) -> bool:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(cause, (ConnectTimeoutError, ProxyError))


def _reason(error: requests.RequestException) -> str:
    """What went wrong, short."""
    if error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if _is_unreachable(error):
        return str(error.args[0].reason).rsplit(": ", 1)[-1]
    if "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "the connection broke off"
    return str(error)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_right(path: Path, file: PublishedFile) -> bool:
    """Size first, which costs nothing; then md5."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == file.md5
