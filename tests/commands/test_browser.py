"""Pages and videos, opened from disk in a real browser, at the sizes of a desktop and a phone."""

import shutil

import cv2
import numpy as np
import pytest
from dominate import tags
from playwright.sync_api import sync_playwright

from tests.conftest import CLASSES, TINY, write_dataset
from util.html import Picture, picture_table, scroll_box, write_page
from util.images import write_image
from util.video import write_video

# With these the browser runs as root and does not use the network.
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


# The leftmost and rightmost edges of the elements, and the smallest width.
BOXES = """(selector => {
  const boxes = [...document.querySelectorAll(selector)].map(element => element.getBoundingClientRect());
  const [left, right, width] = ['left', 'right', 'width'].map(side => boxes.map(box => box[side]));
  return [Math.min(...left), Math.max(...right), Math.min(...width)];
})"""
# Words that run over more than one line, or are wider than their cell.
BROKEN_WORDS = """() => [...document.querySelectorAll('td span, th')].flatMap(cell => {
  const text = cell.firstChild, words = [];
  for (const match of (text?.data ?? '').matchAll(/[^\\s_]+/g)) {
    const range = document.createRange();
    range.setStart(text, match.index);
    range.setEnd(text, match.index + match[0].length);
    const lines = new Set([...range.getClientRects()].filter(box => box.width > 1).map(box => Math.round(box.top)));
    if (lines.size > 1 || range.getBoundingClientRect().width > cell.getBoundingClientRect().width + 1) {
      words.push(match[0]);
    }
  }
  return words;
})"""


def assert_all_columns_are_in_sight(page):
    """Every picture is inside the window and large enough to see a face in it."""
    left, right, narrowest = page.evaluate(f"{BOXES}('td img')")
    assert left >= 0
    assert right <= page.viewport_size["width"]
    assert narrowest >= 44
    assert_captions_keep_words_together(page)


def assert_captions_keep_words_together(page):
    assert page.evaluate(BROKEN_WORDS) == []


def assert_text_in_charts_is_readable(page):
    heights = page.evaluate(
        """() => [...document.querySelectorAll('svg text')].map(text =>
            parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a || Infinity)"""
    )
    assert heights
    assert min(heights) >= 9


def assert_scrolls_visibly(page, selector):
    """The box scrolls, shows a shadow where more is hidden, and keeps its first column in sight."""
    box = page.locator(selector).first
    box.scroll_into_view_if_needed()
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    assert shadows(box) == (False, True)
    box.evaluate("box => box.scrollLeft = box.scrollWidth")
    first, last = (f"{selector} tr:last-child > :{which}-child" for which in ("first", "last"))
    assert page.locator(first).first.bounding_box()["x"] >= 0
    assert page.evaluate(f"{BOXES}({last!r})")[1] <= page.viewport_size["width"]
    assert not shadows(box)[1]


def shadows(box) -> tuple[bool, bool]:
    """Whether the lower edge of the box is shaded at the left and at the right."""
    pixels = cv2.imdecode(np.frombuffer(box.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE).astype(int)
    strip = pixels[-4:]
    return tuple(abs(int(np.median(edge)) - 255) > 30 for edge in (strip[:, :3], strip[:, -3:]))


def open_page(browser, path, viewport=None, **settings):
    page = browser.new_page(viewport=viewport or {"width": 1280, "height": 900}, **settings)
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
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert_all_columns_are_in_sight(page)
        assert_pictures_open_large(page)
        assert_the_slider_leads_through_the_ages(page)
    # Without scripts, the link itself opens the picture, and nothing on the page is dead.
    page = open_page(browser, path, java_script_enabled=False)
    assert page.locator("input, button").count() == 0
    page.locator("td a").nth(1).click()
    page.wait_for_url("**/images/0-2_0_0-2.png")


def assert_pictures_open_large(page):
    """In a page of three classes: a click opens a picture, arrows move, and Esc leads back."""
    large, words = page.locator("dialog img"), page.locator("dialog p")
    page.locator("td a").nth(1).click()
    assert large.get_attribute("src").endswith("/images/0-2_0_0-2.png")
    assert words.inner_text() == "0 (0-2) · 0-2"
    assert large.bounding_box()["width"] >= 0.9 * page.viewport_size["width"]
    for key, expected in {
        "ArrowRight": "0 (0-2) · 15-19",
        "ArrowDown": "0 (15-19) · 15-19",
        "ArrowLeft": "0 (15-19) · 0-2",
        "ArrowUp": "0 (0-2) · 0-2",
    }.items():
        page.keyboard.press(key)
        assert words.inner_text() == expected
    page.locator("dialog .next").click()
    page.locator("dialog .previous").click()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert words.inner_text() == "0 (0-2)", "the first picture has none before it"
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.wait_for_function("document.activeElement.title === '0 (0-2)'")


def assert_the_slider_leads_through_the_ages(page):
    slider, compared = page.locator(".slider input").first, page.locator(".compared img")
    assert page.locator(".slider input").count() == 6
    thumbnail = page.locator("td img").first.bounding_box()["width"]
    # The end of the slider is below the last picture.
    ends, last = slider.bounding_box(), page.locator("tr:first-child td:last-child").first.bounding_box()
    page.mouse.click(last["x"] + last["width"] / 2, ends["y"] + ends["height"] / 2)
    for key, age in {"": "50-69", "ArrowLeft": "15-19"}.items():
        if key:
            page.keyboard.press(key)
        shown = [compared.nth(number).get_attribute("src").rsplit("/")[-1] for number in (0, 1)]
        assert shown == ["0-2_0_input.png", f"0-2_0_{age}.png"]
    assert compared.nth(1).bounding_box()["width"] > 1.9 * thumbnail
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator(".compared a").last.click()
    assert page.locator("dialog p").inner_text() == "0 (0-2) · 15-19"
    page.locator("dialog .close").click()
    page.locator(".compared .close").click()
    assert compared.count() == 0


def test_a_swipe_leads_to_the_next_picture(browser, tmp_path):
    rows = [[Picture(f"{number}.png", f"{number}") for number in range(3)]]
    for number in range(3):
        write_image(tmp_path / f"{number}.png", np.zeros((8, 8, 3), np.uint8))
    write_page(tmp_path / "index.html", "Three", {}, [picture_table([], rows)], refresh=60)
    page = open_page(browser, tmp_path / "index.html", PHONE, has_touch=True)
    page.locator("td a").nth(1).tap()
    touch = page.context.new_cdp_session(page)
    for ends, expected in (((300, 60), "0 · 2"), ((60, 300), "0 · 1"), ((200, 210), "0 · 1")):
        for kind, points in (
            ("Start", [{"x": ends[0], "y": 400}]),
            ("Move", [{"x": ends[1], "y": 400}]),
            ("End", []),
        ):
            touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
        assert page.locator("dialog p").inner_text() == expected


def test_a_page_that_loads_itself_again_waits_while_a_picture_is_open(browser, tmp_path):
    write_image(tmp_path / "one.png", np.zeros((8, 8, 3), np.uint8))
    write_page(tmp_path / "index.html", "Log", {}, [picture_table([], [[Picture("one.png")]])], refresh=60)
    page = browser.new_page()
    page.clock.install()
    page.goto((tmp_path / "index.html").as_uri())
    page.locator("td a").click()
    page.evaluate("window.before = true")
    page.clock.run_for(61_000)
    assert page.evaluate("window.before")
    page.keyboard.press("Escape")
    page.clock.run_for(61_000)
    page.wait_for_function("!window.before")


def test_long_names_wrap_on_a_phone(browser, tmp_path):
    name = "a_model_of_" + "many_people_" * 12
    write_image(tmp_path / "one.png", np.zeros((8, 8, 3), np.uint8))
    write_page(tmp_path / "index.html", name, {name: name}, [picture_table(["input"], [[Picture("one.png", name)]])])
    page = open_page(browser, tmp_path / "index.html", PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.querySelector('h1').scrollWidth <= window.innerWidth")


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
    assert page.locator("svg [id^=line-]").count() == 8
    assert page.evaluate("document.querySelector('svg').getBoundingClientRect().height") > 150
    assert_text_in_charts_is_readable(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.wait_for_function(f"({LOADED})() >= 8")


def test_a_table_of_many_columns_scrolls_visibly_on_a_phone(browser, tmp_path):
    write_image(tmp_path / "images" / "a.png", np.full((8, 8, 3), 99, np.uint8))
    columns = ["input", *(f"{age}-{age + 9}" for age in range(0, 100, 10))]
    rows = [[Picture("images/a.png", f"person {row}") for _ in columns] for row in range(40)]
    numbers = tags.table(tags.thead(tags.tr([tags.th(f"some figure {n}") for n in range(12)])), cls="figures")
    numbers.add(tags.tr([tags.td("0.1234") for _ in range(12)]))
    body = [tags.div(scroll_box(numbers), id="numbers"), tags.div(picture_table(columns, rows), id="pictures")]
    write_page(tmp_path / "index.html", "Many columns", {}, body)
    page = open_page(browser, tmp_path / "index.html", PHONE)
    for name in ("numbers", "pictures"):
        assert_scrolls_visibly(page, f"#{name} .scroll")
    assert page.evaluate(f"{BOXES}('td img')")[2] >= 44
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert_captions_keep_words_together(page)
    # On a desk the same table fits.
    page = open_page(browser, tmp_path / "index.html")
    assert page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('#pictures .scroll'))")


def test_the_input_and_six_ages_fit_a_phone_and_headings_stay_in_sight(browser, tmp_path):
    write_image(tmp_path / "images" / "a.png", np.full((8, 8, 3), 99, np.uint8))
    ages = ["0-2", "3-6", "7-9", "15-19", "30-39", "50-69"]
    rows = [[Picture("images/a.png", caption) for caption in ["00017_0 (15-19)", *ages]] for _ in range(60)]
    write_page(tmp_path / "index.html", "Many rows", {}, [picture_table(["input", *ages], rows)])
    page = open_page(browser, tmp_path / "index.html", PHONE)
    assert_all_columns_are_in_sight(page)
    page.evaluate("window.scrollTo(0, 1500)")
    assert page.locator("th").first.bounding_box()["y"] == pytest.approx(0, abs=1)


def test_a_video_plays(browser, tmp_path):
    frames = [np.full((64, 64, 3), 10 * number, np.uint8) for number in range(20)]
    write_video(tmp_path / "a b.mp4", frames, 20, crf=16)
    (tmp_path / "index.html").write_text('<video src="a b.mp4" muted></video>')
    page = open_page(browser, tmp_path / "index.html")
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(1.0, abs=0.06)
    assert page.evaluate("document.querySelector('video').videoWidth") == 64
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').currentTime > 0.2")
