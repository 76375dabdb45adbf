"""Many photos: none of them ends the batch, nothing made is lost, and the same command goes on."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from options.test import parse_test_options
from options.test import test_parser as make_test_parser
from outputs.photos import use_photos
from tests.conftest import ROOT, write_dataset
from util.errors import UserError
from util.files import FolderError
from util.images import write_image
from util.progress import progress
from util.provenance import FAILURES, MANIFEST, Manifest, Source

COUNT = 6


@pytest.fixture
def folder(tmp_path, tiny_model, monkeypatch):
    """Six portraits, `many/0.png` to `many/5.png`; the current folder; and a tiny model."""
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "source", per_class=COUNT)
    shutil.move(tmp_path / "source" / "train0-2", tmp_path / "many")
    return tmp_path


def make(*extra: object) -> int:
    """Runs test.py on the six portraits in this process."""
    parser = make_test_parser()
    asked = ["--name", "tiny", "--gpu_ids", -1, "--engine", "torch", "--image_path_file", "many", *extra]
    asked += [] if "--deploy" in extra else ["--traverse", "--frames", "--interp_step", 0.25]
    options = parse_test_options(parser, list(map(str, asked)))
    return use_photos(options, parser, results(options.random_seed))


def results(seed=-1):
    return Path("results", "tiny", "test_latest" if seed < 0 else f"test_latest_seed{seed}")


def lines(seed=-1) -> list[dict]:
    """The manifest's lines about photos."""
    found = [json.loads(line) for line in (results(seed) / MANIFEST).read_text().splitlines()]
    return [line for line in found if "photo" in line]


def series(number: int, seed=-1) -> np.ndarray:
    folder = results(seed) / "traversal" / str(number)
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def test_a_batch_makes_what_single_photos_make_and_survives_a_bad_one(folder, caplog):
    photo = folder / "many" / "2.png"
    good = photo.read_bytes()
    photo.write_bytes(good[:200])
    assert make("--nThreads", 2, "--random_seed", 0) == 1
    assert "skipped: many/2.png: not a readable image" in caplog.text
    made = lines(seed=0)
    assert [line["photo"] for line in made] == [f"many/{number}.png" for number in range(COUNT)]
    assert made[3]["outputs"] == {"traversal/3": {"interp_step": "0.25"}}
    assert (made[3]["error"], made[3]["warnings"], made[3]["looks"]) == (None, [], {"3": None})
    assert 0 < made[3]["seconds"] < 60
    assert (made[2]["outputs"], made[2]["error"][:18]) == ({}, "not a readable ima")
    with (results(0) / FAILURES).open(newline="") as file:
        assert list(csv.reader(file)) == [["photo", "error"], ["many/2.png", made[2]["error"]]]
    before = {number: series(number, seed=0) for number in range(COUNT) if number != 2}
    assert {len(frames) for frames in before.values()} == {9}

    # Only the photo that failed is left.
    photo.write_bytes(good)
    caplog.clear()
    caplog.set_level("INFO")
    assert make("--nThreads", 2, "--random_seed", 0) == 0
    assert "6 of 6 photos done, 5 of them by an earlier command" in caplog.text
    assert [line["photo"] for line in lines(seed=0)[COUNT:]] == ["many/2.png"]
    assert not (results(0) / FAILURES).exists()

    shutil.rmtree("results")
    for number in range(COUNT):
        assert make("--nThreads", 0, "--random_seed", 0, "--image_path_file", f"many/{number}.png") == 0
    for number, frames in before.items():
        assert np.abs(series(number, seed=0).astype(int) - frames).max() <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_loses_nothing_and_goes_on(folder, monkeypatch, caplog, number):
    drawn = []

    def interrupted(options) -> int:
        drawn.append(0)
        if len(drawn) == 4:
            signal.raise_signal(number)
        return 0

    monkeypatch.setattr("outputs.photos.noise_seed", interrupted)
    threads = set(threading.enumerate())
    with pytest.raises((KeyboardInterrupt, SystemExit)) as stopped:
        make("--nThreads", 1)
    assert number == signal.SIGINT or stopped.value.code == 143
    assert not [thread for thread in set(threading.enumerate()) - threads if "ThreadPoolExecutor" in thread.name]
    done = [line["photo"] for line in lines()]
    assert {f"many/{path.name}.png" for path in (results() / "traversal").iterdir()} == set(done)
    # The frames of the next photo were being made, and the seed of the one after it was drawn.
    assert done == ["many/0.png", "many/1.png"]
    assert {path.name for path in results().iterdir()} == {MANIFEST, "traversal"}
    caplog.set_level("INFO")
    assert make("--nThreads", 1) == 0
    assert "6 of 6 photos done, 2 of them by an earlier command" in caplog.text
    assert sorted(line["photo"] for line in lines()) == [f"many/{number}.png" for number in range(COUNT)]


def test_ctrl_c_before_the_first_frame_does_not_hang(folder, monkeypatch):
    def interrupted(*frames, unit, **settings):
        if unit == "frame":
            raise KeyboardInterrupt
        return progress(*frames, unit=unit, **settings)

    monkeypatch.setattr("outputs.batch.progress", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make("--nThreads", 0)
    assert not list(results().iterdir())


def test_a_result_never_replaces_a_photo(folder):
    parser = make_test_parser()
    line = "--name tiny --gpu_ids -1 --image_path_file many --traverse --out many --overwrite"
    with pytest.raises(UserError, match=r"many/0\.png: is a photo that its result would replace"):
        use_photos(parse_test_options(parser, line.split()), parser, Path("many"))


def test_what_has_changed_is_made_anew(folder):
    assert make("--nThreads", 0) == 0
    assert make("--nThreads", 0) == 0
    assert len(lines()) == COUNT
    # The photo, its map, a result, and then the model.
    shutil.copy("many/1.png", "many/0.png")
    with Image.open("many/parsings/2.png") as parsing:
        write_image(folder / "many" / "parsings" / "2.png", np.ones_like(parsing))
    shutil.rmtree(results() / "traversal" / "4")
    assert make("--nThreads", 0) == 0
    assert [line["photo"] for line in lines()[COUNT:]] == [f"many/{number}.png" for number in (0, 2, 4)]
    weights = folder / "checkpoints" / "tiny" / "latest_net_g_running.pth"
    with weights.open("ab") as file:
        file.write(b"trained further")
    assert make("--nThreads", 0, "--image_path_file", "many/5.png") == 0
    assert lines()[-1]["photo"] == "many/5.png"
    assert make("--nThreads", 0, "--image_path_file", "many/5.png", "--overwrite") == 0
    assert len(lines()) == COUNT + 5


def test_a_result_that_cannot_be_written_ends_one_photo_and_a_full_disk_the_batch(folder, monkeypatch):
    def fails(path, pixels, facts):
        if path.parent.name == "1":
            raise error
        write_image(path, pixels, facts)

    monkeypatch.setattr("outputs.writers.write_image", fails)
    # So few frames may wait that a writer that has ended would block the others.
    monkeypatch.setattr("outputs.batch._MOST_WAITING", 0)
    error = UserError("its name is too long")
    assert make("--nThreads", 0) == 1
    assert [bool(line["error"]) for line in lines()] == [False, True, False, False, False, False]
    error = FolderError("the disk is full")
    with pytest.raises(FolderError):
        make("--nThreads", 0, "--overwrite")
    assert not list(results().glob(".making-*"))


def test_processes_share_the_photos(folder):
    """Two processes under torchrun; the third photo is bad, and each process tells so by its exit code."""
    (folder / "many" / "2.png").write_text("no picture")
    listed = "".join(f"many/{number}.png\n" for number in range(COUNT))
    (folder / "list.txt").write_text(listed)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(ROOT / "test.py")]
    asked = ["--name", "tiny", "--gpu_ids", "-1", "--image_path_file", "list.txt", "--deploy", "--nThreads", "0"]
    done = subprocess.run([*torchrun, *asked], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.count("5 of 6 photos done") == 1, "one process reports"
    assert [line["photo"] for line in lines()] == listed.split()
    assert {path.name for path in results().iterdir()} == {MANIFEST, FAILURES, "deploy"}
    views = {"list.html", "list_contact_sheet.jpg"}
    assert len({path.name for path in (results() / "deploy").iterdir()} - views) == 4 * (COUNT - 1)
    # One process goes on where two have stopped.
    assert make("--deploy", "--image_path_file", "list.txt") == 1
    assert [line["photo"] for line in lines()[COUNT:]] == ["many/2.png"]


def test_processes_do_not_make_one_page_together(folder):
    with pytest.MonkeyPatch.context() as several:
        several.setattr("util.distributed.in_torchrun", lambda: True)
        several.setenv("WORLD_SIZE", "2")
        with pytest.raises(UserError, match="start this command with python"):
            Manifest(folder / "results", folder, overwrite=False)
        Manifest(folder / "results", folder, overwrite=False, part=1)


def test_a_claim_of_a_command_that_failed_is_no_result(tmp_path, caplog):
    for name in "ab":
        (tmp_path / name).write_text(name)
        manifest = Manifest(tmp_path / "results", tmp_path, overwrite=False)
        manifest.claim([tmp_path / "results" / "index.html"], Source(tmp_path / name), {})
    assert not caplog.records


def test_the_record_of_an_earlier_version_protects_its_results(tmp_path):
    source, other = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"a")
    other.write_bytes(b"b")
    file = tmp_path / "results" / "tiny" / "test_latest" / "deploy" / "a.png"
    file.parent.mkdir(parents=True)
    file.touch()
    old = {"files": ["tiny/test_latest/deploy/a.png"], "from": "a.png", "settings": {"fps": "25"}}
    old |= {"place": str(source), "source": Source(source).content}
    (tmp_path / "results" / "made.jsonl").write_text(json.dumps(old) + '\n{"files": ["cut')
    manifest = Manifest(file.parent.parent, tmp_path / "results", overwrite=False)
    manifest.check([file], Source(source), {"fps": "25"})
    for photo, settings, complaint in (
        (source, {}, "was made with --fps 25"),
        (other, {"fps": "25"}, "another picture"),
    ):
        with pytest.raises(UserError, match=complaint):
            manifest.check([file], Source(photo), settings)
    assert not manifest.is_done({file: {"fps": "25"}}, Source(source), "model")
