"""Folders that are classes, as people and their computers leave them."""

import os
from pathlib import Path

import pytest

from kardus.support.errors import DataError
from tests.in_process import assert_one_line, call
from tests.train.making import COLOURS, class_folders, plain_photo, write_table
from train.__main__ import main
from train.data.data_set import Sample, read_data
from train.data.splits import with_split

Capture = pytest.CaptureFixture[str]
NFC, NFD = "M\u00fcsli", "Mu\u0308sli"


def _halves(folder: Path, *names: str) -> Path:
    for name in names:
        class_folders(folder / name, each=2)
    return folder


def test_hidden_files_are_skipped_and_counted(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    plain = read_data(data)
    for hidden in ("blue/._0.png", "blue/.DS_Store", "red/Thumbs.db", ".DS_Store"):
        (data / hidden).write_bytes(b"\0\5\x16\7")
    for folder in ("__MACOSX", "@eaDir", ".cache"):
        plain_photo(data / folder / "0.png", (1, 2, 3))
    read = read_data(data)
    assert read.samples == plain.samples
    assert read.notes == (f"{data}: 7 hidden files such as '.DS_Store' are left out",)
    assert read.sha256() == plain.sha256()


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "val"), ("train", "val")),
        (("Train", "VALIDATION", "test"), ("train", "val", "test")),
        (("training", "valid"), ("train", "val")),
        (("train", "test"), ("train", "test")),
    ],
)
def test_folders_of_splits_mark_them(tmp_path: Path, names: tuple[str, ...], splits: tuple[str, ...]) -> None:
    read = read_data(_halves(tmp_path / "data", *names))
    assert [info.name for info in read.classes] == sorted(COLOURS)
    for name, split in zip(names, splits, strict=True):
        marked = [sample for sample in read.samples if sample.split == split]
        assert sorted(marked, key=lambda s: s.path) == sorted(
            (Sample(path, path.parent.name, split) for path in (tmp_path / "data" / name).glob("*/*.png")),
            key=lambda s: s.path,
        )
    assert {sample.split for sample in read.samples} == set(splits)
    assert read.notes == ()
    assert {sample.split for sample in with_split(read, 0.5, 0).samples} >= {"train", "val"}


def test_what_lies_beside_the_splits_is_named(tmp_path: Path) -> None:
    data = _halves(tmp_path / "data", "train", "val")
    (data / "raw").mkdir()
    plain_photo(data / "loose.png", (0, 0, 0))
    raw, loose = read_data(data).notes
    assert raw == f"{data}: 'raw' is none of train, val and test: left out"
    assert loose.startswith(f"{data}: 1 photos such as 'loose.png' lie beside the folders of classes: left out")


def test_a_class_beside_the_splits_is_refused(tmp_path: Path) -> None:
    data = _halves(tmp_path / "data", "train", "val")
    plain_photo(data / "yellow" / "0.png", (200, 200, 0))
    with pytest.raises(DataError, match=r"'train' is divided into classes, and 'yellow' is one: move it into a split"):
        read_data(data)


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    (data / "blue").rename(data / "train")
    read = read_data(data)
    assert {(sample.name, sample.split) for sample in read.samples} == {("train", ""), ("green", ""), ("red", "")}


@pytest.mark.parametrize("name", ["Empty", "EMPTY", "empty"])
def test_the_class_empty_may_be_written_in_any_case(tmp_path: Path, name: str) -> None:
    data = class_folders(tmp_path / "data")
    plain_photo(data / name / "0.png", (9, 9, 9))
    assert "empty" in [info.sku for info in read_data(data).classes]


def test_a_mac_s_folder_and_a_table_from_elsewhere_are_of_one_class(tmp_path: Path) -> None:
    for number, folder in enumerate((NFD, NFC)):
        plain_photo(tmp_path / "data" / folder / f"{number}.png", (9, 9, 9))
        plain_photo(tmp_path / "data" / "blue" / f"{number}.png", COLOURS["blue"])
    read = read_data(tmp_path / "data")
    assert [info.name for info in read.classes] == [NFC, "blue"] or [info.name for info in read.classes] == [
        "blue",
        NFC,
    ]
    assert sorted(sample.name for sample in read.samples) == sorted([NFC, NFC, "blue", "blue"])


def test_a_table_finds_its_photos_and_classes_in_either_spelling(tmp_path: Path) -> None:
    plain_photo(tmp_path / NFD / "0.png", (9, 9, 9))
    plain_photo(tmp_path / "e" / "0.png", (1, 1, 1))
    write_table(
        tmp_path / "labels.csv",
        ("path", "name", "status", "proposed"),
        (f"{NFC}/0.png", NFD, "", ""),
        ("e/0.png", "", "confirmed", "Empty"),
    )
    write_table(tmp_path / "classes.csv", ("class", "name", "category"), (0, NFC, "grain"), (1, "EMPTY", "none"))
    read = read_data(tmp_path)
    assert read.samples == (Sample(tmp_path / NFD / "0.png", NFC), Sample(tmp_path / "e" / "0.png", "empty"))
    assert [(info.name, info.category) for info in read.classes] == [(NFC, "grain"), ("empty", "none")]
    assert read.notes == ()


def test_folders_that_are_no_classes_and_links_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    (data / "nothing").mkdir()
    plain_photo(data / "family" / "yellow" / "0.png", (200, 200, 0))
    (data / "red" / "x.jpg").symlink_to(data / "gone.jpg")
    notes = read_data(data).notes
    assert f"{data / 'nothing'}: holds no photo and is no class: left out" in notes
    assert f"{data / 'family'}: holds folders and is no class: left out" in notes
    assert f"{data / 'red'}: 1 files such as 'x.jpg' are no photos: left out" in notes


def test_hidden_folders_with_labels_are_no_part_of_a_data_set(tmp_path: Path) -> None:
    for box in ("box-1", "@eaDir"):
        plain_photo(tmp_path / box / "0.png", (9, 9, 9))
        write_table(tmp_path / box / "labels.csv", ("path", "name"), ("0.png", box))
    assert [info.name for info in read_data(tmp_path).classes] == ["box-1"]


LATIN = os.fsdecode(b"Erdbeer\xe9")


@pytest.mark.parametrize("place", ["data/{}/0.png", "data/blue/{}.png", "{}/blue/9.png", "data/{}/0.png under a table"])
def test_names_that_are_no_utf8_are_refused_before_a_page_or_a_table_has_to_name_them(
    tmp_path: Path, capsys: Capture, place: str
) -> None:
    photo = tmp_path / place.removesuffix(" under a table").format(LATIN)
    source = class_folders(tmp_path / photo.relative_to(tmp_path).parts[0])
    plain_photo(photo, (1, 2, 3))
    if place.endswith("table"):
        write_table(photo.parent / "labels.csv", ("path", "name"), ("0.png", "blue"))
        source = photo.parent
    refused = call(capsys, main, "check-data", source, "--html", tmp_path / "page.html")
    assert_one_line(refused, 1, "Erdbeer\\xe9", "its name isn't UTF-8: rename it")
    assert not (tmp_path / "page.html").exists()


def test_a_folder_of_strangers_with_such_a_name_is_refused(
    tmp_path: Path, run_folder: Path, photos: Path, capsys: Capture
) -> None:
    plain_photo(tmp_path / "strangers" / f"{LATIN}.png", (1, 2, 3))
    refused = call(capsys, main, "evaluate", run_folder, photos, "--unknown", tmp_path / "strangers")
    assert_one_line(refused, 1, "Erdbeer\\xe9.png", "its name isn't UTF-8: rename it")


def test_a_folder_whose_name_is_too_long_for_a_class_is_refused(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data")
    plain_photo(data / ("x" * 201) / "0.png", (1, 2, 3))
    assert_one_line(call(capsys, main, "check-data", data), 1, "has at most 200 characters: rename the folder")
