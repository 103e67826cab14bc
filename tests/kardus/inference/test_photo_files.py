"""Every file of a folder is a photo, is named, or is counted."""

from pathlib import Path

import pytest

from kardus.inference.photo_files import hidden_note, is_hidden, left_out_notes, sort_folder


@pytest.mark.parametrize(
    "name",
    [
        *("._a.jpg", ".DS_Store", ".Trashes", "__MACOSX", "Icon\r"),
        *("Thumbs.db", "DESKTOP.INI", "$RECYCLE.BIN", "System Volume Information"),
        *("@eaDir", "#recycle", "lost+found", "#snapshot", "~snapshot", "@SynoResource", "@tmp"),
        *("RECYCLER", "FOUND.000", "found.012", "Network Trash Folder", "Temporary Items", "LOST.DIR", "Picasa.ini"),
    ],
)
def test_what_an_operating_system_keeps_for_itself_is_hidden(name: str) -> None:
    assert is_hidden(name)
    assert not is_hidden(f"a{name}")


def test_each_kind_is_told_from_the_others(tmp_path: Path) -> None:
    photos = ["a.jpg", "b.JPG", "c.jfif", "d.jpe", "e.MPO", "f.tif", "g.webp"]
    unread = ["h.jxl", "i.AVIF", "j.gif", "k.nef"]
    others = ["l.txt", "m", "n.jpg"]  # the last is a link that leads nowhere
    hidden = ["._a.jpg", "Thumbs.db"]
    for name in (*photos, *unread, *others[:2], *hidden):
        (tmp_path / name).touch()
    (tmp_path / "n.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "o.jpg").mkdir()
    (tmp_path / "p.jpg").symlink_to(tmp_path / "a.jpg")
    found = sort_folder(tmp_path)
    assert [path.name for path in found.photos] == [*photos, "p.jpg"]
    assert [path.name for path in found.unread] == unread
    assert [path.name for path in found.others] == others
    assert [path.name for path in found.folders] == ["o.jpg"]
    assert sorted(path.name for path in found.hidden) == sorted(hidden)
    assert [path.name for path in found.pictures] == sorted((*photos, *unread, "p.jpg"))


def test_what_is_left_out_is_said_in_a_line_each(tmp_path: Path) -> None:
    for name in ("a.jxl", "b.gif", "notes.txt", "._a.jpg", ".DS_Store"):
        (tmp_path / name).touch()
    found = sort_folder(tmp_path)
    pictures, files = left_out_notes(tmp_path, found)
    assert "2 pictures such as 'a.jxl' are no JPEG" in pictures
    assert pictures.endswith("save them as JPEG")
    assert files == f"{tmp_path}: 1 files such as 'notes.txt' are no photos: left out"
    assert hidden_note(tmp_path, found.hidden) == (f"{tmp_path}: 2 hidden files such as '.DS_Store' are left out",)
    assert hidden_note(tmp_path, ()) == ()


@pytest.mark.usefixtures("without_heic")
def test_of_a_phone_s_photos_it_is_said_what_would_read_them(tmp_path: Path) -> None:
    (tmp_path / "a.HEIC").touch()
    assert left_out_notes(tmp_path, sort_folder(tmp_path))[0].endswith("save them as JPEG, or install pillow-heif")
