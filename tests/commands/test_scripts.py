"""The scripts: .sh and .bat run the same commands, and the environment can change every setting."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from options.test import test_parser as make_test_parser
from options.train import train_parser
from tests.conftest import ROOT

SCRIPTS = ROOT / "run_scripts"
FAMILIES = ("train", "test", "traversal", "deploy", "in_the_wild")
METHODS_DEFAULTS = {"GPU_IDS": "0", "MODEL": "males_model", "EPOCH": "latest", "LIST": "males_image_list.txt",
                    "DATAROOT": "./datasets/males"}  # fmt: skip


def read_sh(name: str) -> tuple[dict[str, str], list[str]]:
    """Settings with their defaults, and the words of the command with $SETTING in place of values."""
    text = (SCRIPTS / f"{name}.sh").read_text()
    settings = dict(re.findall(r"^(\w+)=\$\{\1:-(.*)\}$", text, re.MULTILINE))
    (command,) = re.findall(r"^python (?:.*\\\n)*.*$", text, re.MULTILINE)
    return settings, [word.strip('"') for word in command.replace("\\\n", " ").split()]


def read_bat(name: str) -> tuple[dict[str, str], list[str]]:
    raw = (SCRIPTS / f"{name}.bat").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n")
    text = raw.decode().replace("\r\n", "\n")
    settings = dict(re.findall(r"^if not defined (\w+) set \1=(.*)$", text, re.MULTILINE))
    (command,) = re.findall(r"^python (?:.*\^\n)*.*$", text, re.MULTILINE)
    words = [word.strip('"') for word in command.replace("^\n", " ").split()]
    return settings, [re.sub(r"^%(\w+)%$", r"$\1", word).replace("%*", "$@") for word in words]


@pytest.mark.parametrize("name", FAMILIES)
def test_both_families_run_the_same(name):
    settings, command = read_sh(name)
    assert (settings, command) == read_bat(name)
    assert command[-1] == "$@"
    assert {word[1:] for word in command if word.startswith("$") and word != "$@"} == set(settings)
    # The parsers accept the options.
    words = [settings.get(word[1:], word) if word.startswith("$") else word for word in command[2:-1]]
    (train_parser() if name == "train" else make_test_parser()).parse_args(words)
    expected = METHODS_DEFAULTS | ({"GPU_IDS": "0,1,2,3"} if name == "train" else {})
    assert all(expected.get(setting, default) == default for setting, default in settings.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_settings_and_arguments_from_outside(name, tmp_path):
    """Runs a copy of the scripts with a `python` that records its arguments."""
    shutil.copytree(SCRIPTS, tmp_path / "run_scripts")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!{sys.executable}\nimport sys\nprint("\\n".join(sys.argv[1:]))\n')
    python.chmod(0o755)
    settings, _ = read_sh(name)
    values = {setting: f"my {setting}" for setting in settings}
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}", "VIRTUAL_ENV": "x", **values}
    done = subprocess.run(
        ["bash", tmp_path / "run_scripts" / f"{name}.sh", "--verbose", "--results_dir", "a b"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[-3:] == ["--verbose", "--results_dir", "a b"]
    assert all(value in words for value in values.values())


def test_shellcheck_finds_nothing():
    scripts = [*SCRIPTS.glob("*.sh"), ROOT / ".ci" / "run"]
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([shellcheck, *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
