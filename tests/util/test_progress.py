"""Progress in a file takes a few lines, and a pool stops at the first error."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import TINY, write_dataset
from util import progress as module
from util.errors import UserError
from util.progress import progress, run_all


def test_a_short_loop_writes_nothing_into_a_file(capsys):
    assert list(progress(range(1000), unit="batch")) == list(range(1000))
    assert capsys.readouterr().err == ""


def test_a_long_loop_writes_plain_lines_into_a_file(capsys, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress(total=50, desc="run", unit="batch", mininterval=0) as bar:
        for _ in range(50):
            bar.update()
    lines = capsys.readouterr().err.split("\n")
    assert lines.pop() == ""
    assert 5 <= len(lines) <= 7
    assert lines[0].startswith("run: ")
    assert lines[-1].startswith("run: 50 of 50, ")
    counts = [line.split(",")[0] for line in lines]
    assert len(set(counts)) == len(counts)
    assert not {"\r", "\x1b"} & set("".join(lines))


def test_training_writes_no_bar_into_a_file(run, tmp_path):
    write_dataset(tmp_path / "people", per_class=75)
    arguments = [*TINY, "--dataroot", "people", "--batchSize", 1, "--display_id", 0, "--no_html"]
    done = run("train.py", *arguments, "--epochs", 1)
    settings, _, after = done.stderr.partition("1 epochs of 112 batches of 1 pairs\n")
    assert len(after) < 1000
    assert not {"\r", "\x1b"} & set(settings + after + done.stdout)


def test_a_pool_stops_at_the_first_error():
    done, release = [], threading.Event()

    def work(number: int) -> None:
        if number == 0:
            release.set()
            raise UserError("the disk is full")
        release.wait()
        time.sleep(0.001)
        done.append(number)

    with ThreadPoolExecutor(2) as pool, pytest.raises(UserError, match="disk"):
        run_all(pool, work, list(range(10_000)), unit="picture")
    assert len(done) < 5_000
