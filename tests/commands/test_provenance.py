"""No result is replaced or mixed silently, and a batch ends when its folder cannot be written."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.commands.test_use import pixels
from tests.conftest import CLASSES, ROOT, write_dataset
from tests.outputs.test_results_page import Page
from util.files import FolderError, atomic_path
from util.provenance import MANIFEST


@pytest.fixture
def portraits(tmp_path):
    """Two different portraits with equal names, `a/0.png` and `b/0.png`, with their maps."""
    source = write_dataset(tmp_path / "source", per_class=2) / "train0-2"
    for folder, number in (("a", 0), ("b", 1)):
        (tmp_path / folder / "parsings").mkdir(parents=True)
        shutil.copy(source / f"{number}.png", tmp_path / folder / "0.png")
        shutil.copy(source / "parsings" / f"{number}.png", tmp_path / folder / "parsings" / "0.png")
    return tmp_path


def test_the_same_photo_with_the_same_settings_may_be_made_again(use, portraits):
    asked = ("--traverse", "--make_video", "--deploy", "--full_progression")
    use(*asked, "--image_path_file", "a/0.png")
    lines = (portraits / "results" / "tiny" / "test_latest" / MANIFEST).read_text().splitlines()
    # A photo is identified by its content, so it may have moved. Other results in the folder do not matter.
    (portraits / "a").rename(portraits / "moved")
    use(*asked, "--image_path_file", "moved/0.png")
    use("--deploy", "--image_path_file", "moved/0.png")
    # The model's own options are not the user's, so they are not part of the settings.
    assert [json.loads(line)["outputs"] for line in lines] == [{"traversal/0.mp4": {}, "deploy/0.png": {}}]


def test_a_model_that_was_trained_anew_with_other_options_may_be_used_as_before(use, portraits):
    deploy, page = ("--deploy", "--image_path_file", "a/0.png"), ("--dataroot", "source", "--phase", "train")
    use(*deploy)
    use(*page)
    saved = portraits / "checkpoints" / "tiny" / "opt.txt"
    saved.write_text(saved.read_text() + "no_cond_noise: True\nresize_or_crop: crop\n")
    use(*deploy)
    use(*page)
    line = use(*deploy, "--resize_or_crop", "scale_width", code=2).stderr.splitlines()[-1]
    assert "was made without --resize_or_crop" in line


def test_other_settings_are_refused_before_the_work(use, portraits):
    row = ("--deploy", "--full_progression")
    video, frames = ("--traverse", "--make_video"), ("--traverse", "--frames")
    photo = ("--image_path_file", "a/0.png")
    use(*row, *video, *frames, "--fps", 25, *photo)
    before = {path: path.read_bytes() for path in (portraits / "results").rglob("*") if path.is_file()}
    for asked, complaint in (
        ((*row, "--output_size", 32), "deploy/0.png: was made without --output_size"),
        ((*video, "--fps", 30), "0.mp4: was made with --fps 25"),
        ((*frames, "--interp_step", 0.25), "traversal/0: was made without --interp_step"),
        ((*frames, "--ages", "4,20"), "traversal/0: was made without --ages"),
    ):
        line = use(*asked, *photo, code=2).stderr.splitlines()[-1]
        assert complaint in line
        assert "--overwrite" in line
    assert before == {path: path.read_bytes() for path in before}
    use(*row, *video, "--output_size", 32, *photo, "--overwrite")
    changed = [path for path in before if path.suffix in (".mp4", ".png") and path.read_bytes() != before[path]]
    assert {path.name for path in changed} == {"0.png", "0.mp4"}
    use(*row, *video, "--output_size", 32, *photo)


def test_a_shorter_series_leaves_no_picture_of_the_longer_one(use, portraits):
    use("--traverse", "--frames", "--image_path_file", "a/0.png")
    use("--traverse", "--frames", "--ages", "4,20", "--image_path_file", "a/0.png", "--overwrite")
    folder = portraits / "results" / "tiny" / "test_latest" / "traversal" / "0"
    assert sorted(path.name for path in folder.iterdir()) == ["000.png", "001.png"]


def test_another_photo_of_the_name_is_refused(use, portraits):
    use("--deploy", "--image_path_file", "a/0.png")
    done = use("--deploy", "--image_path_file", "b/0.png", code=2)
    assert "deploy/0_input.png: was made of another picture or data set, a/0.png" in done.stderr.splitlines()[-1]
    # In one list, the second photo gets its own name.
    (portraits / "both.txt").write_text("a/0.png\nb/0.png\n")
    use("--deploy", "--image_path_file", "both.txt")
    folder = portraits / "results" / "tiny" / "test_latest" / "deploy"
    assert {path.name for path in folder.glob("*_input.png")} == {"0_input.png", "0_2_input.png"}


def test_a_photo_that_was_edited_in_its_place_may_be_made_again(use, portraits):
    asked = ("--deploy", "--full_progression", "--image_path_file", "a/0.png")
    use(*asked)
    shutil.copy(portraits / "b" / "0.png", portraits / "a" / "0.png")
    done = use(*asked)
    assert "deploy/0.png: is made anew, because a/0.png has changed" in done.stderr
    assert "made anew" not in use(*asked).stderr


def test_results_of_unknown_origin_are_refused(use, portraits):
    """Older versions left no record, so the source of these results is unknown."""
    old = portraits / "results" / "tiny" / "test_latest" / "deploy" / "0.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    asked = ("--deploy", "--full_progression", "--image_path_file", "a/0.png")
    done = use(*asked, code=2)
    assert "deploy/0.png: exists, and its source is not recorded" in done.stderr.splitlines()[-1]
    assert old.read_bytes() == b"old"
    # A line that a full disk has cut short is ignored.
    (portraits / "results" / "tiny" / "test_latest" / MANIFEST).write_text('{"files": ["tiny/te\n[]\n')
    use(*asked, "--overwrite")
    use(*asked)


def test_the_page_of_another_data_set_is_refused_and_never_mixed_in(use, portraits):
    first = write_dataset(portraits / "first", per_class=2, phases=("test",))
    second = write_dataset(portraits / "second", per_class=1, phases=("test",))
    use("--dataroot", first)
    done = use("--dataroot", second, code=2)
    assert f"index.html: was made of another picture or data set, {first}" in done.stderr.splitlines()[-1]
    use("--dataroot", second, "--overwrite")
    folder = portraits / "results" / "tiny" / "test_latest"
    shown = {link.removeprefix("images/") for link in Page(folder / "index.html").links}
    assert {path.name for path in (folder / "images").iterdir()} == shown
    assert len(shown) == len(CLASSES) * (1 + len(CLASSES))


def test_evaluations_of_two_sources_do_not_mix(run, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(ROOT / "assets" / "people" / "parsings", tmp_path / name / "parsings")
        shutil.copy(ROOT / "assets" / "people" / "male_1.png", tmp_path / name)
    common = ("--name", "demo_model", "--checkpoints_dir", ROOT / "checkpoints", "--gpu_ids", -1)
    for name in ("one", "two"):
        run("evaluate.py", *common, "--photos", name)
        assert (tmp_path / "results" / "demo_model" / f"photos_latest_{name}" / "index.html").is_file()
    done = run("evaluate.py", *common, "--photos", "one", "--random_seed", 5, code=2)
    assert "photos_latest_one/index.html: was made without --random_seed" in done.stderr.splitlines()[-1]


def test_an_unwritable_folder_is_reported_once(use, portraits):
    (portraits / "list.txt").write_text("a/0.png\nb/0.png\n")
    blocked = portraits / "results" / "tiny"
    blocked.parent.mkdir()
    blocked.write_text("a file where the folder should be")
    done = use("--deploy", "--image_path_file", "list.txt", code=2)
    assert done.stderr.count("cannot be written") == 1
    assert "skipped" not in done.stderr
    done = use("--deploy", "--image_path_file", "list.txt", "--results_dir", blocked, code=2)
    assert done.stderr.count("cannot be written") == 1


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(FolderError, match="No space left"), atomic_path(tmp_path / "a.png"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_skips_one_photo(use, portraits):
    long = portraits / "a" / f"{'x' * 250}.png"
    shutil.copy(portraits / "a" / "0.png", long)
    shutil.copy(portraits / "a" / "parsings" / "0.png", portraits / "a" / "parsings" / long.name)
    done = use("--deploy", "--image_path_file", "a", code=1)
    assert "1 of 2 photos done" in done.stderr


def test_names_in_plain_ascii(use, portraits):
    shutil.copy(portraits / "b" / "0.png", portraits / "b" / "Zoë.png")
    shutil.copy(portraits / "b" / "parsings" / "0.png", portraits / "b" / "parsings" / "Zoë.png")
    use("--deploy", "--full_progression", "--image_path_file", "b/Zoë.png", "--ascii_names")
    assert (portraits / "results" / "tiny" / "test_latest" / "deploy" / "Zoe.png").is_file()


def test_a_published_model_that_is_not_there_is_one_command_away(run, tmp_path):
    done = run("test.py", "--name", "females_model", "--deploy", "--image_path_file", "x.png", code=2)
    (line,) = done.stderr.splitlines()
    assert line.endswith("python download_models.py --only females_model deeplab_model")
    assert "678 MB; CC BY-NC-SA 4.0, not for commercial use" in line


def test_a_portrait_excludes_what_a_model_makes(run):
    done = run("test.py", "--portrait", "--traverse", "--image_path_file", "x.png", code=2)
    assert "--portrait: excludes --traverse" in done.stderr.splitlines()[-1]


def test_each_face_of_a_photo(run, tmp_path):
    """Two portraits side by side: each face has its own name, estimated age and pictures."""
    face = Image.open(ROOT / "assets" / "astronaut.png").convert("RGB").crop((100, 0, 356, 256))
    both = Image.new("RGB", (512, 256))
    both.paste(face, (0, 0))
    both.paste(face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (256, 0))
    both.save(tmp_path / "pair.png")
    both.save(tmp_path / "pair_face1.png")
    (tmp_path / "list.txt").write_text("pair.png\npair_face1.png\n")
    asked = ("--portrait", "--in_the_wild", "--parser", "grabcut", "--gpu_ids", -1, "--image_path_file")
    done = run("test.py", *asked, "list.txt", "--face", "all")
    folder = tmp_path / "results" / "portraits"
    names = {f"{name}_face{number}" for name in ("pair", "pair_face1") for number in (1, 2)}
    overview = {"list.html", "list_contact_sheet.jpg"}
    assert {path.name for path in folder.iterdir()} == {f"{name}_portrait.png" for name in names} | overview
    assert "pair.png: 2 faces found, all are taken, numbered from the left" in done.stderr
    assert "pair_face1_face2: looks " in done.stderr
    *lines, last = [json.loads(line) for line in (tmp_path / "results" / MANIFEST).read_text().splitlines()]
    assert [set(line["looks"]) for line in lines] == [{f"{n}_face1", f"{n}_face2"} for n in ("pair", "pair_face1")]
    assert all(15 < age < 60 for line in lines for age in line["looks"].values())
    assert set(last["outputs"]) == {f"portraits/{name}" for name in overview}

    # A photo whose name is that of another photo's face gets a different output name.
    done = run("test.py", *asked, "pair_face1.png", code=2)
    assert "pair_face1_portrait.png: was made" in done.stderr.splitlines()[-1]

    done = run("test.py", *asked, "pair.png", "--face", 2)
    assert "pair.png: face 2 of 2 from the left is taken" in done.stderr
    second = pixels(folder / "pair_portrait.png")
    assert np.array_equal(second, pixels(folder / "pair_face2_portrait.png"))
    done = run("test.py", *asked, "pair.png", "--face", 1, code=2)
    assert "pair_portrait.png: was made with --face 2" in done.stderr.splitlines()[-1]
    done = run("test.py", *asked, "pair.png", "--face", 3, "--overwrite", code=1)
    assert "skipped: pair.png: --face 3: only 2 found" in done.stderr
