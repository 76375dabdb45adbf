"""Training in several processes, with gloo on the CPU in place of several GPUs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing

from models import discriminator
from models.batch import Batch
from models.execution import Execution
from models.losses import LossWeights
from tests.conftest import ROOT, TINY, write_dataset
from tests.golden_weights import golden_input
from tests.models.test_trainer import PAIRED_ONLY, make_trainer
from util.distributed import SINGLE_PROCESS, Processes

RUN = (*TINY, "--dataroot", "people", "--batchSize", "3", "--name", "run", "--display_id", "0")
PAIRS = 3


def step(processes: Processes, accumulate: int, weights: LossWeights) -> dict[str, object]:
    """Losses, codes and gradients of one iteration on this process's part of three pairs."""
    # The minibatch statistic depends on the whole batch, but each process computes its own.
    discriminator.minibatch_stddev = lambda features: torch.zeros(())
    torch.set_num_threads(1)
    # At kinks of gradients (absolute values, rectifiers, Adam's first step), float32 rounding decides the side.
    torch.set_default_dtype(torch.float64)
    trainer = make_trainer(Execution(accumulate=accumulate), processes, weights=weights)
    mine = processes.part(PAIRS)
    classes = torch.tensor([0, 3, 1]), torch.tensor([2, 5, 4])
    images = (golden_input(name, (PAIRS, 3, 64, 64)).double() for name in "AB")
    trainer.step(Batch(*(tensor[mine] for tensor in (*images, *classes)), global_size=PAIRS))
    networks = {"generator": trainer.generator, "discriminator": trainer.discriminator}
    made = {f"{name}.{key}": p.grad for name, net in networks.items() for key, p in net.named_parameters()}
    return {"losses": trainer.losses(), "gradients": made, "rng": trainer.rng.get_state()}


def step_of_one(rank: int, count: int, accumulate: int, weights: LossWeights, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=count)
    torch.save(step(Processes(rank, count), accumulate, weights), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("accumulate", "weights"),
    [(1, LossWeights()), (2, LossWeights()), (2, PAIRED_ONLY)],
)
def test_gradients_of_two_processes_are_those_of_one(tmp_path, monkeypatch, accumulate, weights):
    """Three pairs: two for the first process, one for the other."""
    monkeypatch.setattr(discriminator, "minibatch_stddev", None)  # put back afterwards
    whole = step(SINGLE_PROCESS, 1, weights)
    torch.set_default_dtype(torch.float32)
    torch.multiprocessing.spawn(step_of_one, (2, accumulate, weights, tmp_path), nprocs=2)
    for rank in range(2):
        shared = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert shared["losses"] == pytest.approx(whole["losses"], rel=1e-6)
        assert torch.equal(shared["rng"], whole["rng"])
        for name, gradient in whole["gradients"].items():
            if gradient is None:
                assert shared["gradients"][name] is None, name
                continue
            allowed = {"rtol": 1e-6, "atol": 1e-7 * float(gradient.abs().max())}
            torch.testing.assert_close(shared["gradients"][name], gradient, **allowed, msg=name)


def test_parts_of_a_batch_cover_it():
    for total, count in ((6, 4), (4, 4), (7, 2), (5, 1)):
        parts = [Processes(rank, count).part(total) for rank in range(count)]
        assert [number for part in parts for number in range(total)[part]] == list(range(total))
        sizes = [part.stop - part.start for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_a_run_goes_on_with_another_number_of_processes(run, dataset, tmp_path):
    run("train.py", *RUN, "--processes", 2, "--epochs", 2, "--print_freq", 3)
    folder = tmp_path / "checkpoints" / "run"
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    done = run("train.py", *RUN, "--epochs", 3, "--continue_train")
    assert "going on in epoch 3 after 0 batches" in done.stderr
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", "3", str(ROOT / "train.py")]
    subprocess.run(
        [sys.executable, *torchrun, *RUN, "--epochs", "4", "--continue_train"], cwd=tmp_path, check=True, timeout=120
    )
    state = torch.load(folder / "latest_state.pth", weights_only=True)
    assert state["position"] == {"epoch": 5, "batches": 0}
    assert state["trainer"]["iteration"] == 4 * 2
    assert len(lines) == 4, "one process writes"


def test_two_machines_train_the_model_that_one_trains(run, dataset, tmp_path):
    """Two torchrun agents on this machine replace two machines that share a folder."""
    launcher = [sys.executable, "-m", "torch.distributed.run"]
    train = [str(ROOT / "train.py"), *RUN, "--epochs", "2", "--name"]
    one = [*launcher, "--nproc_per_node", "2", "--master_port", free_port(), *train, "one"]
    subprocess.run(one, cwd=tmp_path, check=True, timeout=120, capture_output=True)
    meet = ["--nnodes", "2", "--rdzv_backend", "c10d", "--rdzv_endpoint", f"localhost:{free_port()}"]
    two = [*launcher, "--nproc_per_node", "1", *meet, "--rdzv_id", "test", *train, "two"]
    agents = [
        subprocess.Popen(two, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    output = "".join(text for agent in agents for text in agent.communicate(timeout=120))
    assert [agent.returncode for agent in agents] == [0, 0], output
    assert output.count("class 0-2: 4 pictures") == 1, "one process reports"
    for network in ("G", "D", "g_running"):
        paths = (tmp_path / "checkpoints" / name / f"latest_net_{network}.pth" for name in ("one", "two"))
        first, second = (torch.load(path, weights_only=True) for path in paths)
        assert all(torch.equal(first[name], second[name]) for name in first)


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_killed_process_ends_the_run_and_leaves_it_resumable(run, tmp_path):
    write_dataset(tmp_path / "people", per_class=40)
    often = ("--processes", "2", "--epochs", "1000", "--save_latest_freq", "3")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *RUN, *often],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = tmp_path / "checkpoints" / "run"
    deadline = time.monotonic() + 90
    while not (folder / "iter.txt").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(worker_of(process.pid, rank=1), signal.SIGKILL)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 2
    assert "process 1 of 2 was killed (SIGKILL), which ended the run" in errors
    assert "--continue_train goes on from it" in errors
    assert "Traceback" not in errors
    epoch = torch.load(folder / "latest_state.pth", weights_only=True)["position"]["epoch"]
    run("train.py", *RUN, "--epochs", epoch, "--continue_train")


def worker_of(parent: int, rank: int) -> int:
    """The process of this rank among the children of a process."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        if f"RANK={rank}".encode() in environment:
            return int(child)
    raise AssertionError(f"process {parent} has no worker of rank {rank}")


def test_every_process_wants_a_pair(run, dataset):
    done = run("train.py", *RUN, "--processes", 4, code=2)
    assert "--batchSize 3: 4 processes need a pair each" in done.stderr
