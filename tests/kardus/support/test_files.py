"""Files appear whole or not at all, and a target that can't be used is named before the work."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from kardus.support.errors import DataError, UsageError
from kardus.support.files import (
    appearing,
    made_folder,
    make_folder,
    require_file_target,
    require_new_folder,
    write_durably,
    write_private,
    write_whole,
)


def _enter(option: str, path: Path) -> None:
    with made_folder(option, path):
        pytest.fail("it was made")


def _fail_in(path: Path, makes: str) -> None:
    with made_folder("--out", path):
        (path / makes).touch()
        raise UsageError("what was asked for can't be done")


def test_write_whole_replaces_and_leaves_no_part(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("write", [write_whole, write_durably, write_private])
@pytest.mark.parametrize("ends", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_what_ends_while_it_is_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None], ends: BaseException
) -> None:
    """As Ctrl-C does, or a full disk: the bytes are there, and the name isn't theirs yet."""
    write(tmp_path / "file", b"old")

    def end(*_: object) -> None:
        raise ends

    monkeypatch.setattr(Path, "replace", end)
    with pytest.raises(KeyboardInterrupt if isinstance(ends, KeyboardInterrupt) else DataError):
        write(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_target_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(DataError, match=r"folder: cannot be written \(Is a directory\): check"):
        write_whole(tmp_path / "folder", b"x")
    with pytest.raises(DataError, match=r"gone/file: cannot be written \(No such file"):
        write_whole(tmp_path / "gone" / "file", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(
    ("judge", "name", "said"),
    [
        (require_file_target, "folder", "--out .*folder: is a folder: name a file"),
        (require_file_target, "gone/file", "--out .*: no folder .*gone: make it first"),
        (require_file_target, "file/x", "--out .*: no folder .*file: make it first"),
        (require_new_folder, "folder", "--out .*folder: is there already: name a new folder"),
        (require_new_folder, "file/x", "--out .*: .*file can't be written to: name another folder"),
        (make_folder, "file", "--out .*file: can't be made"),
        (make_folder, "file/x", "--out .*x: can't be made"),
        (_enter, "file/x", "--out .*x: can't be made"),
    ],
)
def test_a_target_that_is_no_use_is_named_with_its_option(
    tmp_path: Path, judge: Callable[[str, Path], None], name: str, said: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=said):
        judge("--out", tmp_path / name)


def test_a_good_target_is_accepted(tmp_path: Path) -> None:
    require_file_target("--out", tmp_path / "file")
    require_new_folder("--out", tmp_path / "new")
    make_folder("--out", tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("name", ["new", "old/new", "old/a/new", "old/a/" + "x" * 300, "old"])
def test_a_folder_in_which_nothing_was_made_goes_again_with_its_new_parents(tmp_path: Path, name: str) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(UsageError):
        _fail_in(tmp_path / name, makes="")
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]


def test_a_folder_in_which_something_was_made_stays(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        _fail_in(tmp_path / "a" / "b", makes="half")
    assert (tmp_path / "a" / "b" / "half").exists()


@pytest.mark.parametrize("ends", [KeyboardInterrupt, ValueError, OSError])
def test_a_folder_that_is_not_completed_goes_with_its_new_parents(tmp_path: Path, ends: type[BaseException]) -> None:
    (tmp_path / "there").mkdir()

    def half(folder: Path) -> None:
        with appearing(folder) as building:
            (building / "half").touch()
            raise ends

    for name in ("there/folder", "new/parent/folder"):
        with pytest.raises(ends):
            half(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), appearing(tmp_path / "f") as building:
        (building / "no such folder" / "half").write_text("", encoding="utf-8")
    assert not (tmp_path / "f").exists()
    with appearing(tmp_path / "f") as building:
        (building / "whole").touch()
        assert not (tmp_path / "f").exists()
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["whole"]  # and nothing of the half
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    with pytest.raises(FileExistsError, match="name a new folder"), appearing(tmp_path / "f"):
        pass
