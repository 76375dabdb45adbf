"""What a person sees: pages and videos in a real browser, opened from disk."""

import shutil

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import CLASSES, TINY, write_dataset
from util.html import Picture, picture_table, write_page
from util.images import write_image
from util.video import write_video

# So that it runs as root, and asks nothing of the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
LOADED = "() => [...document.images].filter(image => image.complete && image.naturalWidth > 0).length"


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, (
        "no Chromium on this machine; install it (apt-get install chromium), as run_scripts/run_tests.sh does"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


def open_page(browser, path, viewport=None):
    page = browser.new_page(viewport=viewport or {"width": 1280, "height": 900})
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    assert not problems
    return page


def test_the_results_page_on_a_desk_and_on_a_phone(browser, run, tiny_model, tmp_path):
    write_dataset(tmp_path / "people", per_class=2, phases=("test",))
    run("test.py", "--name", tiny_model, "--gpu_ids", -1, "--dataroot", "people")
    path = tmp_path / "results" / "tiny" / "test_latest" / "index.html"
    for viewport in (None, PHONE):
        page = open_page(browser, path, viewport)
        page.wait_for_function(f"({LOADED})() === {6 * (1 + len(CLASSES))}")
        # The table scrolls by itself; the page does not.
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.locator("h1").inner_text() == "tiny: results of epoch latest"
    page.locator("td a").nth(1).click()
    page.wait_for_load_state("load")
    assert page.url.endswith("/images/0-2_0_0-2.png")


def test_a_thousand_rows_load_what_is_in_view(browser, tmp_path):
    for number in range(7000):
        if number % 7 == 0:
            write_image(tmp_path / "images" / f"{number}.png", np.full((8, 8, 3), number % 256, np.uint8))
    rows = [[Picture(f"images/{7 * row}.png", f"{row}")] * 7 for row in range(1000)]
    write_page(tmp_path / "index.html", "Many", {}, [picture_table([""] * 7, rows)])
    page = open_page(browser, tmp_path / "index.html")
    assert 0 < page.evaluate(LOADED) < 3000
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("(() => { const i = document.images; return i[i.length - 1].naturalWidth > 0; })()")


def test_the_html_log_shows_curves_and_pictures(browser, run, dataset, tmp_path):
    arguments = [*TINY, "--dataroot", "people", "--display_id", 0, "--name", "log", "--debug"]
    run("train.py", *arguments)
    page = open_page(browser, tmp_path / "checkpoints" / "log" / "web" / "index.html", PHONE)
    assert page.locator("svg polyline").count() == 8
    assert page.evaluate("document.querySelector('svg').getBoundingClientRect().height") > 50
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.wait_for_function(f"({LOADED})() >= 8")


def test_a_video_plays(browser, tmp_path):
    frames = [np.full((64, 64, 3), 10 * number, np.uint8) for number in range(20)]
    write_video(tmp_path / "a b.mp4", frames, 20)
    (tmp_path / "index.html").write_text('<video src="a b.mp4" muted></video>')
    page = open_page(browser, tmp_path / "index.html")
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(1.0, abs=0.06)
    assert page.evaluate("document.querySelector('video').videoWidth") == 64
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').currentTime > 0.2")
