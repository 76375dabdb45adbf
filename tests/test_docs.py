"""The pages name files, links and options that exist."""

import re
import subprocess

import pytest

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TRACKED = subprocess.check_output(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
).splitlines()
# Options of argparse, torchrun, TensorBoard and Docker.
OTHERS = {
    "--help",
    "--nnodes",
    "--logdir",
    "--nproc_per_node",
    "--rdzv_backend",
    "--rdzv_endpoint",
    "--rdzv_id",
    "--rm",
    "--gpus",
    "--build-arg",
    "--shm-size",
}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(text: str) -> set[str]:
    """The names by which links refer to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@each_page
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.is_file(), target
            assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target


@each_page
def test_source_files_exist(page):
    """A path may omit its folder if the page has named it before, as in `data/in_the_wild/detect.py`, `align.py`."""
    text = page.read_text(encoding="utf-8")
    missing = [
        name
        for name in re.findall(r"(?<![\w/.<>*-])[\w/]+\.(?:py|sh|bat)\b", text)
        if not any(f"/{tracked}".endswith(f"/{name}") for tracked in TRACKED)
    ]
    assert not missing


@each_page
def test_options_exist(page):
    sources = [name for name in TRACKED if name.endswith(".py") and not name.startswith("tests/")]
    declared = re.findall(r'"(--[a-zA-Z][\w-]*)"', "".join((ROOT / name).read_text("utf-8") for name in sources))
    scripts = "".join(path.read_text("utf-8") for path in (ROOT / "run_scripts").glob("*.sh"))
    declared += re.findall(r"^ +(--\w+)\)", scripts, re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])--[a-zA-Z]\w*(?:-\w+)*", page.read_text(encoding="utf-8")))
    assert sorted(named - set(declared) - OTHERS) == []
