"""Exit codes of commands, and how many of their warnings are shown."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from util.errors import UserError, run_command


def exit_code(main) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    return ended.value.code


def test_mistakes_and_ctrl_c_are_one_line(capsys):
    def mistake() -> int:
        raise UserError("--name: missing")

    def interrupt() -> int:
        raise KeyboardInterrupt

    assert exit_code(mistake) == 2
    assert exit_code(interrupt) == 130
    assert capsys.readouterr().err == "error: --name: missing\ninterrupted\n"


def test_ten_warnings_of_a_kind_are_shown_and_the_rest_counted():
    program = """
import logging
from util.errors import run_command
def main():
    for line in range(2, 27):
        logging.warning("line %d: no value", line)
    logging.warning("another kind")
    for line in range(12):
        logging.error("lost %d", line)
    return 0
run_command(main)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("line")] == [f"line {n}: no value" for n in range(2, 12)]
    assert lines[10] == "another kind"
    assert sum(line.startswith("lost") for line in lines) == 12
    assert lines[-1] == "and 15 more like this: line 26: no value"


def interrupt_import(folder: Path, module: str, command: list[str]) -> int:
    """Sends Ctrl-C while the command imports a slow module; returns its exit code."""
    (folder / f"{module}.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert errors == "interrupted\n"
    return process.returncode


def test_ctrl_c_during_imports_shows_no_traceback(tmp_path):
    # torch is the first large library that train.py imports.
    interrupt_import(tmp_path, "torch", [str(ROOT / "train.py")])
    assert interrupt_import(tmp_path, "slow", ["-c", "import util.errors; import slow"]) == -signal.SIGINT
    fails = "raise ImportError('initialization failed') from stop"
    (tmp_path / "native.py").write_text(f"try:\n    import slow\nexcept KeyboardInterrupt as stop:\n    {fails}")
    assert interrupt_import(tmp_path, "slow", ["-c", "import util.errors; import native"]) == 130
