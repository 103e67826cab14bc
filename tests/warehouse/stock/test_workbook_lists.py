"""A stock list in a workbook is read cell by cell, as a person sees it there, or refused with the cell's name."""

import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from openpyxl.styles import PatternFill

from kardus.support.tabular.table_headers import TableLayout
from tests.kardus.support.tabular import workbooks
from tests.kardus.support.tabular.workbooks.making import write_ods, write_xlsb, xlsb_columns
from tests.warehouse.stock.lists import HEADER, csv_list, refusal_of, workbook
from warehouse.stock.stock_list import StockLine, StockRules, read_stock


@pytest.mark.parametrize(
    ("location", "sku", "formats", "said"),
    [
        ("A-1", '="Tea"', {}, "cell B2 ('sku') is a formula without a stored value: open and save the file in"),
        (datetime(2026, 3, 4), "Tea", {}, "cell A2 ('location') is a date or time (2026-03-04 00:00:00)"),  # noqa: DTZ001
        ("A-1", True, {}, "cell B2 ('sku') is a truth value (TRUE): format the column as text"),
        ("A-1", "#N/A", {}, "cell B2 ('sku') shows the error #N/A"),
        ("A-1", 1234567890123456789, {}, "cell B2 ('sku') is a number of 19 digits, of which Excel keeps 15"),
        ("A-1", 8991234567890, {}, "cell B2 ('sku') is the number 8991234567890, which Excel shows otherwise"),
        ("A-1", 8991234567890, {"B2": "@"}, "cell B2 ('sku') is the number 8991234567890, which Excel shows otherwise"),
        ("A-1", 17, {"B2": "0.00"}, "cell B2 ('sku') is the number 17, shown otherwise by its format 0.00"),
        ("A-1", 17.5, {"B2": "0"}, "cell B2 ('sku') is the number 17.5, shown otherwise by its format 0"),
        ("A-1", 0.25, {"B2": "0%"}, "cell B2 ('sku') is the number 0.25, shown otherwise by its format 0%"),
        ("A-1", None, {}, "line 2: no sku"),
    ],
)
def test_a_cell_that_is_no_text_is_read_as_it_is_shown_or_refused(
    tmp_path: Path, location: object, sku: object, formats: dict[str, str], said: str
) -> None:
    path = workbook(tmp_path / "s.xlsx", HEADER, (location, sku), formats=formats)
    assert said in refusal_of(path)


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (17, "0000", "0017"),
        (17, "General", "17"),
        (17.0, "@", "17"),
        (8991234567890, "0", "8991234567890"),
        (-5, "000", "-005"),
        (1.5, "General", "1.5"),
        ("0017", "@", "0017"),
        ("=17", "@", "=17"),
    ],
)
def test_a_number_is_read_as_its_format_shows_it(tmp_path: Path, value: object, number_format: str, shown: str) -> None:
    path = workbook(tmp_path / "s.xlsx", HEADER, ("A-1", 0), formats={})
    book = openpyxl.load_workbook(path)
    cell = book.active["B2"]
    cell.value, cell.number_format = value, number_format
    if isinstance(value, str):
        cell.data_type = "s"
    book.save(path)
    assert read_stock(path) == [StockLine("A-1", shown)]


@pytest.mark.parametrize("column", [2, 3])
@pytest.mark.parametrize("kind", ["xlsx", "xlsb", "ods"])
def test_a_hidden_column_gives_no_quantity_and_no_emptiness(tmp_path: Path, column: int, kind: str) -> None:
    line = ["A-1", "Tea", 5, 0]
    line[column] = 0
    lines = [(*HEADER, "quantity", "empty"), tuple(line)]
    path = tmp_path / f"s.{kind}"
    if kind == "xlsx":
        book = openpyxl.load_workbook(workbook(path, *lines))
        book.active.column_dimensions["CD"[column - 2]].hidden = True
        book.save(path)
    elif kind == "xlsb":
        write_xlsb(path, *lines, columns=xlsb_columns(column, column, 2304, 1))
    else:
        write_ods(path, *lines)
        hidden = f'<table:table-column table:number-columns-repeated="{column}"/><table:table-column table:visibility='
        with zipfile.ZipFile(path) as package:
            content = package.read("content.xml").decode()
        with zipfile.ZipFile(path, "w") as package:
            package.writestr(
                "content.xml", content.replace("<table:table-row>", hidden + '"collapse"/><table:table-row>', 1)
            )
    name = lines[0][column]
    assert f"cell {'CD'[column - 2]}2 ('{name}') is hidden: show all rows and columns" in refusal_of(path)


def test_a_sheet_among_several_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "old"
    book.active.append(HEADER)
    book.active.append(("A-1", "Tea"))
    new = book.create_sheet("new")
    new.append(HEADER)
    new.append(("A-2", "Milk"))
    book.save(tmp_path / "s.xlsx")
    assert "has several sheets (old, new): name the one to read with --sheet" in refusal_of(tmp_path / "s.xlsx")
    assert read_stock(tmp_path / "s.xlsx", StockRules(TableLayout(sheet="new"))) == [StockLine("A-2", "Milk")]
    assert "no sheet 'gone' (found: old, new)" in refusal_of(tmp_path / "s.xlsx", StockRules(TableLayout(sheet="gone")))
    book["old"].sheet_state = "hidden"
    book.active = 1
    book.save(tmp_path / "s.xlsx")
    assert read_stock(tmp_path / "s.xlsx") == [StockLine("A-2", "Milk")]
    assert "has no sheets: leave --sheet out" in refusal_of(
        csv_list(tmp_path / "s.csv", HEADER), StockRules(TableLayout(sheet="x"))
    )


def test_a_cell_far_away_costs_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx", HEADER, ("A-1", "Tea"))
    book = openpyxl.load_workbook(path)
    book.active.cell(1048576, 16384).fill = PatternFill("solid", "ff0000")
    book.save(path)
    assert read_stock(path) == [StockLine("A-1", "Tea")]


@pytest.mark.parametrize(
    ("line", "said"),
    [((None, None, None, "note"), ""), (("A-2", "Tea"), "cell A3 ('location') stands in every row from 3 to 1048576")],
)
def test_what_is_drawn_down_to_the_end_of_an_ods_costs_nothing(
    tmp_path: Path, line: tuple[object, ...], said: str
) -> None:
    path = write_ods(tmp_path / "s.ods", HEADER, ("A-1", "Tea"), line)
    with zipfile.ZipFile(path) as package:
        before, row, last = package.read("content.xml").decode().rpartition("<table:table-row>")
    with zipfile.ZipFile(path, "w") as package:
        drawn = row.replace(">", ' table:number-rows-repeated="1048574">')
        package.writestr("content.xml", before + drawn + last)
    if said:
        assert said in refusal_of(path)
    else:
        assert read_stock(path) == [StockLine("A-1", "Tea")]


def test_a_list_of_a_spreadsheet_program_s_other_kinds_is_read(tmp_path: Path) -> None:
    lines = [(*HEADER, "quantity"), ("A-1", "Tea", 12), ("A-2", "EMPTY", None), ("A-3", "Milk", 0)]
    expected = [StockLine("A-1", "Tea", 12), StockLine("A-2", None), StockLine("A-3", None, 0)]
    assert read_stock(write_ods(tmp_path / "s.ods", *lines)) == expected
    assert read_stock(write_xlsb(tmp_path / "s.xlsb", *lines)) == expected


@pytest.mark.parametrize("write", [write_ods, write_xlsb])
def test_what_these_can_t_tell_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    number = write(tmp_path / "s1", HEADER, ("A-1", 17))
    assert "cell B2 ('sku') is the number 17, and how it is shown can't be told" in refusal_of(number)
    blank = write(tmp_path / "s2", HEADER, ("A-1", None), ("A-2", "Tea"))
    assert "line 2: no sku" in refusal_of(blank)
    assert read_stock(blank, StockRules(blank_is_empty=True)) == [StockLine("A-1", None), StockLine("A-2", "Tea")]


@pytest.mark.parametrize("blank_is_empty", [True, False])
@pytest.mark.parametrize("name", ["errors.ods", "errors.xls"])
def test_an_error_is_not_nothing_in_any_column_of_any_kind(name: str, *, blank_is_empty: bool) -> None:
    said = refusal_of(Path(workbooks.__file__).with_name(name), StockRules(blank_is_empty=blank_is_empty))
    for cell in (
        "B3 ('sku')",
        "D5 ('empty')",
        *(f"{c}6 ('{n}')" for c, n in zip("ABD", ("location", "sku", "empty"), strict=True)),
    ):
        assert f"cell {cell} shows the error #N/A" in said
    assert "cell C4 ('quantity') shows the error #DIV/0!" in said


@pytest.mark.parametrize("write", [write_ods, write_xlsb, workbook])
def test_what_stands_beside_the_list_is_none_of_it(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "s.xlsx", HEADER, ("A-1", "Tea"), (None, None, None, "counted by Ann"))
    assert read_stock(path, StockRules(blank_is_empty=True)) == [StockLine("A-1", "Tea")]


@pytest.mark.parametrize("write", [write_ods, write_xlsb, workbook])
def test_a_line_that_goes_on_where_the_header_ends_is_shifted(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "s.xlsx", HEADER, ("A-1", "Tea"), ("A-2", "old", "Tea"), ("A-3", None, "Tea"))
    said = refusal_of(path, StockRules(blank_is_empty=True))
    assert all(f"cell C{line} is behind the last column that is named: name its column" in said for line in (3, 4))


@pytest.mark.parametrize("write", [csv_list, workbook, write_ods])
def test_the_header_ends_with_its_last_name(tmp_path: Path, write: Callable[..., Path]) -> None:
    name = "s.csv" if write is csv_list else "s.xlsx"
    fine = write(tmp_path / name, (*HEADER, " ", ""), ("A-1", "Tea", "", ""), ("A-2", "Tea", " "), ("A-3", "Tea"))
    assert [line.location for line in read_stock(fine)] == ["A-1", "A-2", "A-3"]
    path = write(tmp_path / name, (*HEADER, " ", ""), ("A-1", "old", "Tea", ""))
    assert "cell C2 is behind" in (said := refusal_of(path)) or "line 2: 4 cells, where 2 columns are named" in said


def test_a_blank_cell_where_the_header_ends_is_none(tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx", (None, *HEADER), (7, "A-1", "Tea", " "), (8, "A-2", "Tea", None, "counted"))
    assert read_stock(path) == [StockLine("A-1", "Tea"), StockLine("A-2", "Tea")]


@pytest.mark.parametrize("write", [workbook, write_ods, write_xlsb])
@pytest.mark.parametrize(("value", "count"), [(0.1 * 3 * 10, 3), (0.29 * 100, 29), (1.1 * 1.1 * 100, 121)])
def test_a_quantity_that_was_reckoned_has_the_digits_that_programs_keep(
    tmp_path: Path, value: float, count: int, write: Callable[..., Path]
) -> None:
    assert value != count
    path = write(tmp_path / "s.xlsx", (*HEADER, "quantity"), ("A-1", "Tea", value))
    assert read_stock(path) == [StockLine("A-1", "Tea", count)]
    path = write(path, (*HEADER, "quantity"), ("A-1", "Tea", value + 1e-6))
    assert "write a whole number" in refusal_of(path)
