"""Shared fixtures: a tiny data set, a tiny model, and a function that runs commands as users do."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

# Each core runs a test process, so more threads would slow them down. This must be set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell ignores Ctrl-C for what it starts in the background, and the commands that tests stop would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import torch

from models.checkpoint import CheckpointFolder
from models.generator import Generator, GeneratorConfig
from util.images import write_image

ROOT = Path(__file__).parent.parent
CLASSES = ("0-2", "15-19", "50-69")

# A 16x16 network of three classes that trains a step in milliseconds.
TINY = (
    "--gpu_ids -1 --loadSize 16 --fineSize 16 --ngf 4 --ndf 4 --n_layers_D 2 --gen_dim_per_style 2 "
    f"--sort_order {','.join(CLASSES)} --nThreads 0"
).split()

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path) -> Run:
    """Runs a command of the project in an empty folder; `run("train.py", "--epochs", 1)`.

    Models that are used run on PyTorch, which starts faster, unless --engine is among the arguments.
    """

    def run(script: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        if script in ("test.py", "evaluate.py") and "--engine" not in arguments:
            arguments += ("--engine", "torch")
        done = subprocess.run(
            [sys.executable, ROOT / script, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code == 0 or "Traceback" not in done.stderr, done.stderr
        return done

    return run


def write_dataset(root: Path, size: int = 16, per_class: int = 4, phases: tuple[str, ...] = ("train",)) -> Path:
    """A data set of noise whose maps resemble faces: skin in a ring of background."""
    rng = np.random.default_rng(0)
    parsing = np.zeros((size, size), np.uint8)
    parsing[2:-2, 2:-2] = 1
    for phase in phases:
        for name in CLASSES:
            for index in range(per_class):
                folder = root / f"{phase}{name}"
                write_image(folder / f"{index}.png", rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
                write_image(folder / "parsings" / f"{index}.png", parsing)
    return root


@pytest.fixture
def dataset(tmp_path) -> Path:
    return write_dataset(tmp_path / "people")


@pytest.fixture
def tiny_model(tmp_path) -> str:
    """The name of an untrained model in ./checkpoints, which needs no other options."""
    torch.manual_seed(0)
    config = GeneratorConfig(ngf=4, num_classes=len(CLASSES), dim_per_class=2)
    folder = CheckpointFolder(tmp_path / "checkpoints" / "tiny")
    folder.path.mkdir(parents=True)
    torch.save(Generator(config).state_dict(), folder.weights("latest", "g_running"))
    options = f"ngf: 4\ngen_dim_per_style: 2\nloadSize: 16\nfineSize: 16\nsort_order: {','.join(CLASSES)}\n"
    (folder.path / "opt.txt").write_text(options)
    return "tiny"


@pytest.fixture
def use(run, tiny_model) -> Run:
    """Runs test.py with the tiny model."""
    return partial(run, "test.py", "--name", tiny_model, "--gpu_ids", -1)
