"""A harvest as a data set: what is labelled, what is a proposal, what is neither."""

from pathlib import Path

import pytest

from kardus.contract.proposals import COLUMNS
from kardus.support.errors import DataError
from tests.in_process import call
from tests.train.making import plain_photo, write_table
from train.__main__ import main
from train.data.check import Severity, check_data
from train.data.data_set import read_data

HEADER = ("path", "name", "status", "proposed", "seen")


def _table(folder: Path, *rows: tuple[str, ...], header: tuple[str, ...] = HEADER) -> Path:
    for index, row in enumerate(rows):
        plain_photo(folder / row[0], (10 * index, 200 - 9 * index, 30))
    write_table(folder / "labels.csv", header, *rows)
    return folder


def _named(folder: Path) -> list[tuple[str, str]]:
    return [(sample.path.name, sample.name) for sample in read_data(folder).samples]


@pytest.mark.parametrize(
    ("name", "status", "proposed", "becomes"),
    [
        ("", "proposed", "Tea", "proposal"),
        ("", "", "Tea", "proposal"),
        ("", "confirmed", "Tea", "Tea"),
        ("", "Confirmed", "Tea", "Tea"),
        ("Milk", "confirmed", "Tea", "Milk"),
        ("Milk", "proposed", "Tea", "Milk"),
        ("Milk", "rejected", "Tea", "nothing"),
        ("", "rejected", "Tea", "nothing"),
        ("Milk", "", "", "Milk"),
    ],
)
def test_what_becomes_of_a_row(tmp_path: Path, name: str, status: str, proposed: str, becomes: str) -> None:
    data = read_data(_table(tmp_path, ("0.png", name, status, proposed, ""), ("1.png", "Other", "", "", "")))
    labelled = [sample.name for sample in data.samples if sample.path.name == "0.png"]
    assert labelled == ([] if becomes in ("proposal", "nothing") else [becomes])
    assert [p.sku for p in data.proposals] == (["Tea"] if becomes == "proposal" else [])


def test_a_harvest_that_nobody_has_looked_at_is_refused_with_what_can_be_done(tmp_path: Path) -> None:
    folder = _table(tmp_path, ("0.png", "", "proposed", "Tea", ""))
    with pytest.raises(DataError, match="its 1 photos are proposals: confirm them, or use fit --trust-proposed"):
        read_data(folder)
    assert len(read_data(folder, proposals_suffice=True).proposals) == 1


def test_a_status_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: status 'yes': use proposed, confirmed, rejected"):
        read_data(_table(tmp_path, ("0.png", "", "yes", "Tea", "")))


def test_a_product_s_class_is_its_only_one_or_the_face_that_was_seen(tmp_path: Path) -> None:
    write_table(
        tmp_path / "classes.csv",
        ("class", "name", "category", "sku"),
        (0, "Tea-front", "Tea", "Tea"),
        (1, "Tea-side", "Tea", "Tea"),
        (2, "Milk-front", "Milk", "Milk"),
    )
    _table(
        tmp_path,
        ("0.png", "Milk-front", "", "", ""),
        ("1.png", "", "confirmed", "Tea", "Tea-side"),
        ("2.png", "", "confirmed", "Milk", ""),
        ("3.png", "", "proposed", "Tea", "Tea-front"),
        ("4.png", "", "proposed", "Tea", "Milk-front"),
        ("5.png", "", "proposed", "Juice", ""),
    )
    assert _named(tmp_path) == [("0.png", "Milk-front"), ("1.png", "Tea-side"), ("2.png", "Milk-front")]
    assert [p.name for p in read_data(tmp_path).proposals] == ["Tea-front", "", "Juice"]
    _table(tmp_path, ("0.png", "", "confirmed", "Tea", ""))
    with pytest.raises(DataError, match=r"'Tea' has several faces \(Tea-front, Tea-side\): fill in name"):
        read_data(tmp_path)


def test_the_harvests_of_several_boxes_are_one_data_set(tmp_path: Path) -> None:
    for box in ("a", "b"):
        _table(tmp_path / box, ("0.png", "Tea", "", "", ""), ("1.png", "", "proposed", "Milk", ""))
    data = read_data(tmp_path)
    assert [sample.path.parent.name for sample in data.samples] == ["a", "b"]
    assert len(data.proposals) == 2
    assert [info.name for info in data.classes] == ["Tea"]
    rows = (("path", "name", "category"), ("0.png", "Tea", "Drinks"))
    write_table(tmp_path / "b" / "labels.csv", *rows)
    with pytest.raises(DataError, match="class 'Tea' is described differently in its folders: make them agree"):
        read_data(tmp_path)


def test_check_data_tells_how_many_proposals_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _table(tmp_path, ("0.png", "", "proposed", "Tea", ""), ("1.png", "", "proposed", "Milk", ""))
    checked = check_data(read_data(tmp_path, proposals_suffice=True))
    assert [(f.weight, f.what.split(": ")[1]) for f in checked.findings] == [
        (Severity.NOTE, "2 proposals that nobody has confirmed are left out")
    ]
    told = call(capsys, main, "check-data", tmp_path, "--html", tmp_path / "page.html")
    assert told.returncode == 0
    assert "0 photos of 0 classes, 2 proposals" in told.stdout
    assert "2 proposals that nobody has confirmed" in (tmp_path / "page.html").read_text()


def test_a_row_of_the_agent_has_the_columns_that_are_read() -> None:
    assert set(HEADER) <= set(COLUMNS)
