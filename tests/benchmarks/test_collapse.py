"""The study of initialisations as a command, and its figure."""

import csv
import os
import subprocess
import sys

from tests.conftest import ROOT


def python(*arguments, check=True):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=env, check=check, capture_output=True, text=True, timeout=300)


def test_variants_are_measured_once_and_drawn(tmp_path):
    table, drawing = tmp_path / "rows.csv", tmp_path / "rows.svg"
    study = ("--size", 16, "--ngf", 4, "--pairs", 1, "--identities", 5, "--gpu_ids", -1, "--loss", "whole",
             "--norms", "pixel", "--report", 1, 2, "--csv", table, "--inits")  # fmt: skip
    python("benchmarks.collapse", *study, "paper")
    python("benchmarks.collapse", *study, "paper", "centered", "--seeds", 0, 1)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = [row["init"] + row["seed"] for row in rows if row["iteration"] == "2"]
    assert shown == ["paper0", "paper1", "centered0", "centered1"]
    assert len(rows) == 2 * len({row["error"] for row in rows if row["iteration"] == "2"})
    assert all(0 <= float(row["age_accuracy"]) <= 1 and float(row["error"]) > 0 for row in rows)
    python("benchmarks.collapse_figure", table, drawing)
    text = drawing.read_text()
    assert all(word in text for word in (">paper, seed 0<", ">seed 1<", ">centered, seed 1<", ">age accuracy<"))
    python("benchmarks.collapse_figure", table, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text
    done = python("benchmarks.collapse", "--identities", 4, check=False)
    assert done.returncode == 2
    assert "error: --unseen 4: must " in done.stderr
    for wrong in (tmp_path / "none.csv", drawing):
        done = python("benchmarks.collapse_figure", wrong, tmp_path / "no.svg", check=False)
        assert done.returncode == 2
        assert f"error: {wrong}: " in done.stderr
