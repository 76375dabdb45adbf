"""Faults of a training run: signals, a full disk, overflowing numbers, corrupt pictures, unusual classes."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from data.age_classes import CLUSTERS
from models.checkpoint import CheckpointFolder, Position, save
from models.execution import Execution
from tests.conftest import CLASSES, ROOT, TINY, write_dataset
from tests.models.test_trainer import make_trainer
from util.errors import UserError
from util.images import write_image

RUN = (*TINY, "--dataroot", "people", "--batchSize", "2", "--name", "run")


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.pth")}


@pytest.mark.parametrize(
    ("sent", "code", "more"),
    [
        (signal.SIGTERM, 143, ()),
        (signal.SIGINT, 130, ()),
        (signal.SIGTERM, 143, ("--nThreads", "2")),
        (signal.SIGTERM, 143, ("--nThreads", "1", "--processes", "2", "--display_id", "0")),
    ],
)
def test_a_requested_stop_saves_a_checkpoint_that_can_be_resumed(run, tmp_path, sent, code, more):
    write_dataset(tmp_path / "people", per_class=40)
    command = [sys.executable, str(ROOT / "train.py"), *RUN, *more, "--epochs", "1000", "--print_freq", "2"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    folder = tmp_path / "checkpoints" / "run"
    deadline = time.monotonic() + 60
    while not (folder / "loss_log.txt").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    # Terminals and cluster schedulers signal all processes of the group.
    os.killpg(process.pid, sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "--continue_train goes on" in errors
    assert "Traceback" not in errors
    state = torch.load(folder / "latest_state.pth", weights_only=True)
    position, iteration = state["position"], state["trainer"]["iteration"]
    assert iteration == (position["epoch"] - 1) * 30 + position["batches"]
    done = run("train.py", *RUN, "--epochs", position["epoch"], "--continue_train")
    assert f"going on in epoch {position['epoch']} after {position['batches']} batches" in done.stderr


def test_a_full_disk_leaves_the_previous_checkpoint_intact(run, dataset, tmp_path):
    run("train.py", *RUN, "--epochs", 1)
    folder = tmp_path / "checkpoints" / "run"
    before = contents(folder)
    # The size limit allows every file of weights, but not the training state.
    limit = max(len(content) for name, content in before.items() if "net" in name) + 1000
    assert limit < len(before["latest_state.pth"])
    script = tmp_path / "limited.py"
    script.write_text(
        f"import resource, runpy, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        f"runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\n"
    )
    done = run(script, *RUN, "--epochs", 2, "--continue_train", "--save_epoch_freq", 1, code=2)
    assert "cannot be written" in done.stderr
    assert "the previous checkpoint is intact" in done.stderr
    assert contents(folder) == before
    assert not list(folder.glob(".writing*"))
    run("train.py", *RUN, "--epochs", 2, "--continue_train")


def test_numbers_that_overflow_stop_the_run(run, dataset, tmp_path):
    run("train.py", *RUN, "--epochs", 1)
    before = contents(tmp_path / "checkpoints" / "run")
    done = run("train.py", *RUN, "--epochs", 9, "--continue_train", "--lambda_rec", "1e39", code=2)
    assert "loss_G_Rec is inf in iteration 4" in done.stderr
    assert "last good state" in done.stderr
    assert contents(tmp_path / "checkpoints" / "run") == before


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_picture_is_reported_once_and_training_goes_on(run, dataset, workers):
    (dataset / "train0-2" / "0.png").write_bytes(b"no picture")
    done = run("train.py", *RUN, "--epochs", 4, "--nThreads", workers)
    assert done.stderr.count("replaced by another picture of its class: people/train0-2/0.png") == 1


def test_ten_classes_keep_the_order_given(run, tmp_path):
    """Once, a model of ten classes made a video that ran old-young-old."""
    names = list(CLUSTERS)
    assert names != sorted(names)
    for number, name in enumerate(names):
        pixels = np.full((16, 16, 3), 20 * number, np.uint8)
        for index in range(2):
            write_image(tmp_path / "people" / f"train{name}" / f"{index}.png", pixels)
            path = tmp_path / "people" / f"train{name}" / "parsings" / f"{index}.png"
            write_image(path, np.ones((16, 16), np.uint8))
    sizes = [option for option in RUN if option != ",".join(CLASSES)]
    sizes.remove("--sort_order")
    done = run("train.py", *sizes, "--sort_order", ",".join(names), "--epochs", 1)
    assert re.findall(r"class (\S+): 2 pictures", done.stderr) == names
    saved = (tmp_path / "checkpoints" / "run" / "opt.txt").read_text()
    assert f"sort_order: {','.join(names)}" in saved
    # The model knows its classes: no option is needed to use it.
    run("test.py", "--name", "run", "--gpu_ids", -1, "--deploy", "--image_path_file", "people/train0-2")
    made = {path.name for path in (tmp_path / "results" / "run" / "test_latest" / "deploy").iterdir()}
    pictures = {f"{index}_{name}.png" for index in ("0", "1") for name in ("input", *names)}
    assert made == {*pictures, "train0-2.html", "train0-2_contact_sheet.jpg"}
    # With --sort_classes false, the folders' numbers decide the order, and --sort_order does not.
    done = run("train.py", *sizes, "--name", "found", "--sort_classes", "false", "--epochs", 1)
    assert re.findall(r"class (\S+): 2 pictures", done.stderr) == names
    assert f"sort_order: {','.join(names)}" in (tmp_path / "checkpoints" / "found" / "opt.txt").read_text()


def test_weights_that_overflow_are_not_saved(tmp_path):
    trainer = make_trainer(Execution())
    with torch.no_grad():
        next(trainer.generator.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match=r"network G: .* no longer finite"):
        save(CheckpointFolder(tmp_path), ["latest"], trainer=trainer, position=Position(), pairs=2)
    assert list(tmp_path.iterdir()) == []


def test_debug_goes_on_with_one_more_epoch(run, dataset, tmp_path):
    run("train.py", *RUN, "--epochs", 1, "--no_html")
    run("train.py", *RUN, "--debug", "--continue_train", "--no_html")
    assert (tmp_path / "checkpoints" / "run" / "iter.txt").read_text() == "3,0\n"


def test_spare_class_folders_are_named_in_one_line_and_ignored(run, dataset):
    """The original's create_dataset makes ten class folders, of which --sort_order names six."""
    for name in ("3-6", "70-120"):
        (dataset / f"train{name}").mkdir()
    done = run("train.py", *RUN, "--epochs", 1)
    (line,) = [line for line in done.stderr.splitlines() if "train3-6" in line]
    assert line == "class folders that --sort_order does not name are ignored: train3-6, train70-120"
