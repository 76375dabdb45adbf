"""The results page of test.py."""

import html.parser
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from tests.conftest import CLASSES, write_dataset


class Page(html.parser.HTMLParser):
    """What a page links to and shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.rows = 0
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.images += [values] if tag == "img" else []
        self.links += [values["href"]] if tag == "a" else []
        self.rows += tag == "tr"

    def handle_data(self, data):
        self.text += data + "\n"


@pytest.fixture
def people(tmp_path):
    """Two test images in each of two classes, of which two have the same stem, and one in a third class."""
    root = write_dataset(tmp_path / "people", per_class=2, phases=("test",))
    (root / "test0-2" / "1.png").rename(root / "test0-2" / "a b#ü.png")
    (root / "test0-2" / "parsings" / "1.png").rename(root / "test0-2" / "parsings" / "a b#ü.png")
    (root / "test15-19" / "1.png").rename(root / "test15-19" / "0.jpg")
    (root / "test50-69" / "1.png").unlink()
    return root


def test_rows_are_images_of_each_class_in_turn(run, tiny_model, people, tmp_path):
    run("test.py", "--name", tiny_model, "--gpu_ids", -1, "--dataroot", people)
    folder = tmp_path / "results" / "tiny" / "test_latest"
    page = Page(folder / "index.html")
    assert page.rows == 1 + 5
    columns = 1 + len(CLASSES)
    captions = [image["alt"] for image in page.images]
    first = ["0 (0-2)", "0 (15-19)", "0 (50-69)", "a b#ü (0-2)", "0 (15-19)"]
    assert captions[::columns] == first
    assert captions[1:columns] == list(CLASSES)
    assert all(image["loading"] == "lazy" for image in page.images)
    assert [image["src"] for image in page.images] == page.links
    assert len(set(page.links)) == 5 * columns
    for link in page.links:
        assert Image.open(folder / unquote(link)).size == (16, 16), link
    for fact in ("tiny, epoch latest", str(people), ", ".join(CLASSES), "5 of 5", "none, so that each run differs"):
        assert fact in page.text


def test_how_many_and_ntest_and_seed(run, tiny_model, people, tmp_path):
    arguments = ["--name", tiny_model, "--gpu_ids", -1, "--dataroot", people, "--random_seed", 5]
    run("test.py", *arguments, "--how_many", 1)
    folder = tmp_path / "results" / "tiny" / "test_latest_seed5"
    # One turn: an image of each of the three classes.
    page = Page(folder / "index.html")
    assert page.rows == 1 + 3
    assert re.search(r"seed\n5\ndate\n\d{4}-\d\d-\d\d\n", page.text)
    first = {path.name: path.read_bytes() for path in (folder / "images").iterdir()}
    run("test.py", *arguments, "--how_many", 100)
    assert Page(folder / "index.html").rows == 1 + 5
    run("test.py", *arguments, "--ntest", 1)
    assert Page(folder / "index.html").rows == 1 + 3
    assert all((folder / "images" / name).read_bytes() == content for name, content in first.items())


def test_debug_mode_shows_the_way_back(run, tiny_model, people, tmp_path):
    run("test.py", "--name", tiny_model, "--gpu_ids", -1, "--dataroot", people, "--how_many", 1, "--debug_mode")
    folder = tmp_path / "results" / "tiny" / "test_latest"
    page = Page(folder / "index.html")
    assert page.rows == 1 + 2 * 3
    assert [image["alt"] for image in page.images][4:8] == ["reconstruction", *(f"{name} back" for name in CLASSES)]
    own = np.asarray(Image.open(folder / "images" / "0-2_0_0-2.png"))
    assert np.array_equal(own, np.asarray(Image.open(folder / "images" / "0-2_0_reconstruction.png")))


def test_a_broken_image_is_skipped_and_reported(run, tiny_model, people, tmp_path):
    (people / "test15-19" / "0.png").write_text("no picture")
    done = run("test.py", "--name", tiny_model, "--gpu_ids", -1, "--dataroot", people, code=1)
    assert "skipped" in done.stderr
    assert "test15-19/0.png" in done.stderr
    assert Page(tmp_path / "results" / "tiny" / "test_latest" / "index.html").rows == 1 + 4
