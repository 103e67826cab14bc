"""Workbooks are known by their content, and read by who can; whatever is wrong is one line with the remedy."""

import struct
import time
import zipfile
from pathlib import Path

import pytest

from kardus.support.errors import DataError
from kardus.support.tabular.workbooks import subprocess_reader
from kardus.support.tabular.workbooks.cells import (
    LOST_FORMULA,
    Cell,
    date_cell,
    error_cell,
    hidden_cell,
    truth_cell,
    unformatted_cell,
)
from kardus.support.tabular.workbooks.reading import workbook_kind, workbook_lines
from kardus.support.tabular.workbooks.sheet_supplement import FarCellError
from kardus.support.tabular.workbooks.subprocess_reader import SubprocessWorkbook
from kardus.support.tabular.workbooks.xlsx import Sheet
from tests.kardus.support.tabular.workbooks.making import (
    Written,
    write_ods,
    write_xlsb,
    write_xlsx,
    xlsb_calculation,
    xlsb_columns,
)

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


FAR = [(1048575, 3), (1048575, 30), (1001, 16383), (1048575, 16383)]
"""Places of one cell: far down, far to the right, both."""


@pytest.mark.parametrize("far", FAR)
def test_a_cell_far_away_in_an_ods_costs_nothing(tmp_path: Path, far: tuple[int, int]) -> None:
    lines = [("location", "sku"), *((f"A-{n}", "Tea") for n in range(1000))]
    path = write_ods(tmp_path / "s.ods", *lines, far=far)
    began_s = time.process_time()
    found = list(workbook_lines(path))
    assert time.process_time() - began_s < 1
    assert (len(found), found[-1]) == (1002, (far[0] + 1, {far[1]: Cell("x")}))


@pytest.mark.parametrize(("far", "said"), [(far, ("D", "AE", "XFD", "XFD")[n]) for n, far in enumerate(FAR)][1:])
def test_a_cell_so_far_away_that_the_library_asks_for_much_memory_is_named(
    tmp_path: Path, far: tuple[int, int], said: str
) -> None:
    path = write_xlsb(tmp_path / "s.xlsb", ("location", "sku"), *[("A-1", "Tea")] * 1000, far=far)
    with pytest.raises(DataError, match=rf"in lines up to {far[0] + 1} and in columns up to {said}, .* delete those"):
        list(workbook_lines(path))


def test_a_cell_far_away_in_another_sheet_is_nobody_s_matter() -> None:
    one, other = Sheet("S", True, "S"), Sheet("T", True, "T")
    book = SubprocessWorkbook.__new__(SubprocessWorkbook)
    book.sheets, book._lines = [one, other], {one: [(1, {0: Cell("x")})], other: "far"}
    assert list(book.lines(one)) == [(1, {0: Cell("x")})]
    with pytest.raises(FarCellError):
        list(book.lines(other))


def test_a_reader_that_is_ended_ends_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_reader, "_MAX_BYTES", 1)
    monkeypatch.setattr(subprocess_reader, "_MODULE", "kardus.none")
    path = write_xlsb(tmp_path / "s.xlsb", ("location", "sku"), ("A-1", "Tea"))
    with pytest.raises(DataError, match=r"not a readable \.xlsb file: save it as an \.xlsx file"):
        list(workbook_lines(path))


@pytest.mark.parametrize("name", ["errors.ods", "errors.xls"])
def test_a_cell_that_shows_an_error_is_no_blank_one(name: str) -> None:
    found = dict(workbook_lines(XLS.with_name(name)))
    errors = {
        (number, place): cell.problem.removeprefix("shows the error ").partition(":")[0]
        for number, cells in found.items()
        for place, cell in cells.items()
        if "shows the error" in cell.problem
    }
    line_of_errors = {(6, place): "#N/A" for place in range(4)}
    assert errors == {(3, 1): "#N/A", (4, 2): "#DIV/0!", (5, 3): "#N/A", **line_of_errors, (7, 1): "#NAME?"}
    assert found[2][0] == Cell("A-1"), "what is remarked there is none of it"
    assert [found[number][1].text for number in (11, 12, 13)] == ["  two  spaces", "Tea", "Tea"]


def test_a_formula_of_an_xls_that_shows_nothing_may_be_one_that_nobody_calculated() -> None:
    found = dict(workbook_lines(XLS.with_name("errors.xls")))
    for cell in (found[8][1], found[9][2]):
        assert "shows nothing, or that nobody calculated, which can't be told of .xls files" in cell.problem


def test_formulas_of_an_xls_that_were_never_calculated_are_not_believed(tmp_path: Path) -> None:
    content = XLS.with_name("errors.xls").read_bytes()
    grid, uncalculated = b"\x2b\x00\x02\x00", b"\x5e\x00\x02\x00"
    assert grid in content
    (tmp_path / "s.xls").write_bytes(content.replace(grid, uncalculated, 1))
    found = dict(workbook_lines(tmp_path / "s.xls"))
    assert {found[10][2], found[11][2], found[4][2]} == {LOST_FORMULA}
    assert found[2][2].value == "3"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (Written(3, b"\x2a"), "shows the error #N/A"),
        (Written(3, b"\x07"), "shows the error #DIV/0!"),
        (Written(11, b"\x1d\x00\x00"), "shows the error #NAME?"),
        (Written(62, b"\x00\x03\x00\x00\x00T\x00e\x00a\x00"), "isn't read of .xlsb files: save the file as .xlsx"),
        (Written(17, b"\x03\x00\x00\x00T\x00e\x00a\x00"), "isn't read of .xlsb files: save the file as .xlsx"),
    ],
)
def test_what_the_library_gives_nothing_of_is_no_blank_cell(tmp_path: Path, cell: Written, said: str) -> None:
    path = write_xlsb(tmp_path / "s.xlsb", ("location", "sku"), ("A-1", cell), (cell, cell), (None, Written(1, b"")))
    (_, _), (_, second), (number, third) = workbook_lines(path)
    assert (number, second[0]) == (3, Cell("A-1"))
    assert all(said in shown.problem for shown in (second[1], third[0], third[1]))


@pytest.mark.parametrize(
    "cell", [Written(9, struct.pack("<dH", 3, 0)), Written(8, b"\0\0\0\0\0\0"), Written(11, b"\x2a\0\0")]
)
def test_formulas_of_an_xlsb_that_were_never_calculated_are_not_believed(tmp_path: Path, cell: Written) -> None:
    for when_opened in (True, False):
        calculation = xlsb_calculation(when_opened=when_opened)
        path = write_xlsb(tmp_path / "s.xlsb", ("location", "sku"), ("A-1", cell), calculation=calculation)
        _, (_, cells) = workbook_lines(path)
        assert (cells.get(1) == LOST_FORMULA) == when_opened


ODS_CELLS = [
    (
        'table:formula="of:=B1" office:value-type="float" office:value="0"><text:p>#¡REF!</text:p></table:table-cell>',
        error_cell("#¡REF!"),
    ),
    (
        'table:formula="of:=A1" office:value-type="float" office:value="0"><text:p>#ΤΙΠΟΤΑ</text:p></table:table-cell>',
        error_cell("#ΤΙΠΟΤΑ"),
    ),
    (
        'table:formula="of:=A1" office:value-type="float" office:value="5"><text:p>#5</text:p></table:table-cell>',
        unformatted_cell(5, ".ods"),
    ),
    ('table:formula="of:=A1"/>', LOST_FORMULA),
    ('table:formula="of:=A1" office:value-type="float"/>', LOST_FORMULA),
    ('table:formula="of:=A1" office:value-type="string"/>', LOST_FORMULA),
    ('table:formula="of:=A1" office:value-type="boolean"/>', LOST_FORMULA),
    ('table:formula="of:=A1"><text:p/></table:table-cell>', None),
    ('office:value-type="string" office:string-value="Tea"/>', Cell("Tea")),
    ("><text:p>Tea</text:p></table:table-cell>", Cell("Tea")),
    ('office:value-type="string"><text:p>Te<text:span>a</text:span></text:p></table:table-cell>', Cell("Tea")),
    ('office:value-type="string"><text:p>T<text:s text:c="2"/>a\n b</text:p></table:table-cell>', Cell("T  a b")),
    ("><text:p>T<text:tab/>a</text:p><text:p>b</text:p></table:table-cell>", Cell("T\ta\nb")),
    ("><office:annotation><text:p>no</text:p></office:annotation><text:p>Tea</text:p></table:table-cell>", Cell("Tea")),
    ('office:value-type="boolean" office:boolean-value="true"/>', truth_cell(is_true=True)),
    ('office:value-type="date" office:date-value="2026-03-04"/>', date_cell("2026-03-04")),
    ('office:value-type="percentage" office:value="0.5"/>', unformatted_cell(0.5, ".ods")),
]


@pytest.mark.parametrize(("cell", "shown"), ODS_CELLS)
def test_every_kind_of_an_ods_cell_is_read(tmp_path: Path, cell: str, shown: Cell | None) -> None:
    written = Written(0, f"<table:table-cell {cell}".encode())
    (_, cells), *_ = workbook_lines(write_ods(tmp_path / "s.ods", ("location", written, "x")))
    assert cells == {0: Cell("location"), 2: Cell("x")} | ({1: shown} if shown else {})


def test_cells_and_rows_of_an_ods_that_are_repeated_are_many(tmp_path: Path) -> None:
    again = Written(0, b'<table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell>')
    path = _with_rows(write_ods(tmp_path / "s.ods", ("location", again, "y")), ' table:number-rows-repeated="3"')
    cells = {0: Cell("location"), 1: Cell("x"), 2: Cell("x"), 3: Cell("y")}
    assert list(workbook_lines(path)) == [(number, cells) for number in (1, 2, 3)]


def test_a_row_of_an_ods_that_is_drawn_down_to_the_end_is_one_that_says_so(tmp_path: Path) -> None:
    path = _with_rows(write_ods(tmp_path / "s.ods", ("location", 5)), ' table:number-rows-repeated="1048576"')
    ((number, cells),) = workbook_lines(path)
    assert (number, [cell.text for cell in cells.values()]) == (1, ["location", "5"])
    for cell in cells.values():
        assert (cell.problem.partition(":")[0], cell.value) == ("stands in every row from 1 to 1048576", "")


@pytest.mark.parametrize("times", ["1048577", "1" * 30, "1" * 5000, "many"])
def test_more_rows_and_columns_than_a_sheet_has_are_refused(tmp_path: Path, times: str) -> None:
    again = f'<table:table-cell table:number-columns-repeated="{times}"><text:p>x</text:p></table:table-cell>'
    wide = write_ods(tmp_path / "s.ods", ("location", Written(0, again.encode())))
    long = _with_rows(write_ods(tmp_path / "t.ods", ("location",)), f' table:number-rows-repeated="{times}"')
    for path in (wide, long):
        with pytest.raises(DataError, match=r"not a readable \.ods file"):
            list(workbook_lines(path))


@pytest.mark.parametrize("value", ["1_7", "inf", "nan", "0x11", "seven"])
def test_what_is_no_number_in_an_ods_is_none(tmp_path: Path, value: str) -> None:
    cell = f'<table:table-cell office:value-type="float" office:value="{value}"/>'
    with pytest.raises(DataError, match=r"not a readable \.ods file"):
        list(workbook_lines(write_ods(tmp_path / "s.ods", ("location", Written(0, cell.encode())))))


def test_what_a_merged_cell_of_an_ods_covers_nobody_sees(tmp_path: Path) -> None:
    covered = Written(0, b"<table:covered-table-cell><text:p>x</text:p></table:covered-table-cell>")
    _, (_, cells) = workbook_lines(write_ods(tmp_path / "s.ods", ("location", "sku"), ("A-1", covered)))
    assert cells == {0: Cell("A-1"), 1: hidden_cell(Cell("x"))}


def test_sheets_of_an_ods_that_nobody_sees_are_not_meant(tmp_path: Path) -> None:
    path = write_ods(tmp_path / "s.ods", ("location", "sku"), ("A-1", "Tea"))
    content = zipfile.ZipFile(path).read("content.xml").decode()
    table = content[content.index("<table:table ") : content.index("</office:spreadsheet>")]
    hidden = table.replace('table:name="S"', 'table:name="Old" table:style-name="ta2"').replace("Tea", "Old tea")
    style = (
        '<office:automatic-styles xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"><style:style '
        'style:name="ta2"><style:table-properties table:display="false"/></style:style></office:automatic-styles>'
    )
    content = content.replace(table, hidden + table).replace("<office:body>", f"{style}<office:body>")
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("content.xml", content)
    assert [cells[1].text for _, cells in workbook_lines(path)] == ["sku", "Tea"]
    assert [cells[1].text for _, cells in workbook_lines(path, "Old")] == ["sku", "Old tea"]


def _with_rows(path: Path, attributes: str) -> Path:
    """The .ods file with these attributes at every row."""
    content = zipfile.ZipFile(path).read("content.xml").decode()
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("content.xml", content.replace("<table:table-row", f"<table:table-row{attributes}"))
    return path


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
