"""Folders of results appear completely, are never mixed, and are replaced only with --overwrite."""

from pathlib import Path

import pytest

from util.errors import UserError
from util.files import MARKER, ascii_name, atomic_folder


def build(target: Path, name: str, overwrite: bool = False) -> None:
    with atomic_folder(target, overwrite=overwrite) as folder:
        assert not (target / name).exists()
        (folder / name).write_text(name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_takes_its_name_when_it_is_complete(tmp_path):
    build(tmp_path / "new" / "out", "first")
    assert names(tmp_path / "new") == ["out"]
    assert names(tmp_path / "new" / "out") == [MARKER, "first"]
    (tmp_path / "empty").mkdir()
    build(tmp_path / "empty", "first")
    assert names(tmp_path / "empty") == [MARKER, "first"]


def test_another_result_is_refused_or_replaced_as_a_whole(tmp_path):
    out = tmp_path / "out"
    build(out, "first")
    with pytest.raises(UserError, match="--overwrite"):
        build(out, "second")
    assert names(out) == [MARKER, "first"]
    build(out, "second", overwrite=True)
    assert names(out) == [MARKER, "second"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError, OSError(28, "No space left on device")])
def test_an_interrupted_build_leaves_and_changes_nothing(tmp_path, error):
    out = tmp_path / "out"
    build(out, "first")

    def broken_off() -> None:
        with atomic_folder(out, overwrite=True) as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(UserError if isinstance(error, OSError) else error):
        broken_off()
    assert names(out) == [MARKER, "first"]
    assert names(tmp_path) == ["out"]


def test_leftovers_of_a_killed_run_are_not_used(tmp_path):
    stopped = atomic_folder(tmp_path / "out", overwrite=False)
    (stopped.__enter__() / "half").write_text("half")
    assert names(tmp_path) == ["out.part"]
    build(tmp_path / "out", "first")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == [MARKER, "first"]


@pytest.mark.parametrize("place", ["out", "out.part", "out.part-old"])
def test_files_of_the_users_are_never_removed(tmp_path, place):
    mine = tmp_path / place / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UserError, match=f"{place}: holds other files"):
        build(tmp_path / "out", "first", overwrite=True)
    assert mine.read_text() == "mine"


def test_what_cannot_be_replaced_is_reported(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "broken link")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for target, complaint in (("file", "a file"), ("link", "broken link"), ("here", "new folder inside it")):
        with pytest.raises(UserError, match=complaint):
            build(tmp_path / target, "first", overwrite=True)


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    build(tmp_path / "out", "first")
    assert (tmp_path / "out").is_symlink()
    assert names(tmp_path / "disk") == [MARKER, "first"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("males_model", "males_model"),
        ("v1.0-b", "v1.0-b"),
        ("Männer & Frauen", "Manner_Frauen"),
        ("a/b\\c", "a_b_c"),
        ("../../evil", "evil"),
        ("東京", "Dong_Jing"),
        ("", "unnamed"),
        ("///", "unnamed"),
    ],
)
def test_ascii_names(name, plain):
    assert ascii_name(name) == plain
