"""The architecture: import directions, file sizes, lint, format and types."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# The floor of each room (docs/map.md). An import leads to a lower floor or stays in its room.
FLOORS = {
    "util": 1,
    "datasets.renderer": 1,
    "data": 2,
    "models": 3,
    "evaluation": 4,
    "options": 4,
    "interface": 4,
    "outputs": 5,
    "datasets.ffhq_aging": 3,
    "datasets.population": 4,
}
COMMANDS = 6
# The renderer draws maps with the labels of the data, and the page offers the files that the command fetches.
ALLOWED = {("datasets.renderer", "data.masking"), ("app", "download_models")}
MOST_LINES = {"train.py": 170, "test.py": 170, "evaluate.py": 60}
SOURCES = sorted(
    path.relative_to(ROOT)
    for path in (
        Path(ROOT / line)
        for line in subprocess.check_output(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"], cwd=ROOT, text=True
        ).splitlines()
    )
    if path.is_file() and "tests" not in path.relative_to(ROOT).parts
)
MODULES = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in SOURCES}


def room(module: str) -> str:
    """The longest name in FLOORS that the module lies in; a command is a room of its own."""
    names = [name for name in FLOORS if module == name or module.startswith(f"{name}.")]
    return max(names, key=len, default=module.split(".")[0] if module.startswith("benchmarks") else module)


def imported(path: Path) -> list[str]:
    """The project's modules that a file imports."""
    found = []
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in MODULES else str(node.module) for name in names]
    return [name for name in found if name in MODULES]


def test_imports_lead_downwards():
    climbing = []
    for path in SOURCES:
        here = room(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        for module in imported(path):
            there = room(module)
            down = FLOORS.get(there, COMMANDS) < FLOORS.get(here, COMMANDS)
            if not (down or here == there or (here, module) in ALLOWED):
                climbing.append(f"{path} imports {module}")
    assert not climbing, "\n".join(climbing)


def test_files_are_short():
    lines = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    long = {
        name: count
        for name, count in lines.items()
        if count > MOST_LINES.get(name, 260) and not name.startswith("datasets/renderer")
    }
    assert not long


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy"])
def test_lint_and_types(command):
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
