"""The loader's worker processes: how they end, and how the run reports it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data import loader as module
from data.aging_dataset import AgingDataset
from data.classes import find_classes
from data.loader import PairLoader, PairSampler
from data.transforms import Transform
from tests.conftest import CLASSES, ROOT
from util.errors import UserError
from util.interrupt import StopRequest


def make_loader(dataset: Path, workers: int, timeout: float = 60) -> PairLoader:
    pictures = AgingDataset(find_classes(dataset, "train", CLASSES), Transform("resize_and_crop", 16, 16))
    return PairLoader(pictures, PairSampler([4, 4, 4], 1, seed=0), workers, timeout)


def send_to_workers(number: int) -> None:
    for child in multiprocessing.active_children():
        os.kill(child.pid, number)


def test_a_killed_worker_is_named_at_once(dataset):
    with make_loader(dataset, 1) as loader:
        send_to_workers(signal.SIGKILL)
        with pytest.raises(UserError, match=r"--nThreads 1.*SIGKILL.*smaller number or 0"):
            list(loader.epoch(StopRequest()))


def test_a_worker_that_hangs_ends_the_run_and_is_ended_itself(dataset):
    with make_loader(dataset, 1, timeout=0.5) as loader:
        send_to_workers(signal.SIGSTOP)
        with pytest.raises(UserError, match="no pictures arrived for 1 second"):
            list(loader.epoch(StopRequest()))
    assert multiprocessing.active_children() == []


def test_a_request_to_stop_shortens_the_wait(dataset, monkeypatch):
    monkeypatch.setattr(module, "_STOP_TIMEOUT", 0.5)
    stop = StopRequest()
    stop.signal = signal.SIGTERM
    start = time.monotonic()
    with make_loader(dataset, 1) as loader:
        send_to_workers(signal.SIGSTOP)
        with pytest.raises(UserError, match="no pictures arrived"):
            list(loader.epoch(stop))
    assert time.monotonic() - start < 10


def test_workers_leave_signals_to_the_run_and_end_with_the_loop(dataset):
    def loop() -> None:
        with make_loader(dataset, 2) as loader:
            for number, _ in enumerate(loader.epoch(StopRequest())):
                send_to_workers(signal.SIGTERM)
                send_to_workers(signal.SIGINT)
                if number == 4:
                    raise ValueError("in the loop")

    with pytest.raises(ValueError, match="in the loop"):
        loop()
    assert multiprocessing.active_children() == []


def test_a_mistake_found_in_a_worker_is_reported_as_in_the_training_process(dataset):
    with make_loader(dataset, 1) as loader:
        for path in (dataset / "train0-2").glob("*.png"):
            path.write_bytes(b"no picture")
        with pytest.raises(UserError, match=r"^\S*train0-2: none of its 4 pictures"):
            list(loader.epoch(StopRequest()))


def test_workers_of_a_killed_run_end(dataset):
    program = f"""
import multiprocessing, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.data.test_loader import make_loader
with make_loader(Path({str(dataset)!r}), 3):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = process.stdout.readline().split()
        process.kill()
    assert workers
    deadline = time.monotonic() + 20
    while any(_runs(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(worker) for worker in workers)


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
