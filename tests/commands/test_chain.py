"""All of the README's steps in order: raw data, data set, training with visdom, results page, videos, rows."""

import os
import subprocess
import sys
from pathlib import Path

import av
from PIL import Image

from data.age_classes import ANCHORS
from tests.conftest import ROOT
from tests.util.test_visualizer import port, visdom_server, windows  # noqa: F401

SIZES = (
    "--loadSize 16 --fineSize 16 --ngf 4 --ndf 4 --n_layers_D 2 --gen_dim_per_style 2 --nThreads 0 --batchSize 2 "
    "--epochs 2 --print_freq 4 --display_freq 4 --save_display_freq 4"
)


def test_from_raw_data_to_videos(tmp_path, port):  # noqa: F811
    raw, checkpoints, results = tmp_path / "raw", tmp_path / "checkpoints", tmp_path / "results"
    python("datasets/synthesize.py", "--out", raw, "--identities", 24, "--size", 16, "--layout", "raw")
    labels = raw / "ffhq_aging_labels.csv"
    made = ("--labels_file", labels, "--train_split", 160, "--out", tmp_path)
    python("datasets/create_dataset.py", "--folder", raw, *made)
    males = tmp_path / "males"
    model = ("--checkpoints_dir", checkpoints, "--name", "chain", "--gpu_ids", -1)
    with visdom_server(port, tmp_path) as address:
        script("train.sh", males, *model, *SIZES.split(), "--display_port", port)
        assert set(windows(address, "chain")) == {"1_losses", "1_pictures"}
    assert (checkpoints / "chain" / "web" / "index.html").is_file()

    script("test.sh", males, *model, "--results_dir", results)
    page = (results / "chain" / "test_latest" / "index.html").read_text()
    assert page.count("<img") >= 6 * (1 + len(ANCHORS))

    photo = sorted((males / "test0-2").glob("*.png"))[0]
    script("traversal.sh", photo, *model, "--results_dir", results, "--interp_step", 0.5)
    with av.open(str(results / "chain" / "test_latest" / "traversal" / f"{photo.stem}.mp4")) as video:
        assert len(list(video.decode(video=0))) == 2 * (len(ANCHORS) - 1) + 1
    script("deploy.sh", photo, *model, "--results_dir", results)
    row = Image.open(results / "chain" / "test_latest" / "deploy" / f"{photo.stem}.png")
    assert row.size == (16 * (1 + len(ANCHORS)) + 10, 16)


def python(*command: object) -> None:
    run([sys.executable, *command])


def script(name: str, data: Path, *arguments: object) -> None:
    run(["bash", f"run_scripts/{name}", *arguments], DATAROOT=str(data), LIST=str(data))


def run(command: list[object], **settings: str) -> None:
    """Runs a command in the checkout, as users do. Scripts use the environment of the tests."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": sys.prefix, **settings}
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
