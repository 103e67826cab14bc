"""The forms of a data set, what is refused of each, and the split."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from kardus.contract.manifest import ClassInfo
from kardus.support.errors import DataError
from tests.train.making import COLOURS, class_folders, labelled, plain_photo, write_table
from train.data.data_set import DataSet, Sample, check_trainable, read_data

NAMES = sorted(COLOURS)


def _infos(data: DataSet) -> dict[str, ClassInfo]:
    return {info.name: info for info in data.classes}


def test_drawn_folder_has_its_classes_with_sku_category_and_face(photos: Path) -> None:
    data = read_data(photos)
    assert len(data.samples) == 15 * 8
    assert Counter(sample.split for sample in data.samples) == {"train": 90, "val": 30}
    assert [info.name for info in data.classes][:2] == ["Tea-Original", "Tea-Lemon"]
    side = _infos(data)["Tea-Original-Side"]
    assert (side.sku, side.category, side.variant, side.face) == ("Tea-Original", "Tea", "Original", "side")
    assert all(sample.path.is_file() for sample in data.samples)


def test_labels_without_classes_csv_make_each_name_its_own_sku_and_category(tmp_path: Path) -> None:
    data = read_data(labelled(tmp_path / "data"))
    assert [info.name for info in data.classes] == NAMES
    assert [(info.sku, info.category) for info in data.classes] == [(name, name) for name in NAMES]
    assert data.samples[0] == Sample(tmp_path / "data" / "blue" / "0.png", "blue")


def test_folder_of_class_folders_is_labelled_by_their_names(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "data", each=2)
    (folder / "red" / "notes.txt").write_text("not a photo")
    (folder / "nothing here").mkdir()
    data = read_data(folder)
    assert [info.name for info in data.classes] == NAMES
    assert [(s.path.parent.name, s.path.name, s.name) for s in data.samples] == [
        (name, f"{index}.png", name) for name in NAMES for index in range(2)
    ]


def test_csv_file_may_carry_the_category(tmp_path: Path) -> None:
    class_folders(tmp_path)
    rows = [(f"{name}/0.png", name, "warm" if name == "red" else "cold", "train") for name in NAMES]
    table = write_table(tmp_path / "photos.csv", ("Path", "NAME", "category", "split"), *rows)
    data = read_data(table)
    assert {name: info.category for name, info in _infos(data).items()} == {
        "blue": "cold",
        "green": "cold",
        "red": "warm",
    }
    assert {sample.split for sample in data.samples} == {"train"}


def test_xlsx_file_is_read_with_numbers_as_they_were_typed(tmp_path: Path) -> None:
    plain_photo(tmp_path / "a.png", (1, 2, 3))
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (("path", "name", "category", "sku"), ("a.png", 12.0, "Tea", 4711), (None, None, None, None)):
        sheet.append(row)
    sheet.append(("a.png", "other", None, None))
    book.save(tmp_path / "photos.xlsx")
    data = read_data(tmp_path / "photos.xlsx")
    assert data.samples == (Sample(tmp_path / "a.png", "12"), Sample(tmp_path / "a.png", "other"))
    assert data.classes == (
        ClassInfo(name="12", category="Tea", sku="4711"),
        ClassInfo(name="other", category="other", sku="other"),
    )


def test_byte_order_mark_and_blank_lines_of_a_spreadsheet_are_accepted(tmp_path: Path) -> None:
    plain_photo(tmp_path / "a.png", (1, 2, 3))
    (tmp_path / "labels.csv").write_text("\ufeffpath,name\r\n\r\n a.png , Tea \r\n,\r\n", encoding="utf-8")
    assert read_data(tmp_path).samples == (Sample(tmp_path / "a.png", "Tea"),)


def test_classes_that_no_photo_shows_are_left_out(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "data")
    rows = [(0, "unseen", "x"), *((1 + i, name, "y") for i, name in enumerate(reversed(NAMES)))]
    write_table(folder / "classes.csv", ("class", "name", "category"), *rows)
    assert [info.name for info in read_data(folder).classes] == list(reversed(NAMES))


def _lose_photo(folder: Path) -> None:
    (folder / "green" / "1.png").unlink()


def _rename_column(folder: Path) -> None:
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text().replace("path,name", "path,label"))


def _list_other_classes(folder: Path) -> None:
    write_table(folder / "classes.csv", ("class", "name", "category"), (0, "blue", "b"), (1, "green", "g"))


def _empty_table(folder: Path) -> None:
    (folder / "labels.csv").write_text("path,name\n")


def _empty_file(folder: Path) -> None:
    (folder / "labels.csv").write_text("")


def _empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _unpack_within(folder: Path, part: str = "photos") -> None:
    _empty_folder(folder)
    class_folders(folder / part, each=2)


def _unpack_splits_within(folder: Path) -> None:
    _unpack_within(folder, "photos/train")


def _misspell_split(folder: Path) -> None:
    write_table(folder / "labels.csv", ("path", "name", "split"), ("blue/0.png", "blue", "Vaild"))


def _forget_name(folder: Path) -> None:
    write_table(folder / "labels.csv", ("path", "name"), ("blue/0.png", "blue"), ("blue/1.png",))


def _forget_class_name(folder: Path) -> None:
    rows = [(i, name, "c") for i, name in enumerate(NAMES)]
    write_table(folder / "classes.csv", ("class", "name", "category"), *rows, (3,))


def _blank_class_name(folder: Path) -> None:
    rows = [(i, name, "c") for i, name in enumerate(NAMES)]
    write_table(folder / "classes.csv", ("class", "name", "category"), *rows, (3, "", "c"))


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (shutil.rmtree, ["data: no such data set: name a folder"]),
        (_lose_photo, ["labels.csv: line 7: no photo at ", "green/1.png: restore it, or remove the line"]),
        (_rename_column, ["labels.csv: no column 'name' (found: path, label, split): name the columns"]),
        (_list_other_classes, ["labels.csv: line 10: class 'red' is not in classes.csv: add it there"]),
        (_empty_table, ["labels.csv: no photo is listed: add lines of path,name"]),
        (_empty_file, ["labels.csv: no column 'path' (found: nothing): name the columns"]),
        (_empty_folder, ["data: no labels.csv and no class folder with photos in it: see docs/data.md"]),
        (_unpack_within, ["class folder with photos in it: they are in its only folder: name ", "data/photos"]),
        (_unpack_splits_within, ["class folder with photos in it: they are in its only folder: name ", "data/photos"]),
        (_misspell_split, ["labels.csv: line 2: split 'Vaild': use train, val, test, or leave it empty"]),
        (_forget_name, ["labels.csv: line 3: ends before column 'name'"]),
        (_forget_class_name, ["classes.csv: line 5: ", "name"]),
        (_blank_class_name, ["classes.csv: line 5: ", "name"]),
    ],
)
def test_bad_data_set_is_refused_in_one_line_with_the_remedy(
    tmp_path: Path, spoil: Callable[[Path], None], parts: list[str]
) -> None:
    folder = labelled(tmp_path / "data")
    spoil(folder)
    with pytest.raises(DataError) as failure:
        read_data(folder)
    message = str(failure.value)
    assert "\n" not in message
    assert message.startswith(str(folder))
    for part in parts:
        assert part in message


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_file_that_is_no_table_is_refused(tmp_path: Path, suffix: str) -> None:
    table = tmp_path / f"photos{suffix}"
    table.write_bytes(b"\xff\xd8\xff\xe0 a photo, not a table")
    with pytest.raises(DataError, match=rf"photos\{suffix}: (not a readable \{suffix} file|is no text in)"):
        read_data(table)


def test_select_keeps_one_split_or_all(photos: Path) -> None:
    data = read_data(photos)
    assert {sample.split for sample in data.select("val").samples} == {"val"}
    assert data.select("all") == data


def test_select_of_an_absent_split_says_which_there_are(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photo in split 'test': it marks train, val"):
        read_data(photos).select("test")
    with pytest.raises(DataError, match="no photo in split 'val': it marks no split: use --split all"):
        read_data(labelled(tmp_path)).select("val")


def test_hash_is_the_same_wherever_the_folder_lies(tmp_path: Path) -> None:
    first = labelled(tmp_path / "first")
    second = shutil.copytree(first, tmp_path / "deep" / "second")
    assert read_data(first).sha256() == read_data(second).sha256()


@pytest.mark.parametrize("change", ["photo", "label", "split", "fewer"])
def test_hash_changes_with_photos_labels_and_splits(tmp_path: Path, change: str) -> None:
    folder = labelled(tmp_path / "data")
    before = read_data(folder).sha256()
    labels = folder / "labels.csv"
    lines = labels.read_text().splitlines()
    if change == "photo":
        plain_photo(folder / "red" / "0.png", (1, 1, 1))
    elif change == "label":
        lines[1] = lines[1].replace(",blue,", ",red,")
    elif change == "split":
        lines[1] += "val"
    else:
        del lines[1]
    labels.write_text("\n".join(lines) + "\n")
    assert read_data(folder).sha256() != before


def _unsplit(counts: list[int]) -> DataSet:
    samples = tuple(Sample(Path(f"{c}/{i}.png"), f"class {c}") for c, n in enumerate(counts) for i in range(n))
    return DataSet(Path("data"), samples, ())


def test_training_needs_two_classes() -> None:
    with pytest.raises(DataError, match="only class 'class 0' is in it: a classifier needs two or more"):
        check_trainable(_unsplit([5]))


def test_training_needs_two_photos_a_class() -> None:
    with pytest.raises(DataError, match="class 'class 1' has one photo to train on: add photos"):
        check_trainable(_unsplit([5, 1]))
    check_trainable(_unsplit([2, 2]))


def test_a_class_described_twice_and_differently_is_refused(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    header = ("class", "name", "category", "sku")
    lines = ((0, "blue", "B", "S1"), (1, "green", "G", ""), (2, "red", "R", ""), (3, "blue", "B", "S9"))
    write_table(data / "classes.csv", header, *lines)
    with pytest.raises(DataError, match=r"classes\.csv: line 5: sku of class 'blue' is 'S9' here and 'S1' from line 2"):
        read_data(data)
    rows = [("blue/0.png", "blue", "Tea"), ("blue/1.png", "blue", "Milk")]
    table = write_table(data / "own.csv", ("path", "name", "category"), *rows)
    with pytest.raises(DataError, match=r"own\.csv: line 3: category of class 'blue' is 'Milk' here and 'Tea'"):
        read_data(table)


def test_what_a_table_says_of_a_class_goes_before_classes_csv_which_keeps_the_rest(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    write_table(
        data / "classes.csv", ("class", "name", "category", "sku"), (0, "blue", "B", "S1"), (1, "red", "R", "S1")
    )
    rows = [("blue/0.png", "blue", "Own"), ("red/0.png", "red", ""), ("green/0.png", "green", "New")]
    table = write_table(data / "own.csv", ("path", "name", "category"), *rows)
    found = {info.name: (info.category, info.sku) for info in read_data(table).classes}
    assert found == {"blue": ("Own", "S1"), "red": ("R", "S1"), "green": ("New", "green")}


@pytest.mark.parametrize(
    ("written", "split"),
    [("valid", "val"), ("Validation", "val"), ("TRAINING", "train"), ("testing", "test"), (" val ", "val")],
)
def test_a_split_of_a_table_may_be_called_as_that_of_a_folder(tmp_path: Path, written: str, split: str) -> None:
    data = class_folders(tmp_path / "data")
    write_table(data / "labels.csv", ("path", "name", "split"), ("blue/0.png", "blue", written))
    assert read_data(data).samples[0].split == split


def test_a_split_may_be_written_in_capitals(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    write_table(data / "labels.csv", ("path", "name", "split"), ("blue/0.png", "blue", "Train"))
    assert read_data(data).samples[0].split == "train"


@pytest.mark.usefixtures("without_heic")
def test_photos_that_are_not_read_are_named(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    (data / "blue" / "IMG_1.HEIC").touch()
    (data / "blue" / "Thumbs.db").touch()
    (data / "red" / "folder.jpg").mkdir()
    read = read_data(data)
    assert len(read.samples) == 12
    phone, folder, hidden = read.notes
    assert "blue: 1 pictures such as 'IMG_1.HEIC' are no JPEG" in phone
    assert folder.endswith("red: 'folder.jpg' is a folder in a class: left out")
    assert hidden == f"{data}: 1 hidden files such as 'Thumbs.db' are left out"
    (data / "phone").mkdir()
    (data / "phone" / "a.heic").touch()
    with pytest.raises(DataError, match=r"phone: 'a\.heic' is no JPEG, PNG, WebP, BMP or TIFF: convert"):
        read_data(data)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), []),
        (("tea",), ["class 'tea' has no photo in labels.csv: add photos, unless they are left out on purpose"]),
        (("tea", "milk"), ["2 classes, such as 'tea', have no photo in labels.csv: add photos"]),
    ],
)
def test_classes_without_a_photo_are_named_in_one_line(tmp_path: Path, more: tuple[str, ...], said: list[str]) -> None:
    data = labelled(tmp_path / "data")
    lines = [(number, name, "c") for number, name in enumerate((*NAMES, *more))]
    write_table(data / "classes.csv", ("class", "name", "category"), *lines)
    read = read_data(data)
    assert len(read.notes) == len(said)
    assert all(part in note for part, note in zip(said, read.notes, strict=True))
    assert [info.name for info in read.classes] == NAMES
