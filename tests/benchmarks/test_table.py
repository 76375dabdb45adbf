"""The table of benchmarks: its rows, its file, and the baselines, which compute what this project computes."""

import csv
import time
from importlib import metadata

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import __main__ as command
from benchmarks import gpu, original
from benchmarks.convolution import operations
from benchmarks.measure import Row, alternated, compared
from data.in_the_wild.align import align, find_square
from data.in_the_wild.detect import find_faces
from models.generator import Generator, GeneratorConfig
from tests.conftest import ROOT


def test_works_take_turns_after_a_first_round():
    order = []
    alternated({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b", "a", "b", "a", "b"]


def test_the_median_ignores_a_slow_spell():
    pauses = iter([0, 0, 0.2, 0])
    assert alternated({"": lambda: time.sleep(next(pauses))}, rounds=3)[""] < 0.1


def test_ratios_are_to_the_first_row():
    first, second = compared("work", {"baseline": 2.0, "ours": 0.5}, aims={"ours": "3 times"})
    assert (first.ratio, second.ratio, second.aim) == (1, 4, "3 times")
    assert "4.00 times as good" in command.text_of(second)


def test_what_is_not_measured_says_so():
    assert all(row.value is None and row.note for row in gpu.rows(1, quick=True))
    assert command.text_of(Row("work", "a", None, "s", note="no GPU")) == "work, a: not measured; no GPU"


def test_the_table_names_machine_and_versions(tmp_path):
    command.write_table(tmp_path / "new" / "a.csv", [Row("work", "ours", 0.123456, "s", ratio=2.0)])
    with (tmp_path / "new" / "a.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["work"], row["value"], row["ratio"], row["share"]) == ("work", "0.1235", "2", "")
    assert row["torch"] == metadata.version("torch")
    assert row["machine"] == command.machine()


def test_an_unknown_name_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks", "nothing"])
    with pytest.raises(SystemExit):
        command.main()
    assert "nothing: no such benchmark; choose from convolution" in capsys.readouterr().err


@torch.no_grad()
def test_the_originals_way_makes_the_same_pictures():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(ngf=4, num_classes=3, dim_per_class=2)).double()
    images, codes = torch.rand(2, 3, 16, 16).double() * 2 - 1, torch.rand(2, 6).double()
    expected = generator.synthesize(images, codes)
    original.make_original(generator)
    assert torch.allclose(generator.synthesize(images, codes), expected, atol=1e-9)


def test_the_originals_alignment_makes_the_same_portrait():
    photo = Image.open(ROOT / "assets" / "astronaut.png").convert("RGB")
    square = find_square(find_faces(photo)[0].landmarks)
    error = np.square(align(photo, square, 256).astype(float) - original.over_4096(photo, square, 256)).mean()
    assert 10 * np.log10(255**2 / error) > 45


def test_operations_of_a_convolution():
    assert operations(torch.nn.Conv2d(2, 3, 3, padding=1), torch.zeros(1, 2, 8, 8)) == 2 * 9 * 2 * 3 * 8 * 8
