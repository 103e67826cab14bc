"""An .xlsx file is read as Excel shows it, whichever program wrote it."""

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from kardus.support.errors import DataError
from kardus.support.tabular.workbooks.cells import LOST_FORMULA, Cell, hidden_cell
from kardus.support.tabular.workbooks.reading import workbook_lines
from kardus.support.tabular.workbooks.shared_texts import shared_texts
from kardus.support.tabular.workbooks.sheet_parser import _SheetParser, sheet_lines
from kardus.support.tabular.workbooks.xlsx import XlsxFile
from tests.kardus.support.tabular.workbooks.making import write_xlsx

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=12
)


def _cells(path: Path) -> dict[int, Cell]:
    ((_, cells),) = workbook_lines(path)
    return cells


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c t="inlineStr"><is><t>Tea</t></is></c>', Cell("Tea")),
        ('<c t="inlineStr"><is><r><t>Te</t></r><r><t>a</t></r></is></c>', Cell("Tea")),
        ('<c t="str"><f>"Te"&amp;"a"</f><v>Tea</v></c>', Cell("Tea")),
        ('<c t="s"><v>0</v></c>', Cell("Tea")),
        ('<c t="s"><v>1</v></c>', Cell("Ryokucha")),
        ('<c t="s"><v>2</v></c>', Cell("A_\tB")),
        ("<c><v>17</v></c>", Cell("17", "", "17")),
        ('<c t="n"><v>1.7E1</v></c>', Cell("17", "", "17")),
        ("<c><f>1+1</f><v>2</v></c>", Cell("2", "", "2")),
        ("<c><f>1+1</f></c>", LOST_FORMULA),
        ("<c><f>1+1</f><v></v></c>", LOST_FORMULA),
    ],
)
def test_every_kind_of_cell_is_read(tmp_path: Path, cell: str, shown: Cell) -> None:
    shared = (
        "<si><t>Tea</t></si>"
        "<si><r><t>Ryoku</t></r><r><t>cha</t></r><rPh sb='0' eb='1'><t>how it is pronounced</t></rPh></si>"
        "<si><t>A_x005F__x0009_B</t></si>"
    )
    assert _cells(write_xlsx(tmp_path / "s.xlsx", f"<row>{cell}</row>", shared=shared)) == {0: shown}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('<c t="b"><v>1</v></c>', "is a truth value (TRUE)"),
        ('<c t="e"><v>#N/A</v></c>', "shows the error #N/A"),
        ('<c t="e"><f>1/0</f><v>#DIV/0!</v></c>', "shows the error #DIV/0!"),
        ('<c t="d"><v>2026-03-04</v></c>', "is a date or time (2026-03-04)"),
        ('<c s="1"><v>8991234567890</v></c>', "is a date or time (8991234567890 days): the program turned it into one"),
        ('<c s="1"><v>-1000000</v></c>', "is a date or time (-1000000 days)"),
        ('<c s="1"><v>46085</v></c>', "is a date or time (2026-03-04 00:00:00)"),
        ('<c s="2"><v>0.25</v></c>', "shown otherwise by its format 0%"),
        ("<c><v>1E-7</v></c>", "is the number 1e-07, which Excel shows otherwise"),
        ('<c s="3"><v>2</v></c>', "shown otherwise by its format #12"),
    ],
)
def test_what_shows_something_else_says_so(tmp_path: Path, cell: str, said: str) -> None:
    path = write_xlsx(tmp_path / "s.xlsx", f"<row>{cell}</row>", formats=(0, 14, 9, 12))
    assert said in _cells(path)[0].problem


@pytest.mark.parametrize(
    "cell",
    [
        *('<c t="s"><v>-1</v></c>', '<c t="s"><v>1</v></c>', '<c t="s"><v>0_0</v></c>', '<c t="x"><v>1</v></c>'),
        *("<c><v>1_7</v></c>", "<c><v>inf</v></c>", "<c><v>nan</v></c>", "<c><v>0x11</v></c>"),
    ],
)
def test_what_no_program_writes_makes_no_other_cell(tmp_path: Path, cell: str) -> None:
    path = write_xlsx(tmp_path / "s.xlsx", f"<row>{cell}</row>", shared="<si><t>Tea</t></si>")
    with pytest.raises(DataError, match=r"not a readable \.xlsx file"):
        _cells(path)


def test_values_beside_formulas_that_were_never_calculated_are_not_believed(tmp_path: Path) -> None:
    row = "<row><c><f>A9</f><v>0</v></c><c t='str'><f>A9</f><v></v></c><c><v>3</v></c></row>"
    path = write_xlsx(tmp_path / "s.xlsx", row, calculation='<calcPr calcId="124519" fullCalcOnLoad="1"/>')
    assert _cells(path) == {0: LOST_FORMULA, 1: LOST_FORMULA, 2: Cell("3", "", "3")}


def test_columns_that_are_hidden_as_far_as_there_are_any_cost_nothing(tmp_path: Path) -> None:
    columns = '<cols><col min="2" max="100000000000" hidden="1"/></cols>'
    row = "<row><c t='str'><v>A-1</v></c><c t='str'><v>Tea</v></c></row>"
    assert _cells(write_xlsx(tmp_path / "s.xlsx", row, columns=columns)) == {
        0: Cell("A-1"),
        1: hidden_cell(Cell("Tea")),
    }


def test_days_may_be_counted_from_1904(tmp_path: Path) -> None:
    row = '<row><c s="1"><v>44623</v></c></row>'
    path = write_xlsx(tmp_path / "s.xlsx", row, calculation='<workbookPr date1904="1"/>', formats=(0, 14))
    assert "2026-03-04" in _cells(path)[0].problem


def test_names_may_have_a_prefix_and_places_may_be_left_out(tmp_path: Path) -> None:
    rows = "<x:row><x:c><x:v>1</x:v></x:c><x:c r='D1'><x:v>2</x:v></x:c><x:c><x:v>3</x:v></x:c></x:row>"
    rows += "<x:row><x:c/></x:row><x:row r='9'><x:c r='AA9'><x:v>4</x:v></x:c></x:row>"
    lines = workbook_lines(write_xlsx(tmp_path / "s.xlsx", rows, prefix="x"))
    assert [(number, {place: cell.text for place, cell in cells.items()}) for number, cells in lines] == [
        (1, {0: "1", 3: "2", 4: "3"}),
        (9, {26: "4"}),
    ]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.one_of(st.none(), TEXT, st.integers(0, 10**10)), max_size=5), max_size=6))
def test_what_openpyxl_writes_comes_back(lines: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    for number, line in enumerate(lines, start=1):
        for place, value in enumerate(line, start=1):
            if value is not None:
                cell = book.active.cell(number, place)
                cell.value = value
                cell.data_type = "s" if isinstance(value, str) else "n"
    file = io.BytesIO()
    book.save(file)
    read = XlsxFile(file)
    found = {
        number: {place: cell.text for place, cell in cells.items()} for number, cells in read.lines(read.sheets[0])
    }
    written = {n: {p: str(v) for p, v in enumerate(line) if v is not None} for n, line in enumerate(lines, start=1)}
    assert found == {number: line for number, line in written.items() if line}


def test_rich_text_is_its_characters(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = CellRichText("Te", TextBlock(InlineFont(b=True), "a"))
    book.save(tmp_path / "s.xlsx")
    assert _cells(tmp_path / "s.xlsx") == {0: Cell("Tea")}


def test_the_sheet_is_read_as_it_streams_by(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "s.xlsx", "<row><c><v>1</v></c></row>" * 9000 + "<row><c><v>no number</v></c></row>")
    with path.open("rb") as file:
        book = XlsxFile(file)
        lines = book.lines(book.sheets[0])
        assert [next(lines)[0] for _ in range(3)] == [1, 2, 3]
        with pytest.raises(ValueError, match="no number"):
            list(lines)


def test_what_is_hidden_says_so(tmp_path: Path) -> None:
    rows = '<row r="1"><c><v>1</v></c><c><v>2</v></c></row><row r="2" hidden="1"><c><v>3</v></c></row>'
    path = write_xlsx(tmp_path / "s.xlsx", rows, columns='<cols><col min="2" max="3" hidden="1"/></cols>')
    (_, first), (_, second) = workbook_lines(path)
    assert (first[0].problem, first[1].text, second[0].text) == ("", "2", "3")
    assert first[1].problem == second[0].problem == hidden_cell(first[0]).problem


def test_what_has_no_size_is_hidden_too(tmp_path: Path) -> None:
    rows = '<row r="1"><c><v>1</v></c><c><v>2</v></c></row><row r="2" ht="0" customHeight="1"><c><v>3</v></c></row>'
    rows += '<row ht="0.0" r="3"><c><v>4</v></c></row><row r="4" ht="0.5"><c><v>5</v></c></row>'
    path = write_xlsx(
        tmp_path / "s.xlsx", rows, columns='<cols><col min="2" max="2" width="0" customWidth="1"/></cols>'
    )
    lines = [cells for _, cells in workbook_lines(path)]
    assert [[bool(cell.problem) for cell in cells.values()] for cells in lines] == [
        [False, True],
        [True],
        [True],
        [False],
    ]


def test_charts_are_no_sheets(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "s.xlsx", "<row><c><v>1</v></c></row>")
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(b"</sheets>", b'<sheet name="C" r:id="r2"/></sheets>')
    with zipfile.ZipFile(path, "w") as package:
        for name, content in parts.items():
            package.writestr(name, content)
    assert _cells(path) == {0: Cell("1", "", "1")}


CELLS = st.sampled_from(
    [
        *(
            '<c r="A{n}"><v>1</v></c>',
            '<c r="AB{n}" s="1" t="s"><v>0</v></c>',
            "<c><v>2</v></c>",
            "<c/>",
            "<c><v/></c>",
        ),
        *("<c><f>1+1</f></c>", '<c r="B{n}"><f t="shared" si="0"/><v>4</v></c>', '<c t="str"><f>A</f><v></v></c>'),
        *('<c t="inlineStr"><is><t>Tea &amp;amp; Milk</t></is></c>', '<c t="str"><v>&#65;&lt;</v></c>'),
        *('<c t="inlineStr"><is><r><t>x</t></r><rPh><t>y</t></rPh></is></c>', '<c t="str"><v>\r\n</v></c>'),
        *('<c s="1" r="C{n}"><v>5</v></c>', '<c r="D{n}" cm="1"><v>6</v></c>', '<c t="e"><v>#N/A</v></c>'),
    ]
)
HIDDEN = (
    '<row r="{n}" ht="0" customHeight="1">',
    '<row r="{n}" ht="15" hidden="1">',
    "<row hidden='true'>",
    '<row hidden = "1" r="{n}">',
    '<row hidden="0">',
)
ROWS = st.builds(
    lambda begin, cells, end: begin + "".join(cells) + end,
    st.sampled_from(
        ["<row>", '<row r="{n}">', '<row r="{n}" spans="1:4" ht="15">', "<row r='{n}'>", '\n<row r="{n}" >', *HIDDEN]
    ),
    st.lists(CELLS, max_size=4),
    st.sampled_from(["</row>", "</row>\n", "</row >"]),
)
ODD = st.sampled_from(
    [
        *(
            "<row/>",
            '<row r="{n}" hidden="1"/>',
            "<row><c/>",
            "</row>",
            '<row spans="1:4" spans="1:4"><c/></row>',
            "<c>",
        ),
        *("</sheetData>", "<!-- <row><c/></row> -->", "<![CDATA[<row>]]>", "<?p <row><c/></row>?>", "<!--", "text"),
        *('<row><c t="str"><v>\x01</v></c></row>', '<row><c t="str"><v>\ufffe</v></c></row>', "<row><v>3</v></row>"),
        *(
            "<row><c><is><t>a]]>b</t></is></c></row>",
            "<row><c><v>&b;</v></c></row>",
            "<row><c/></c></row>",
            "<c/></row>",
        ),
    ]
)


@settings(max_examples=200)
@given(
    st.lists(st.one_of(ROWS, ROWS, ROWS, ODD), max_size=6),
    st.sampled_from(["", '<?xml version="1.0"?>', "<!---->"]),
    st.sampled_from(["", '<cols><col min="1" max="2" hidden="1"/></cols>', '<cols><col min="1" max="9"/></cols>']),
)
def test_rows_that_are_taken_without_the_parser_are_as_it_reads_them(
    parts: list[str], begin: str, columns: str
) -> None:
    inside = "".join(part.replace("{n}", str(number + 5)) for number, part in enumerate(parts))
    xml = f"{begin}<worksheet>{columns}<sheetData><row><c><v>0</v></c></row>{inside}</sheetData></worksheet>".encode()
    parser = _SheetParser(_as_stored)
    try:
        parser.feed(xml, is_last=True)
        expected = parser.taken()
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - that it is refused; the words are the parser's
            list(sheet_lines(io.BytesIO(xml), _as_stored))
    else:
        assert list(sheet_lines(io.BytesIO(xml), _as_stored)) == expected


def _as_stored(kind: str, stored: str, style: str, is_formula: bool) -> Cell:  # noqa: FBT001 - as it is called
    return Cell(stored, f"{kind} {style} {is_formula}")


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8-sig"])
def test_a_sheet_in_another_encoding_is_the_parser_s(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    xml = f"<?xml version='1.0' encoding='{declared}'?><worksheet><sheetData><row><c t='str'><v>Müsli</v></c></row>"
    xml += '<row r="2"><c t="str"><v>Öl</v></c></row></sheetData></worksheet>'
    found = [
        cell.text for _, cells in sheet_lines(io.BytesIO(xml.encode(encoding)), _as_stored) for cell in cells.values()
    ]
    assert found == ["Müsli", "Öl"]


def test_shared_texts_are_in_order_however_they_are_written() -> None:
    plain = "<si><t>a</t></si>"
    odd = "<si><r><t>b</t></r><rPh><t>x</t></rPh></si><si/><si><t xml:space='preserve'> d</t></si>"
    xml = f'<sst xmlns="urn:x">{plain}{odd}{plain}<!-- {plain} -->{plain}</sst>'
    assert list(shared_texts(io.BytesIO(xml.encode()))) == ["a", "b", "", " d", "a", "a"]
