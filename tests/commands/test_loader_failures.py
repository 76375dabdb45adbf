"""A run without shared memory, disk space or answering workers goes on or ends; it never hangs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, write_dataset

RUN = (*TINY, "--dataroot", "people", "--batchSize", "2", "--name", "run", "--display_id", "0", "--no_html")
ALONE = ("unshare", "-m", "bash", "-c")
needs_mounts = pytest.mark.skipif(
    subprocess.run([*ALONE, "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False).returncode != 0,
    reason="only root may mount file systems",
)


def run_with_mount(folder, size: str, cwd, *options: object) -> subprocess.CompletedProcess[str]:
    """Trains with a small file system mounted on a folder, which no other process sees."""
    command = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    train = [sys.executable, str(ROOT / "train.py"), *RUN, *map(str, options)]
    return subprocess.run(
        [*ALONE, command, "-", size, str(folder), *train],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@needs_mounts
@pytest.mark.parametrize("options", [(), ("--processes", 2)])
def test_workers_need_no_shared_memory(dataset, tmp_path, options):
    """Docker gives a container 64 MB of shared memory, which other programs may have filled."""
    done = run_with_mount("/dev/shm", "4k", tmp_path, "--nThreads", 2, "--epochs", 2, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / "run" / "iter.txt").read_text() == "3,0\n"


@needs_mounts
def test_a_full_disk_ends_a_run_with_workers(tmp_path):
    write_dataset(tmp_path / "people", per_class=20)
    disk = tmp_path / "checkpoints"
    disk.mkdir()
    done = run_with_mount(disk, "1m", tmp_path, "--nThreads", 2, "--epochs", 20, "--save_epoch_freq", 1)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_ends_a_run_whose_worker_hangs(tmp_path):
    write_dataset(tmp_path / "people", per_class=40)
    options = ("--nThreads", "1", "--epochs", "10000", "--print_freq", "2")
    command = [sys.executable, str(ROOT / "train.py"), *RUN, *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        log = tmp_path / "checkpoints" / "run" / "loss_log.txt"
        deadline = time.monotonic() + 60
        while not log.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        (worker,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGSTOP)
        before = -1
        # The pipe still holds some batches.
        while before < (before := log.stat().st_size):
            time.sleep(2)
        run.send_signal(signal.SIGTERM)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 2
    assert "no pictures arrived for" in errors
    assert "--nThreads 0" in errors
