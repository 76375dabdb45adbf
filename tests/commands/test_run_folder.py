"""The folder of a run: nothing in it is lost or mixed, one run uses it at a time, and the original's runs resume."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.conftest import ROOT, TINY

# Six batches of two pairs in two epochs.
RUN = (*TINY, "--dataroot", "people", "--batchSize", "2", "--name", "run", "--print_freq", "2", "--display_id", "0")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints" / "run"


def train(run, *arguments, code=0):
    return run("train.py", *RUN, *arguments, code=code)


def files(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def logged(folder) -> list[int]:
    return [json.loads(line)["total_pairs"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def make_original(folder, position: str) -> None:
    """Turns the folder into one that a run of the original leaves."""
    for path in folder.glob("*_state.pth"):
        path.unlink()
    (folder / "iter.txt").write_text(position)
    saved = (folder / "opt.txt").read_text().splitlines(keepends=True)
    later = ("id_stop_gradient", "lambda_adv", "steady_start")
    (folder / "opt.txt").write_text("".join(line for line in saved if not line.startswith(later)))


def test_a_run_of_the_original_goes_on_from_its_weights(run, dataset, folder):
    train(run, "--epochs", 2)
    make_original(folder, "1\n4\n")
    before = torch.load(folder / "latest_net_g_running.pth", weights_only=True)
    done = train(run, "--continue_train", "--epochs", 2, "--lr", 0)
    assert "latest_state.pth: missing" in done.stderr
    assert done.stderr.count("Adam's moments start anew") == 1
    # The original counts epochs from 0.
    assert "going on in epoch 2 after 2 batches" in done.stderr
    state = torch.load(folder / "latest_state.pth", weights_only=True)
    assert state["position"] == {"epoch": 3, "batches": 0}
    assert state["trainer"]["iteration"] == 6
    after = torch.load(folder / "latest_net_G.pth", weights_only=True)
    assert before.keys() == after.keys()
    saved = (folder / "opt.txt").read_text()
    assert "id_stop_gradient: False" in saved, "it keeps the original's loss"
    assert "lambda_adv: 1.0" in saved, "it keeps the original's weights"
    assert "steady_start: 0" in saved, "it keeps the original's steps"
    assert (folder / "iter.txt").read_text() == "3,0\n"


def test_weights_of_an_epoch_go_on_in_the_next(run, dataset, folder):
    train(run, "--epochs", 3, "--save_epoch_freq", 1)
    make_original(folder, "3,0\n")
    done = train(run, "--continue_train", "--which_epoch", 1, "--epochs", 2)
    assert "going on in epoch 2 after 0 batches" in done.stderr
    make_original(folder, "nonsense\n")
    assert "iter.txt: not an epoch" in train(run, "--continue_train", "--epochs", 9, code=2).stderr.splitlines()[-1]


def test_a_run_without_a_moving_average_keeps_none(run, dataset, folder):
    train(run, "--epochs", 1, "--no_moving_avg")
    assert not list(folder.glob("*g_running*"))
    assert (folder / "samples" / "epoch1.png").is_file()
    assert "g_running" not in torch.load(folder / "latest_state.pth", weights_only=True)["networks"]
    run("train.py", "--gpu_ids", -1, "--nThreads", 0, "--name", "run", "--continue_train", "--epochs", 2)
    assert not list(folder.glob("*g_running*"))
    # The model's options say which network is used.
    run("test.py", "--name", "run", "--gpu_ids", -1, "--deploy", "--image_path_file", "people/train0-2/0.png")
    # The original's runs without a moving average resume, too.
    make_original(folder, "2\n0\n")
    done = run("train.py", "--gpu_ids", -1, "--nThreads", 0, "--name", "run", "--continue_train", "--epochs", 3)
    assert "going on in epoch 3 after 0 batches" in done.stderr


def test_a_finished_run_reports_it_and_changes_nothing(run, dataset, folder):
    train(run, "--epochs", 2)
    before = files(folder)
    done = train(run, "--continue_train", "--epochs", 2)
    assert "all 2 epochs are done; --epochs 3 or more goes on" in done.stderr
    assert files(folder) == before


def test_another_model_is_replaced_only_on_demand(run, dataset, folder):
    train(run, "--epochs", 2, "--save_epoch_freq", 1)
    (folder / "notes.txt").write_text("mine")
    (folder / "my_net_G.pth").write_text("mine")
    before = files(folder)
    for more in ((), ("--dry-run",), ("--debug",)):
        (line,) = train(run, *more, code=2).stderr.splitlines()
        assert "--continue_train" in line
        assert "--overwrite" in line
    train(run, "--overwrite", "--dry-run")
    train(run, "--overwrite", "--dataroot", "nowhere", code=2)
    assert "choose another --name" in train(run, "--overwrite", "--load_pretrain", folder, code=2).stderr
    assert "--overwrite" in train(run, "--overwrite", "--continue_train", code=2).stderr
    assert files(folder) == before

    train(run, "--overwrite", "--epochs", 1, "--print_freq", 4)
    left = files(folder)
    assert left["notes.txt"] == left["my_net_G.pth"] == b"mine"
    assert not {"2_state.pth", "2_net_G.pth", "samples/epoch2.png"} & set(left)
    assert logged(folder) == [4]


def test_downloaded_weights_are_not_replaced_either(run, dataset, tmp_path):
    """train.sh trains males_model, which is also the published model's name."""
    published = tmp_path / "checkpoints" / "run" / "latest_net_g_running.pth"
    published.parent.mkdir(parents=True)
    published.write_bytes(b"weights")
    refused = train(run, code=2).stderr
    assert "holds a run or a model" in refused
    # Without a discriminator it cannot go on, so that is no advice.
    assert "--continue_train" not in refused
    error = train(run, "--continue_train", "--dataroot", "nowhere", code=2).stderr.splitlines()[-1]
    assert "latest_state.pth" in error
    assert "download_models" not in error
    assert published.read_bytes() == b"weights"


def test_a_run_that_ended_before_its_first_checkpoint_may_begin_again(run, dataset, folder):
    """The same command works again, as users of train.sh expect after a crash; it does not mix the logs of both."""
    train(run, "--epochs", 1)
    for path in [*folder.glob("*.pth"), folder / "iter.txt"]:
        path.unlink()
    (folder / "metrics.jsonl").write_text('{"total_pairs": 400}\n')
    assert "holds" not in train(run, "--epochs", 1).stderr
    assert logged(folder) == [2, 4, 6]
    assert len((folder / "loss_log.txt").read_text().splitlines()) == 3


def test_logs_are_cut_where_a_run_is_resumed(run, dataset, folder):
    train(run, "--epochs", 3, "--save_epoch_freq", 1, "--save_display_freq", 2)
    assert logged(folder) == list(range(2, 20, 2))
    train(run, "--continue_train", "--which_epoch", 1, "--dry-run")
    assert logged(folder) == list(range(2, 20, 2))
    train(run, "--continue_train", "--which_epoch", 1, "--epochs", 2, "--save_display_freq", 1000)
    assert logged(folder) == [2, 4, 6, 8, 10, 12]
    assert len((folder / "loss_log.txt").read_text().splitlines()) == 6
    assert {path.name for path in (folder / "samples").iterdir()} == {"epoch1.png", "epoch2.png"}
    assert len(list((folder / "web" / "images").iterdir())) == 3


def test_curves_go_on_with_another_batch_size(run, dataset, folder):
    train(run, "--epochs", 1)
    train(run, "--continue_train", "--epochs", 2, "--batchSize", 1, "--print_freq", 1)
    assert logged(folder) == [2, 4, 6, *range(7, 13)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_second_run_of_the_name_stops(run, dataset, folder, tmp_path, processes):
    more = ["--epochs", "100000", "--processes", str(processes)]
    command = [sys.executable, str(ROOT / "train.py"), *RUN, *more]
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "loss_log.txt").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        for arguments in (["--overwrite"], ["--continue_train"], []):
            (line,) = train(run, *arguments, code=2).stderr.splitlines()
            assert "another run trains in checkpoints/run" in line
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL if processes == 1 else signal.SIGTERM)
        first.communicate(timeout=60)
    # The lock of a dead process has no effect.
    train(run, "--overwrite", "--epochs", 1)
    assert not (folder / ".lock").exists()


def test_nothing_saved_is_not_called_a_good_state(run, dataset, folder):
    error = train(run, "--lambda_rec", "1e39", code=2).stderr.splitlines()[-1]
    assert "training has diverged; nothing was saved before" in error
    assert "last good state" not in error


def test_a_folder_without_a_model_cannot_be_resumed(run, dataset):
    error = train(run, "--load_pretrain", "none", code=2).stderr.splitlines()[-1]
    assert error.startswith("error: --load_pretrain none: ")
    assert "--name" not in error
