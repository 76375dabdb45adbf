"""Downloading the published files from servers that misbehave as real ones do."""

import hashlib
import http.server
import io
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from urllib3.util import Retry

from download_models import PUBLISHED
from util.download import PublishedFile, download, fetch
from util.errors import UserError
from util.http import Network
from util.unpack import MARKER, unpack

CONTENT = bytes(range(256)) * 10000  # 2.5 MB
MD5 = hashlib.md5(CONTENT).hexdigest()
# Three tries may fail, without pauses.
NETWORK = Network(retry=Retry(3, backoff_factor=0, status_forcelist=(429, 500, 503)), timeout=(2, 0.4))

Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path.split("?")[0], self.headers.get("Range"), self.path))
        answers = self.server.answers[self.path.split("?")[0]]
        # The last answer is repeated.
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def reply(self, body: bytes, code: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def whole(handler: Handler) -> None:
    """A good server, which supports ranges."""
    wanted = handler.headers.get("Range")
    if wanted is None:
        handler.reply(CONTENT)
        return
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    handler.reply(CONTENT[start:], 206, Content_Range=span)


def no_ranges(handler: Handler) -> None:
    handler.reply(CONTENT)


def drops(handler: Handler) -> None:
    """Closes the connection in the middle of the requested bytes."""
    start = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    rest = CONTENT[start:]
    handler.reply(
        rest[: len(rest) // 2 + 1],
        206 if start else 200,
        len(rest),
        **({"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}),
    )
    handler.close_connection = True


def wrong_bytes(handler: Handler) -> None:
    handler.reply(CONTENT[::-1])


def other_size(handler: Handler) -> None:
    handler.reply(CONTENT + b"more")


def slow(handler: Handler) -> None:
    time.sleep(1.0)
    handler.close_connection = True


def missing(handler: Handler) -> None:
    handler.reply(b"not here", 404)


def busy(handler: Handler) -> None:
    handler.reply(b"", 429, Retry_After="0")


def quota(handler: Handler) -> None:
    handler.reply(
        b"<html><title>Google Drive - Quota exceeded</title></html>", Content_Type="text/html; charset=utf-8"
    )


def virus_note(handler: Handler) -> None:
    page = """<html><form id="download-form" action="/confirmed" method="get"><input type="submit" value="Anyway"/>
    <input type="hidden" name="id" value="abc"><input type="hidden" name="confirm" value="t"></form></html>"""
    handler.reply(page.encode(), Content_Type="text/html; charset=utf-8")


def some_page(handler: Handler) -> None:
    handler.reply(b"<html>Welcome to the portal of this hotel</html>", Content_Type="text/html")


class Server(http.server.ThreadingHTTPServer):
    """Answers each path by its list of behaviours, and records the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str | None, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def file(server):
    """A file with two sources, /first and /second."""
    sources = (f"{server.address}/first", f"{server.address}/second")
    return PublishedFile(Path("folder/weights.pth"), len(CONTENT), MD5, sources)


def test_a_good_server_is_asked_once_and_never_again(server, file, tmp_path):
    server.answers["/first"] = [whole]
    assert download({"weights": file}, tmp_path, NETWORK) == []
    assert (tmp_path / "folder" / "weights.pth").read_bytes() == CONTENT
    assert download({"weights": file}, tmp_path, NETWORK) == []
    assert len(server.asked) == 1
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["weights.pth"]


def test_a_file_with_right_size_and_wrong_bytes_is_fetched_again(server, file, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights.pth").write_bytes(CONTENT[::-1])
    server.answers["/first"] = [whole]
    fetch(file, tmp_path, NETWORK)
    assert (tmp_path / "folder" / "weights.pth").read_bytes() == CONTENT


@pytest.mark.parametrize("answers", [[drops, whole], [drops] * 5 + [whole], [slow, busy, whole], [drops, no_ranges]])
def test_temporary_failures_are_waited_out(server, file, tmp_path, answers):
    server.answers["/first"] = list(answers)
    fetch(file, tmp_path, NETWORK)
    assert (tmp_path / "folder" / "weights.pth").read_bytes() == CONTENT
    assert {path for path, _, _ in server.asked} == {"/first"}


def test_a_broken_off_download_is_resumed_where_it_ended(server, file, tmp_path):
    server.answers = {"/first": [drops, missing], "/second": [missing]}
    with pytest.raises(UserError, match="404"):
        fetch(file, tmp_path, NETWORK)
    part = tmp_path / "folder" / "weights.pth.part"
    got = part.stat().st_size
    assert 0 < got < len(CONTENT)
    server.answers["/first"] = [whole]
    server.asked.clear()
    fetch(file, tmp_path, NETWORK)
    assert [wanted for _, wanted, _ in server.asked] == [f"bytes={got}-"]
    assert not part.exists()


def test_a_spoilt_part_is_thrown_away(server, file, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights.pth.part").write_bytes(b"spoilt" * 100)
    server.answers["/first"] = [whole]
    fetch(file, tmp_path, NETWORK)
    assert (tmp_path / "folder" / "weights.pth").read_bytes() == CONTENT


@pytest.mark.parametrize("bad", [missing, wrong_bytes, other_size, quota, some_page, slow, busy])
def test_the_second_source_helps_out(server, file, tmp_path, bad):
    server.answers = {"/first": [bad], "/second": [whole]}
    fetch(file, tmp_path, NETWORK)
    assert (tmp_path / "folder" / "weights.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (missing, "404"),
        (busy, "429"),
        (wrong_bytes, "md5"),
        (other_size, "not the published one"),
        (quota, "quota"),
        (some_page, "web page"),
        (slow, "no answer in time"),
    ],
)
def test_a_wrong_file_never_takes_the_final_name(server, file, tmp_path, caplog, bad, complaint):
    server.answers = {"/first": [bad], "/second": [bad]}
    with pytest.raises(UserError, match=complaint):
        fetch(file, tmp_path, NETWORK)
    assert not (tmp_path / "folder" / "weights.pth").exists()
    assert download({"weights": file}, tmp_path, NETWORK) == ["weights"]
    assert complaint in caplog.text


def test_googles_virus_note_is_confirmed(server, file, tmp_path):
    server.answers = {"/first": [virus_note], "/confirmed": [whole]}
    fetch(file, tmp_path, NETWORK)
    assert (tmp_path / "folder" / "weights.pth").read_bytes() == CONTENT
    assert server.asked[-1][2].split("?")[1] == "id=abc&confirm=t"


def test_one_failure_does_not_stop_the_others(server, file, tmp_path):
    server.answers = {"/first": [missing], "/second": [missing], "/third": [whole]}
    other = PublishedFile(Path("other.dat"), len(CONTENT), MD5, (f"{server.address}/third",))
    assert download({"weights": file, "other": other}, tmp_path, NETWORK) == ["weights"]
    assert (tmp_path / "other.dat").read_bytes() == CONTENT


def test_without_a_network_one_line_says_so(server, tmp_path, caplog):
    address = server.address
    server.server_close()
    files = {name: PublishedFile(Path(name), 9, MD5, (f"{address}/{name}",)) for name in ("a", "b")}
    assert download(files, tmp_path, NETWORK) == ["a", "b"]
    assert len(caplog.records) == 1
    assert "no server can be reached" in caplog.text


def test_an_unknown_host_counts_as_no_network(tmp_path):
    file = PublishedFile(Path("a"), 9, MD5, ("http://no-such-host.invalid/a",))
    with pytest.raises(UserError, match="no server can be reached"):
        fetch(file, tmp_path, Network(requests.Session(), NETWORK.retry, NETWORK.timeout))


def zipped(members: dict[str, bytes], link: str | None = None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            target.writestr(info, "/etc/passwd")
    return packed.getvalue()


@pytest.mark.parametrize("prefix", ["males_model/", "", "export/checkpoints/males_model/"])
def test_a_zip_ends_as_its_folder(server, tmp_path, prefix):
    content = zipped({f"{prefix}latest_net_g_running.pth": b"weights", f"{prefix}opt.txt": b"options"})

    def answer(handler: Handler) -> None:
        handler.reply(content)

    server.answers["/males_model.zip"] = [answer]
    digest = hashlib.md5(content).hexdigest()
    file = PublishedFile(Path("checkpoints/males_model.zip"), len(content), digest, ()).at_mirror(
        server.address + "/"
    )
    assert download({"males_model": file}, tmp_path, NETWORK) == []
    folder = tmp_path / "checkpoints" / "males_model"
    assert (folder / "latest_net_g_running.pth").read_bytes() == b"weights"
    assert [path.name for path in folder.parent.iterdir()] == ["males_model"]
    assert download({"males_model": file}, tmp_path, NETWORK) == []
    assert len(server.asked) == 1
    # A missing or changed file is detected.
    (folder / "opt.txt").unlink()
    assert download({"males_model": file}, tmp_path, NETWORK) == []
    assert (folder / "opt.txt").read_bytes() == b"options"


@pytest.mark.parametrize(
    "content",
    [
        zipped({"../escaped.txt": b"x"}),
        zipped({"/escaped.txt": b"x"}),
        zipped({"a/../../escaped.txt": b"x"}),
        zipped({"a\\..\\escaped.txt": b"x"}),
        zipped({"C:escaped.txt": b"x"}),
        zipped({"model/opt.txt": b"x"}, link="model/passwd"),
        zipped({"model/opt.txt": b"x" * 5000})[:-40],
        zipped({"model/opt.txt": b"plain words"}).replace(b"plain words", b"other words"),
        b"no zip at all",
        zipped({}),
    ],
)
def test_an_unsafe_or_broken_zip_leaves_nothing(tmp_path, content):
    archive = tmp_path / "in" / "model.zip"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.zip"):
        unpack(archive, tmp_path / "in" / "model", "md5")
    assert [path.name for path in archive.parent.iterdir()] == ["model.zip"]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_users_own_files_are_not_overwritten(tmp_path):
    archive, folder = tmp_path / "model.zip", tmp_path / "model"
    archive.write_bytes(zipped({"model/a.pth": b"published", "model/b.pth": b"published too"}))
    folder.mkdir()
    (folder / "a.pth").write_bytes(b"my own")
    (folder / "notes.txt").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"a\.pth: is not the published file"):
        unpack(archive, folder, "md5")
    assert sorted(path.name for path in folder.iterdir()) == ["a.pth", "notes.txt"]
    (folder / "a.pth").write_bytes(b"published")
    unpack(archive, folder, "md5")
    assert sorted(path.name for path in folder.iterdir()) == [MARKER, "a.pth", "b.pth", "notes.txt"]


def test_the_published_files_are_those_that_are_documented():
    """docs/method.md, Weights on disk: bytes and md5."""
    assert {
        name: (str(file.path), file.size, file.md5[:6], len(file.sources)) for name, file in PUBLISHED.items()
    } == {
        "males_model": ("checkpoints/males_model.zip", 213175683, "007918", 2),
        "females_model": ("checkpoints/females_model.zip", 213218113, "0675f8", 2),
        "deeplab_model": ("deeplab_model/deeplab_model.pth", 464446305, "8e8345", 2),
        "deeplab_backbone": ("deeplab_model/R-101-GN-WS.pth.tar", 178260167, "aa48cc", 2),
        "landmarks": ("util/shape_predictor_68_face_landmarks.dat", 99693937, "73fde5", 2),
    }


def test_the_command(run, server, tmp_path):
    assert "--only" in run("download_models.py", "--only", "everything", code=2).stderr
    assert "--mirror" in run("download_models.py", "--mirror", "ftp://here", code=2).stderr
    server.answers["/shape_predictor_68_face_landmarks.dat"] = [whole]
    arguments = ["--only", "landmarks", "--mirror", server.address, "--out", tmp_path / "out"]
    done = run("download_models.py", *arguments, code=1)
    assert "failed: landmarks" in done.stderr
    assert "fetching landmarks (100 MB); licence: CC BY-NC-SA 4.0" in done.stderr
    assert "\r" not in done.stderr
    assert f"{len(CONTENT)} bytes, not 99693937" in done.stderr
    assert not list((tmp_path / "out").rglob("*.dat"))
    server.server_close()
    done = run("download_models.py", *arguments[2:], code=1)
    assert len(done.stderr.strip().splitlines()) == 2
