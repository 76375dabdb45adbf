"""The values of options: their bounds, and what they are refused with."""

from fractions import Fraction
from itertools import product

import pytest

import download_models
import export
from datasets import create_dataset, synthesize
from options.test import test_parser as make_test_parser
from options.train import train_parser


@pytest.mark.parametrize(
    ("option", "value", "bounds"),
    [
        ("--output_size", "1", "from 16 to 8192"),
        ("--output_size", "60000", "from 16 to 8192"),
        ("--interp_step", "0.000001", "from 0.001 to 1"),
        ("--interp_step", "nan", "from 0.001 to 1"),
        ("--random_seed", "-7", "from -1 to 4294967295"),
        ("--gpu_ids", "-2", "numbered from 0; -1 means the CPU"),
        ("--gpu_ids", "0,-1", "numbered from 0; -1 means the CPU"),
        ("--how_many", "0", "from 1 to"),
        ("--how_many", "²", "from 1 to"),
        ("--ntest", "-3", "from 1 to"),
        ("--fps", "0", "from 1 to 240"),
        ("--fps", "30/0", "from 1 to 240"),
        ("--fps", "1e999999999", "from 1 to 240"),
        ("--crf", "52", "from 1 to 51"),
        ("--n_downsample", "1000000000", "from 1 to 8"),
        ("--name", "", "is not a name"),
        ("--name", "../../evil", "is not a name"),
        ("--name", "/evil", "is not a name"),
        ("--name", "C:\\evil", "is not a name"),
        ("--which_epoch", "../latest", "is not a name"),
        ("--phase", "../test", "is not a name"),
    ],
)
def test_a_value_out_of_bounds_names_its_range(capsys, option, value, bounds):
    with pytest.raises(SystemExit) as stopped:
        make_test_parser().parse_args([f"{option}={value}"])
    assert stopped.value.code == 2
    assert f"argument {option}: '{value}'" in (message := capsys.readouterr().err.splitlines()[-1])
    assert bounds in message


NO_NAME = "'{value}' is not a name"
NO_NUMBER = "'{value}' is not a whole number from 1 to"


@pytest.mark.parametrize(
    ("parser", "options", "values", "complaint"),
    [
        # An unset variable of a script must not mean the current folder.
        (make_test_parser, "--results_dir --image_path_file --dataroot --checkpoints_dir", [""], "is empty"),
        (train_parser, "--load_pretrain", [""], "is empty"),
        (export.parser, "--checkpoints_dir --out", [""], "is empty"),
        (create_dataset.parser, "--folder --labels_file --out", [""], "is empty"),
        (synthesize.parser, "--out", [""], "is empty"),
        (download_models.parser, "--out", [""], "is empty"),
        # A number is bounded by what a machine can do.
        (train_parser, "--n_layers_D --num_D --ndf", ["1000000"], NO_NUMBER),
        (create_dataset.parser, "--workers", ["1000000"], NO_NUMBER),
        (synthesize.parser, "--workers", ["1000000"], NO_NUMBER),
        # A name does not lead out of its folder.
        (train_parser, "--name --phase", ["", "../evil"], NO_NAME),
        (export.parser, "--name --which_epoch", ["", "../evil"], NO_NAME),
    ],
)
def test_a_value_without_sense_is_refused(capsys, parser, options, values, complaint):
    for option, value in product(options.split(), values):
        with pytest.raises(SystemExit):
            parser().parse_args([option, value])
        assert f"argument {option}: {complaint.format(value=value)}" in capsys.readouterr().err


def test_values_within_bounds():
    line = "--fps 23.976 --gpu_ids -1 --name a/b --interp_step 1 --random_seed -1 --ntest inf --output_size 16"
    options = make_test_parser().parse_args(line.split())
    assert options.fps == Fraction("23.976")
    assert options.gpu_ids == ()
    assert (options.name, options.ntest, options.output_size) == ("a/b", float("inf"), 16)
