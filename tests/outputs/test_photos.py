"""What test.py makes of photos beside the classic outputs: formats, facts in files, places, and overviews."""

import hashlib
import json
import runpy
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import av
import numpy as np
import pytest
from PIL import Image

from options.test import parse_test_options
from options.test import test_parser as make_test_parser
from outputs.plan import planned_outputs
from tests.conftest import CLASSES, ROOT, write_dataset
from util.errors import UserError

WEIGHTS = Path("checkpoints", "tiny", "latest_net_g_running.pth")


@pytest.fixture
def photos(tmp_path) -> Path:
    """Two aligned portraits with their maps, in a folder."""
    folder = write_dataset(tmp_path / "source", per_class=2) / "train0-2"
    folder.rename(tmp_path / "my föto#s")
    return tmp_path / "my föto#s"


@pytest.fixture
def use(monkeypatch, tmp_path, tiny_model):
    """Runs test.py in this process with the tiny model, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(ROOT / "test.py"))["main"]

    def use(*arguments: object) -> None:
        # This engine needs no time to convert the model of each test.
        line = ["test.py", "--name", tiny_model, "--gpu_ids", "-1", "--engine", "torch", *map(str, arguments)]
        monkeypatch.setattr("sys.argv", line)
        assert main() == 0

    return use


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_gif_there_and_back_beside_the_input(use, photos):
    shown = ["--format", "gif", "--side_by_side", "--bounce", "--output_size", 32, "--interp_step", 0.5]
    use("--traverse", "--make_video", *shown, "--random_seed", 3, "--image_path_file", photos / "0.png")
    with Image.open("results/tiny/test_latest_seed3/traversal/0.gif") as image:
        facts = json.loads(image.info["comment"])
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")).astype(int))
    assert len(frames) == 2 * 5 - 1
    assert frames[0].shape == (32 + 18, 32 + 10 + 32, 3)
    for there, back in zip(frames, frames[::-1], strict=True):
        assert np.abs(there - back).max() < 8
    # The left half stays; the age below the right one changes.
    assert all(np.abs(frame[:, :32] - frames[0][:, :32]).max() < 8 for frame in frames)
    assert np.abs(frames[0][32:, 42:] - frames[4][32:, 42:]).max() > 100
    assert facts == {
        "software": "Lifespan",
        "synthetic": "true",
        "model": "tiny",
        "weights_sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:16],
        "seed": "3",
        "ages": "0-2 to 50-69",
    }


def test_results_can_be_made_again_from_what_they_say(use, photos):
    use("--deploy", "--image_path_file", photos / "0.png", "--out", "a")
    path = Path("a/0_15-19.png")
    with Image.open(path) as image:
        facts = image.text
    assert (facts["model"], facts["ages"], facts["synthetic"]) == ("tiny", "15-19", "true")
    with Image.open("a/0_input.png") as image:
        assert not image.text, "a photo is not synthetic"
    use("--deploy", "--image_path_file", photos / "0.png", "--out", "b", "--random_seed", facts["seed"])
    assert np.array_equal(pixels(path), pixels("b/0_15-19.png"))
    use("--deploy", "--image_path_file", photos / "0.png", "--out", "c", "--no_metadata")
    with Image.open("c/0_15-19.png") as image:
        assert not image.text


def test_numbered_pictures_say_their_age_in_years(use, photos):
    use("--traverse", "--frames", "--image_path_file", photos / "0.png", "--ages", "1.5,10,60", "--out", "a")
    ages = []
    for number in range(3):
        with Image.open(f"a/0/{number:03d}.png") as image:
            ages.append(image.text["ages"])
    assert ages == ["1.5", "10.0", "60.0"]


def test_a_result_goes_to_exactly_the_file_that_is_named(use, photos):
    traverse = ["--traverse", "--image_path_file", photos / "0.png", "--interp_step", 1, "--random_seed", 0]
    use(*traverse, "--out", "here/me.MP4")
    with av.open("here/me.MP4") as video:
        assert json.loads(video.metadata["comment"])["seed"] == "0"
        assert video.streams.video[0].frames == len(CLASSES)
    use(*traverse, "--out", "row.jpg")
    assert pixels("row.jpg").shape == (16, 16 + 10 + 16 * len(CLASSES), 3)
    use(*traverse, "--make_video", "--out", "moving.webp")
    with Image.open("moving.webp") as image:
        assert image.n_frames == len(CLASSES)
    # The same command works again; a row does not replace the video.
    use(*traverse, "--make_video", "--out", "moving.webp")
    with pytest.raises(UserError, match=r"moving\.webp: was made .*--overwrite"):
        use(*traverse, "--out", "moving.webp")
    Path("mine.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"mine\.png: exists"):
        use(*traverse, "--out", "mine.png")
    assert files(Path("here")) == ["manifest.jsonl", "me.MP4"]


def test_results_go_to_exactly_the_folder_that_is_named(use, photos):
    deploy = ["--deploy", "--full_progression", "--image_path_file", photos / "0.png"]
    use(*deploy, "--out", "new", "--random_seed", 1)
    assert files(Path("new")) == ["0.png", "manifest.jsonl"]
    use(*deploy, "--traverse", "--make_video", "--out", "new", "--random_seed", 1)
    assert files(Path("new")) == ["0.mp4", "0.png", "manifest.jsonl"]
    # The folder's name does not tell the seed, so the record does.
    with pytest.raises(UserError, match="--random_seed"):
        use(*deploy, "--out", "new", "--random_seed", 2)
    use("--portrait", "--image_path_file", photos / "0.png", "--out", "new")
    assert files(Path("new")) == ["0.mp4", "0.png", "0_portrait.png", "manifest.jsonl"]


def test_a_page_in_a_folder_leaves_other_pictures_alone(use, tmp_path):
    people = write_dataset(tmp_path / "people", per_class=1, phases=("test",))
    use("--dataroot", people, "--out", "page")
    with Image.open("page/images/0-2_0_15-19.png") as image:
        assert (image.text["ages"], image.text["model"]) == ("15-19", "tiny")
    use("--dataroot", people, "--out", "page")
    Path("own/images").mkdir(parents=True)
    Path("own/images/holiday.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="own/images: exists"):
        use("--dataroot", people, "--out", "own")
    assert files(Path("own/images")) == ["holiday.png"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--out me.png", "--out me.png: is a file, but the page"),
        ("--traverse --out me.png --results_dir r --image_path_file p", "excludes --results_dir"),
        ("--deploy --out me.gif --image_path_file p", "me.gif: is a video, which needs --traverse"),
        ("--traverse --make_video --out me.png --image_path_file p", "let it end in mp4 or gif or webp"),
        ("--traverse --format webp --make_video --out me.gif --image_path_file p", "let it end in webp"),
        ("--traverse --make_video --format gif --fps 60 --image_path_file p", "at most 50 frames"),
        ("--traverse --format gif --image_path_file p", "--format: has no effect without --make_video"),
        ("--traverse --bounce --image_path_file p", "--bounce: has no effect without --make_video"),
        ("--deploy --out me.png --image_path_file p", "me.png: is one file, but 4 are made"),
        ("--traverse --deploy --full_progression --out d --image_path_file p", "would have the same name"),
        ("--deploy --ages 5,63,5.0 --image_path_file p", "--ages 5, 63, 5: two of these would be one file"),
        ("--traverse --make_video --side_by_side --sort_order young,old --image_path_file p", "class 'young'"),
    ],
)
def test_mistakes_name_the_option_and_the_remedy(monkeypatch, tmp_path, tiny_model, line, complaint):
    monkeypatch.chdir(tmp_path)
    parser = make_test_parser()
    with pytest.raises(UserError, match=complaint):
        planned_outputs(parse_test_options(parser, ["--name", tiny_model, *line.split()]), parser)


def test_one_file_is_refused_for_several_photos(use, photos):
    with pytest.raises(UserError, match="name a folder"):
        use("--traverse", "--image_path_file", photos, "--out", "me.mp4")


class Links(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.found |= {unquote(value) for name, value in attrs if name in ("href", "src")}


@pytest.mark.parametrize(
    ("asked", "shown", "width"),
    [
        (["--traverse", "--make_video"], ["0.mp4", "1.mp4"], 128 * 3),
        # The input once, then the frames with their ages, which makes them narrower.
        (["--traverse", "--make_video", "--side_by_side"], ["0.mp4", "1.mp4"], 60 * 4),
        (["--traverse", "--make_video", "--format", "webp"], ["0.webp", "1.webp"], 128 * 3),
        (["--traverse"], ["0.png", "1.png"], 128 * 4),
        (["--traverse", "--frames"], [f"{name}/{number:03d}.png" for name in "01" for number in range(3)], 128 * 3),
        (["--deploy"], [f"{name}_{label}.png" for name in "01" for label in ("input", *CLASSES)], 128 * 4),
    ],
)
def test_several_photos_get_a_page_and_a_contact_sheet(use, photos, asked, shown, width):
    use(*asked, "--interp_step", 1, "--output_size", 16, "--image_path_file", photos)
    folder = Path("results/tiny/test_latest", "deploy" if "--deploy" in asked else "traversal")
    sheet = f"{photos.name}_contact_sheet.jpg"
    links = Links(folder / f"{photos.name}.html").found
    assert links == {sheet, *shown}
    assert all((folder / link).is_file() for link in links)
    with Image.open(folder / sheet) as image:
        assert image.size == (width, 2 * (22 + 128))
        assert b"trainedAlgorithmicMedia" in image.info["xmp"]


def test_a_long_series_is_shown_by_seven_pictures(use, photos):
    use("--traverse", "--interp_step", 0.1, "--make_video", "--image_path_file", photos, "--out", "all")
    with Image.open(f"all/{photos.name}_contact_sheet.jpg") as image:
        assert image.size == (128 * 7, 2 * (22 + 128))


def test_overviews_replace_only_their_own_kind(use, photos):
    Path("out").mkdir()
    page = Path("out", f"{photos.name}.html")
    page.write_text("mine")
    portrait = ["--portrait", "--image_path_file", photos, "--out", "out"]
    with pytest.raises(UserError, match=r"\.html: exists"):
        use(*portrait)
    page.unlink()
    use(*portrait)
    use("--deploy", "--image_path_file", photos, "--out", "out")
    assert "0_portrait.png" not in Links(page).found
    # One photo is no overview.
    use("--deploy", "--image_path_file", photos / "0.png")
    assert not list(Path("results").rglob("*.html"))
