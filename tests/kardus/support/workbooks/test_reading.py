"""Workbooks are known by their content, and read by who can; whatever is wrong is one line with the remedy."""

import zipfile
from pathlib import Path

import pytest

from kardus.support.errors import DataError
from kardus.support.workbooks.cells import Cell
from kardus.support.workbooks.reading import workbook_kind, workbook_lines
from tests.kardus.support.workbooks.making import write_ods, write_xlsb, write_xlsx, xlsb_columns

XLS, FILTERED_XLS = Path(__file__).with_name("stock.xls"), Path(__file__).with_name("filtered.xls")
"""As LibreOffice 7.4 saved them; the second one has three sheets, two charts and a filter on the last sheet."""
LINES = (("location", "sku", "quantity"), ("A-1", "Tea", 3), ("A-2", None, 2.5))


@pytest.mark.parametrize(("kind", "write"), [(".ods", write_ods), (".xlsb", write_xlsb)])
def test_texts_are_read_and_numbers_can_t_be_told(tmp_path: Path, kind: str, write: object) -> None:
    path = write(tmp_path / "s.bin", *LINES)  # type: ignore[operator]
    assert workbook_kind(path) == kind
    (_, first), (number, second), (_, third) = workbook_lines(path)
    assert [cell.text for cell in first.values()] == ["location", "sku", "quantity"]
    assert (number, second[0], second[1]) == (2, Cell("A-1"), Cell("Tea"))
    assert second[2].value == "3"
    assert f"how it is shown can't be told of {kind} files: save the file as .xlsx" in second[2].problem
    assert 1 not in third
    assert third[2].value == "2.5"


@pytest.mark.parametrize("write", [write_ods, write_xlsb])
def test_a_table_may_begin_anywhere(tmp_path: Path, write: object) -> None:
    path = write(tmp_path / "s.bin", (), (None, None, "location"), (), (None, None, "A-1", "Tea"))  # type: ignore[operator]
    found = [(number, {place: cell.text for place, cell in cells.items()}) for number, cells in workbook_lines(path)]
    assert found == [(2, {2: "location"}), (4, {2: "A-1", 3: "Tea"})]


def test_an_xls_of_a_spreadsheet_program_is_read() -> None:
    assert workbook_kind(XLS) == ".xls"
    assert [(number, cells[0].text, cells[1].text) for number, cells in workbook_lines(XLS)] == [
        (1, "location", "sku"),
        (2, "A-1", "Tea"),
        (3, "A-2", "EMPTY"),
        (4, "A-3", "Müsli"),
    ]


@pytest.mark.parametrize("word", ["collapse", "filter"])
def test_hidden_rows_and_columns_of_an_ods_say_so(tmp_path: Path, word: str) -> None:
    plain = write_ods(tmp_path / "plain.ods", ("location", "sku", "note"), *((f"A-{n}", "Tea", "x") for n in range(4)))
    with zipfile.ZipFile(plain) as package:
        parts = {name: package.read(name).decode() for name in package.namelist()}
    head, *rows = parts["content.xml"].split("<table:table-row>")
    column, hidden = '<table:table-column table:number-columns-repeated="2"/>', f'table:visibility="{word}"'
    rows = [f"<table:table-row{f' {hidden}' if place in (2, 4) else ''}>{row}" for place, row in enumerate(rows)]
    parts["content.xml"] = f"{head}{column}<table:table-column {hidden}/>{''.join(rows)}"
    with zipfile.ZipFile(tmp_path / "s.ods", "w") as package:
        for name, content in parts.items():
            package.writestr(name, content)
    found = [[bool(cell.problem) for cell in cells.values()] for _, cells in workbook_lines(tmp_path / "s.ods")]
    seen, gone = [False, False, True], [True, True, True]
    assert found == [seen, seen, gone, seen, gone]


def test_hidden_rows_and_columns_of_an_xls_say_so() -> None:
    found = [[bool(cell.problem) for cell in cells.values()] for _, cells in workbook_lines(FILTERED_XLS, "Stock")]
    seen, gone = [False, False, True], [True, True, True]
    assert found == [seen, seen, gone, seen, gone, seen]
    assert not any(
        cell.problem for _, cells in workbook_lines(FILTERED_XLS, "Notes") for cell in cells.values() if not cell.value
    )


@pytest.mark.parametrize("columns", [xlsb_columns(1, 2, 2304, 1), xlsb_columns(1, 1, 0, 2)])
def test_hidden_rows_and_columns_of_an_xlsb_say_so(tmp_path: Path, columns: bytes) -> None:
    lines = [("location", "sku")] + [(f"A-{n}", "Tea") for n in range(4)]
    rows = {2: (300, 0x10), 3: (0, 0), 4: (300, 0x20 | 0x08)}  # by its flag, by its height; unsynchronised, collapsed
    path = write_xlsb(tmp_path / "s.bin", *lines, hidden=rows, columns=columns)
    found = [[bool(cell.problem) for cell in cells.values()] for _, cells in workbook_lines(path, "S")]
    seen, gone = [False, True], [True, True]
    assert found == [seen, seen, gone, gone, seen]


def test_a_cell_so_far_away_that_the_library_asks_for_all_memory_ends_nobody(tmp_path: Path) -> None:
    path = write_xlsb(tmp_path / "s.xlsb", ("location", "sku"), ("A-1", "Tea"), far=(1048575, 16383))
    with pytest.raises(DataError, match=r"not a readable \.xlsb file: save it as an \.xlsx file"):
        list(workbook_lines(path))


def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path: Path) -> None:
    book = write_xlsx(tmp_path / "s.csv", "<row><c><v>1</v></c></row>")
    assert workbook_kind(book) == ".xlsx"
    (tmp_path / "text.xls").write_text("location\tsku\n")
    assert not workbook_kind(tmp_path / "text.xls")
    assert not workbook_kind(tmp_path / "missing.xlsx")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (XLS.read_bytes()[:600], r"not a readable \.xls file: take its password away, or save it as an \.xlsx file"),
        (b"PK\x03\x04 and no more", r"not a readable \.xlsx file: save it as an \.xlsx file"),
        (b"", r"not a readable \.xlsx file"),
    ],
)
def test_a_damaged_workbook_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "s.xlsx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(workbook_lines(path))
