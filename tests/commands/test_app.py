"""The page of app.py in a real browser: one server, and visitors on a desk and on a phone."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import av
import pytest

from tests.commands import test_browser
from tests.conftest import ROOT

browser = test_browser.browser
PHONE = test_browser.PHONE
ASTRONAUT = ROOT / "assets" / "astronaut.png"
DONE = "Number(document.querySelector('#scrubber [data-done]')?.dataset.done)"
AFTER = "document.querySelector('#scrubber .after').src"
BEFORE = "document.querySelector('#scrubber .before').src"


@contextmanager
def page_served(temporary):
    """Runs the command and yields it with its address; at the end it has to leave nothing in the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, ROOT / "app.py", "--port", str(port), "--gpu_ids", "-1", "--parser", "grabcut"]
    command += ["--checkpoints_dir", ROOT / "checkpoints"]
    log = temporary / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=temporary, stderr=output, env={**os.environ, "TMPDIR": str(temporary)}
        )
    try:
        for _ in range(300):
            if "open http" in log.read_text():
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
        assert not list(temporary.glob("lifespan-*"))
        assert len(log.read_text().splitlines()) == 1
    finally:
        process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a page, and the folder that holds its private folder."""
    temporary = tmp_path_factory.mktemp("app")
    with page_served(temporary) as address:
        yield address, temporary


@pytest.fixture
def visit(browser, server):
    """Opens the page for a new visitor; at the end, no request may have left the machine."""
    address, _ = server
    contexts, requests, problems = [], [], []

    def open_page(viewport=None):
        contexts.append(browser.new_context(viewport=viewport or {"width": 1280, "height": 900}))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#scrubber .stage")
        # A checkout may hold other models, which come first.
        page.check("#model label:has-text('demo_model') input")
        return page

    yield open_page
    for context in contexts:
        context.close()
    hosts = {urlsplit(url).hostname for url in requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert not problems


def upload(page, path):
    page.set_input_files("#photo input[type=file]", path)


def choose_age(page, index):
    """Moves the slider as a hand does, and returns what is shown."""
    page.evaluate(
        """index => {
          const slider = document.querySelector('#scrubber .ages');
          slider.value = index;
          slider.dispatchEvent(new Event('input'));
        }""",
        index,
    )
    return page.evaluate(AFTER)


def test_a_photo_is_scrubbed_played_and_saved(visit, tmp_path):
    page = visit()
    upload(page, ASTRONAUT)
    page.wait_for_function(f"{DONE} === 101")
    assert page.inner_text("#facts strong").startswith("Looks ")
    assert "drawn people" in page.inner_text("#facts li")  # and no other warning
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    shown = [choose_age(page, index) for index in range(0, 101, 10)]
    assert len(set(shown)) == len(shown)
    assert page.inner_text("#scrubber output") == "50-69 years"
    choose_age(page, 50)
    assert page.inner_text("#scrubber output") == "about 12 years"
    page.click("#scrubber .play")
    page.wait_for_function("Number(document.querySelector('#scrubber .ages').value) > 55")
    page.click("#scrubber .play")
    assert [url for url in requests if not url.startswith("data:")] == []
    with page.expect_download() as saved:
        page.click("[data-kind=mp4]")
    with av.open(saved.value.path()) as video:
        assert sum(1 for _ in video.decode(video=0)) == 101
        assert (video.streams.video[0].width, video.duration / 1e6) == (256, pytest.approx(5.05, abs=0.1))
    assert saved.value.suggested_filename == "lifespan.mp4"


def test_a_phone_shows_everything_and_the_edge_between_before_and_after_moves(visit):
    page = visit(PHONE)
    page.click("#samples button >> nth=1")
    page.wait_for_function(f"{DONE} === 101")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = page.locator("#scrubber .stage").bounding_box()
    assert box["width"] > 280
    assert 0 <= box["y"] < 500  # the page has scrolled to it
    page.mouse.move(box["x"] + 10, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.up()
    clip = page.evaluate("getComputedStyle(document.querySelector('#scrubber .before')).clipPath")
    assert "50%" in clip
    # Head and photo together.
    page.click("#whole input")
    page.wait_for_function("document.querySelector('#scrubber .before').naturalWidth === 256")
    page.wait_for_function(f"{DONE} === 101")


def test_a_text_file_is_refused_with_a_sentence_and_the_next_photo_works(visit, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    page = visit()
    upload(page, tmp_path / "text.png")
    page.wait_for_selector(".toast-body")
    assert "text.png: not a photo in a known format; export it as JPEG or PNG." in page.inner_text(".toast-body")
    # The page empties the field, which is then another element.
    page.wait_for_selector("#photo img", state="detached")
    page.wait_for_selector("#photo input[type=file]", state="attached")
    upload(page, ASTRONAUT)
    page.wait_for_function(f"{DONE} >= 11")


def test_two_visitors_at_once_have_their_own_faces_and_leave_nothing(visit, server):
    _, temporary = server
    first, second = visit(), visit()
    upload(first, ASTRONAUT)
    second.click("#samples button >> nth=2")
    for page in (first, second):
        page.wait_for_function(f"{DONE} === 101")
    assert first.evaluate(BEFORE) != second.evaluate(BEFORE)
    assert all(choose_age(first, index) != choose_age(second, index) for index in (0, 50, 100))
    assert list(temporary.glob("lifespan-*/*/astronaut.png"))
    for page in (first, second):
        page.close()
    for _ in range(50):
        if not list(temporary.glob("lifespan-*/*/astronaut.png")):
            break
        time.sleep(0.1)
    assert not list(temporary.glob("lifespan-*/*/astronaut.png"))


def test_a_model_that_is_not_here_is_offered_with_its_size_and_licence(visit):
    page = visit()
    page.click("#model label:has-text('not here yet') >> nth=0")
    page.wait_for_selector("#fetch")
    assert page.inner_text("#fetch") == "Fetch it (678 MB)"
    assert "CC BY-NC-SA 4.0, not for commercial use" in page.inner_text("#offer")


def test_the_page_ends_in_good_order_while_a_series_is_made(browser, tmp_path):
    with page_served(tmp_path) as address:
        page = browser.new_page()
        page.goto(address)
        page.click("#samples button >> nth=1")
        page.wait_for_function(f"{DONE} >= 11")
    page.close()
