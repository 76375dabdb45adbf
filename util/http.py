"""Requests the missing bytes of a file, and copes with the ways in which real servers answer."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import requests
from urllib3.exceptions import ConnectTimeoutError, ProxyError
from urllib3.util import Retry

from util.progress import progress

_BLOCK = 1 << 16
_LARGEST_PAGE = 1 << 20
_RETRY = Retry(5, backoff_factor=1, backoff_max=60, retry_after_max=60, status_forcelist=(429, 500, 502, 503, 504))


@dataclass(frozen=True)
class Network:
    """The session, retries and time limits of requests."""

    session: requests.Session = field(default_factory=requests.Session)
    retry: Retry = _RETRY  # how many tries may fail, and the pauses between them in seconds
    timeout: tuple[float, float] = (10, 30)  # seconds to connect, and between two parts of an answer


class SourceError(Exception):
    """This source does not deliver the file, but another one may."""


class UnreachableError(SourceError):
    """No connection to the server is possible."""


def fetch_rest(address: str, part: Path, *, whole: int, network: Network) -> None:
    """Requests once the bytes that `part` lacks of `whole`, and appends those that arrive.

    Raises:
        SourceError: this source delivers something else.
        requests.RequestException: the request failed; another try may succeed.
    """
    start = size(part)
    reply = _ask(address, start, network)
    if reply.status_code == requests.codes.requested_range_not_satisfiable:
        reply.close()
        reply = _ask(address, 0, network)
    with reply:
        reply.raise_for_status()
        if _is_page(reply):
            raise SourceError("sends a web page in place of the file")
        if reply.status_code != requests.codes.partial_content:  # the server ignores Range
            start, total = 0, reply.headers.get("Content-Length", "")
        else:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", ""))
            if span is None or int(span[1]) != start:
                raise SourceError("sends a part of the file that was not requested")
            total = span[2]
        if total.isdigit() and int(total) != whole:
            raise SourceError(f"its file is not the published one ({total} bytes, not {whole})")
        shown = progress(desc=part.stem, total=whole, initial=start, unit="B", unit_scale=True, leave=False)
        with part.open("ab" if start else "wb") as out, shown as bar:
            for block in reply.iter_content(_BLOCK):
                out.write(block)
                bar.update(len(block))
                if out.tell() > whole:
                    raise SourceError(f"its file is not the published one (more than {whole} bytes)")
    if size(part) < whole:
        raise requests.ConnectionError("the answer ended early")


def _ask(address: str, start: int, network: Network) -> requests.Response:
    """The server's answer, from byte `start` on.

    Google Drive asks for confirmation if a file is too large for its virus scan. This function confirms.
    """
    # Compression is off because sizes and ranges count the bytes of the file itself.
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
        raise SourceError("quota exceeded: too many people downloaded the file today")
    return reply


class _ConfirmForm(HTMLParser):
    """Reads the form of a page: its address and its named inputs."""

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


def is_unreachable(error: requests.RequestException) -> bool:
    """Whether no connection to the server was made."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(cause, (ConnectTimeoutError, ProxyError))


def describe_error(error: requests.RequestException) -> str:
    """The error in a few words."""
    if error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if is_unreachable(error):
        return str(error.args[0].reason).rsplit(": ", 1)[-1]
    if "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "the connection was lost"
    return str(error)


def size(path: Path) -> int:
    """Size of a file in bytes; 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0
