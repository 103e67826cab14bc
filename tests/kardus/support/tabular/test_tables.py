"""Tables come back as they were written, and what can't be read is said with the file's name."""

import csv
import random
import tempfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kardus.support.errors import DataError
from kardus.support.tabular.tables import read_table
from kardus.support.tabular.text_cells import code_of
from tests.edge_agent.making import damaged

CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)


def _written(path: Path, *lines: tuple[object, ...]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path


def _workbook(path: Path, *lines: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


def _complaint(path: Path) -> str:
    """What is said of the file; empty if it can be read."""
    try:
        read_table(path, ("path",))
    except DataError as error:
        return str(error)
    return ""


def _is_itself(cell: str) -> bool:
    """Neither what a spreadsheet program makes of a code, nor a part of a line that is drawn."""
    return code_of(cell) == (cell, "") and bool(cell.strip("-=+|"))


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS.filter(_is_itself), *[CELLS.filter(lambda t: not t or _is_itself(t))] * 2), max_size=6))
def test_what_was_written_as_csv_comes_back(lines: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = _written(Path(folder) / "t.csv", ("path", "name", "split"), *lines)
        rows = read_table(path, ("path", "name"))
    assert [tuple(row.values[key] for key in ("path", "name", "split")) for row in rows] == lines
    assert [row.line for row in rows] == list(range(2, len(lines) + 2))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_a_table_or_a_data_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        complaint = _complaint(path)
    assert not complaint or str(path) in complaint


def test_column_names_ignore_case_and_cells_are_stripped(tmp_path: Path) -> None:
    (row,) = read_table(_written(tmp_path / "t.csv", (" Path ", "NAME"), ("  a.jpg", "Tea ")), ("path", "name"))
    assert row.values == {"path": "a.jpg", "name": "Tea"}


def test_blank_lines_are_left_out_and_lines_keep_their_number(tmp_path: Path) -> None:
    path = _written(tmp_path / "t.csv", ("path",), ("a",), (" ",), ("b",))
    assert [(row.line, row.values["path"]) for row in read_table(path, ("path",))] == [(2, "a"), (4, "b")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfpath,name\na,b\n")
    assert read_table(path, ("path",))[0].values == {"path": "a", "name": "b"}


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    path = _written(tmp_path / "t.csv", ("file", "name"), ("a", "b"))
    with pytest.raises(DataError, match=r"t\.csv: no column 'path' \(found: file, name\)"):
        read_table(path, ("path", "name"))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match=rf"t\{suffix}: no such file"):
        read_table(tmp_path / f"t{suffix}", ("path",))


@pytest.mark.parametrize("content", [b"path\n\xff\xfe", b"path\n" + b"x" * 200_000], ids=["encoding", "cell"])
def test_an_unreadable_csv_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"t\.csv: (is no text in utf-8|not a readable \.csv file|line 2: .* a cell without end)"
    ):
        read_table(path, ("path",))


def test_an_empty_file_lacks_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found: nothing"):
        read_table(_written(tmp_path / "t.csv"), ("path",))


def test_a_workbook_reads_as_it_was_typed(tmp_path: Path) -> None:
    path = _workbook(tmp_path / "t.XLSX", ("Path", "Name"), ("a.jpg", 12.0), (None, None), ("b.jpg", 1.5))
    rows = read_table(path, ("path", "name"))
    assert [(row.line, row.values["path"], row.values["name"]) for row in rows] == [
        (2, "a.jpg", "12"),
        (4, "b.jpg", "1.5"),
    ]


def test_a_workbook_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"path,name\n")
    with pytest.raises(DataError, match=r"t\.xlsx: not a readable \.xlsx file"):
        read_table(path, ("path",))


@pytest.mark.filterwarnings("ignore::UserWarning:openpyxl.*")
def test_a_damaged_workbook_is_read_or_named(tmp_path: Path) -> None:
    path = _workbook(tmp_path / "t.xlsx", ("path", "name"), *((f"{n}.jpg", "Tea") for n in range(5)))
    whole, rng, refused = path.read_bytes(), random.Random(5), 0
    for _ in range(200):
        path.write_bytes(damaged(whole, rng))
        complaint = _complaint(path)
        refused += bool(complaint)
        assert not complaint or "t.xlsx" in complaint
    assert refused > 100


def test_semicolons_separate_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path;name\na, b.jpg;Tea\n", encoding="utf-8")
    assert read_table(tmp_path / "t.csv", ("path", "name"))[0].values == {"path": "a, b.jpg", "name": "Tea"}
