"""The demo model of the repository and the demo script, run in the environment of the tests."""

import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile

import av
import numpy as np
import pytest
import torch
from PIL import Image

from data.age_classes import ANCHORS, centre
from data.masking import mask
from datasets.renderer.identity import sample_identity
from datasets.renderer.portrait import draw
from download_models import PUBLISHED
from models.age_code import anchor_blends
from models.transformer import AgeTransformer
from options.build import generator_config, noise_sigma
from options.test import parse_test_options
from options.test import test_parser as parser_of_test
from tests.conftest import ROOT
from tests.util.test_download import missing, server  # noqa: F401
from util.provenance import MANIFEST

# This population differs from that of run_scripts/train_demo.sh.
UNSEEN = 2026


def demo(*arguments, results, checkout=ROOT, **settings):
    return script("demo.sh", *arguments, cwd=results.parent, checkout=checkout, RESULTS_DIR=str(results), **settings)


def script(name, *arguments, cwd, checkout=ROOT, **settings):
    environment = {"VIRTUAL_ENV": sys.prefix, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "GPU_IDS": "-1"}
    return subprocess.run(
        ["bash", checkout / "run_scripts" / name, *map(str, arguments)],
        env={**os.environ, **environment, **settings},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_makes_videos_and_progressions(tmp_path):
    done = demo(results=tmp_path / "results")
    assert done.returncode == 0, done.stderr
    made = [line for line in done.stdout.split("Made:")[1].split("\n") if line]
    videos = [path for path in made if path.endswith(".mp4")]
    rows = [path for path in made if path.endswith(".png")]
    assert len(videos) == len(rows) == 4
    with av.open(videos[0]) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in video.decode(video=0)) == 101
    assert Image.open(rows[0]).size == (256 + 10 + 6 * 256, 256)


def test_the_demo_model_is_scored_on_people_it_has_never_seen(tmp_path):
    settings = {"IDENTITIES": "15", "DATAROOT": str(tmp_path / "unseen")}
    done = script("evaluate_demo.sh", "--results_dir", tmp_path, cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "demo_model" / "evaluation_latest" / "evaluation.json").read_text())
    made, copied = (report["overall"][maker] for maker in ("demo_model", "copy of the input"))
    assert report["people"] == 3
    assert made["age_accuracy"] > copied["age_accuracy"]
    assert made["l1_two_or_more_apart"] < 0.6 * copied["l1_two_or_more_apart"]
    assert not list(tmp_path.glob("*.part"))


def assert_is_the_portrait(path):
    portrait = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert portrait.shape == (256, 256, 3)
    grey = np.abs(portrait - 128).max(axis=2) < 4
    # Both upper corners are background; the face is kept.
    assert grey[:40, :40].mean() > 0.9
    assert grey[100:160, 100:156].mean() < 0.05


def test_the_demo_model_makes_a_photo_old_only_when_asked(tmp_path):
    photo = ROOT / "assets" / "astronaut.png"
    done = demo(photo, "--name", "demo_model", results=tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "WARNING: the demo model has only seen drawn" in done.stdout
    folder = tmp_path / "results" / "demo_model" / "test_latest" / "traversal"
    assert (folder / "astronaut.mp4").is_file()
    assert_is_the_portrait(folder / "astronaut_portrait.png")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project without published models."""
    folder = tmp_path / "checkout"
    for room in ("data", "datasets", "evaluation", "models", "options", "outputs", "run_scripts", "util"):
        ignored = shutil.ignore_patterns("__pycache__", "*.dat", "males", "females", "*people*")
        shutil.copytree(ROOT / room, folder / room, ignore=ignored)
    for name in ("download_models.py", "test.py", "requirements.txt", "build-constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_without_a_model_a_photo_gives_its_portrait_and_the_next_command(tmp_path, checkout):
    photo = tmp_path / "my photo.png"
    shutil.copy(ROOT / "assets" / "astronaut.png", photo)
    done = demo(photo, results=tmp_path / "results", checkout=checkout)
    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in (tmp_path / "results").rglob("*.*"))
    assert made == [MANIFEST, "my photo_portrait.png"]
    assert_is_the_portrait(tmp_path / "results" / "portraits" / "my photo_portrait.png")
    (command,) = (line for line in done.stdout.splitlines() if line.endswith("--name females_model"))
    assert shlex.split(command) == ["bash", "run_scripts/demo.sh", str(photo), "--name", "females_model"]
    assert "CC BY-NC-SA 4.0" in done.stdout


def test_a_published_model_is_fetched_when_it_is_asked_for(tmp_path, checkout, server):  # noqa: F811
    """The demo model replaces the published one. The mirror has no face parser, but the demo still runs."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for path in (ROOT / "checkpoints" / "demo_model").iterdir():
            target.write(path, f"females_model/{path.name}")
    content = packed.getvalue()
    commands = checkout / "download_models.py"
    published = PUBLISHED["females_model"]
    table = commands.read_text().replace(published.md5, hashlib.md5(content).hexdigest())
    commands.write_text(table.replace(str(published.size), str(len(content))))
    server.answers = {
        "/females_model.zip": [lambda handler: handler.reply(content)],
        "/deeplab_model.pth": [missing],
    }
    arguments = (ROOT / "assets" / "astronaut.png", "--name", "females_model")
    done = demo(*arguments, "--no_download", results=tmp_path / "results", checkout=checkout)
    assert done.returncode == 2
    assert "python download_models.py --only females_model deeplab_model" in done.stderr
    assert not server.asked

    done = demo(*arguments, results=tmp_path / "results", checkout=checkout, MIRROR=server.address)
    assert done.returncode == 0, done.stderr
    assert f"fetching females_model ({len(content) / 1e6:.0f} MB), deeplab_model (464 MB); licence:" in done.stderr
    assert (tmp_path / "results" / "females_model" / "test_latest" / "traversal" / "astronaut.mp4").is_file()
    assert [path for path, _, _ in server.asked] == ["/females_model.zip", "/deeplab_model.pth"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--name"], "--name"), (["--magic"], "--magic"), (["--name", "nobody", "assets/astronaut.png"], "nobody")],
)
def test_a_mistake_is_reported(tmp_path, arguments, complaint):
    done = demo(*arguments, results=tmp_path / "results")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_model_ages_unseen_people_both_ways():
    """The result is nearest to the true picture of its age far more often than by chance, in both directions."""
    argv = f"--name demo_model --checkpoints_dir {ROOT / 'checkpoints'} --deploy --image_path_file x"
    options = parse_test_options(parser_of_test(), argv.split())
    weights = ROOT / "checkpoints" / "demo_model" / "latest_net_g_running.pth"
    assert weights.stat().st_size < 12e6
    transformer = AgeTransformer.load(
        weights, generator_config(options), device=torch.device("cpu"), noise_sigma=noise_sigma(options)
    )
    hits, own, pictures = [], [], {}
    for index in range(8):
        person = sample_identity(UNSEEN, index)
        pictures[index] = np.stack(
            [mask(*draw(person, centre(name), options.loadSize)).astype(float) for name in ANCHORS]
        )
    for index, truth in pictures.items():
        for source, target in ((0, 5), (5, 0), (3, 0), (3, 5), (1, 4), (4, 1)):
            blend = anchor_blends(len(ANCHORS))[target : target + 1]
            (frame,) = transformer.frames(truth[source].astype(np.uint8), blend, seed=0)
            made = frame.astype(float)
            hits.append(np.abs(truth - made).mean(axis=(1, 2, 3)).argmin() == target)
            others = [np.abs(other[target] - made).mean() for other in pictures.values()]
            own.append(int(np.argmin(others)) == index)
    assert np.mean(hits) > 0.5
    assert np.mean(own) > 0.5
