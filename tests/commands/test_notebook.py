"""The notebook and the Dockerfile."""

import re

import nbformat
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "LATS_demo.ipynb"


def test_the_notebook_runs(tmp_path):
    """It runs in a folder like the checkout, so that its pictures do not land there."""
    for name in ("models", "data", "util", "assets", "checkpoints"):
        (tmp_path / name).symlink_to(ROOT / name)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    assert ["image/png" in data for data in shown] == [True, True, False]
    assert "data:video/mp4;base64," in shown[-1]["text/html"]


def test_the_notebook_is_stored_without_results():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_dockerfile_copies_files_that_exist_and_ends_as_an_ordinary_user():
    """The image itself is not built here."""
    steps = re.findall(r"^([A-Z]+) (.*)$", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), re.M)
    copied = [words.split() for step, words in steps if step == "COPY"]
    assert ["requirements.txt", "build-constraints.txt", "./"] in copied
    for *sources, _ in copied:
        assert all((ROOT / name).exists() for name in sources if not name.startswith("--"))
    assert [words for step, words in steps if step == "USER"] == ["lifespan"]
    assert ("CMD", '["test.py", "--help"]') in steps
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv", "results", "deeplab_model", "checkpoints/*"} <= set(ignored)
    # Unlike git, Docker does not limit such a pattern to folders: it would leave out the commands in datasets/.
    assert "datasets/*/" not in ignored
