"""A stock list is read as a person sees it, or refused with all that is wrong: nothing read is not nothing there."""

import tempfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kardus.support.spelling import composed
from kardus.support.tabular.table_headers import TableLayout
from tests.in_process import assert_one_line, call
from tests.warehouse.stock.lists import HEADER, Lines, csv_list, refusal_of, workbook
from warehouse.__main__ import main
from warehouse.stock.list_layout import Preset
from warehouse.stock.stock_list import MIXED, StockLine, StockRules, read_stock


def test_both_kinds_of_file_are_read_alike(tmp_path: Path) -> None:
    rows = [(*HEADER, "quantity"), ("A-1", "Tea", "12"), ("A-2", "EMPTY", ""), ("A-3", "empty", "")]
    expected = [StockLine("A-1", "Tea", 12), StockLine("A-2", None), StockLine("A-3", None)]
    assert read_stock(csv_list(tmp_path / "s.csv", *rows)) == expected
    assert read_stock(workbook(tmp_path / "s.xlsx", *rows)) == expected
    assert read_stock(workbook(tmp_path / "s.xlsm", *rows)) == expected


def test_an_empty_location_is_said_in_words(tmp_path: Path) -> None:
    path = csv_list(
        tmp_path / "s.csv", (*HEADER, "empty"), ("A-1", "", "yes"), ("A-2", "Tea", "no"), ("A-3", "EMPTY", "X")
    )
    assert read_stock(path) == [StockLine("A-1", None), StockLine("A-2", "Tea"), StockLine("A-3", None)]


def test_a_blank_sku_is_refused_unless_it_is_said_to_mean_empty(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "s.csv", HEADER, ("A-1", ""), ("A-2", "Tea"))
    assert "line 2: no sku: write EMPTY where nothing must stand, or give --blank-is-empty" in refusal_of(path)
    assert read_stock(path, StockRules(blank_is_empty=True)) == [StockLine("A-1", None), StockLine("A-2", "Tea")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([("place", "sku"), ("A", "x")], "no column 'location' (found: place, sku)"),
        ([("location", "sku", "SKU"), ("A", "x", "y")], "2 columns are named 'sku': rename all but one"),
        ([HEADER, ("A" * 101, "x")], "no code: up to 100 characters, and no control character among them"),
        ([HEADER, ("", "x")], "line 2: no location: fill it in, or remove the line"),
        ([HEADER, ("A",)], "line 2: ends before column 'sku': write 2 cells in every line"),
        ([HEADER, ("A", "x", "y")], "line 2: 3 cells, where 2 columns are named"),
        ([(*HEADER, "quantity"), ("A", "x", "many")], "line 2: quantity 'many': write a whole number"),
        ([(*HEADER, "quantity"), ("A", "x", "-1")], "line 2: quantity '-1': write a whole number"),
        ([(*HEADER, "quantity"), ("A", "x", "1" * 5000)], f"line 2: quantity '{'1' * 40}...': write a whole number"),
        ([(*HEADER, "quantity"), ("A", "x", "1" * 16)], f"line 2: quantity '{'1' * 16}': write a whole number"),
        ([(*HEADER, "quantity"), ("A", "x", "²")], "line 2: quantity '²'"),
        ([(*HEADER, "quantity"), ("A", "x", "2.5")], "line 2: quantity '2.5'"),
        (
            [(*HEADER, "quantity"), ("A", "x", "9" * 5000)],
            "line 2: quantity '" + "9" * 40 + "...': write a whole number",
        ),
        ([(*HEADER, "quantity"), ("A", "x", "1" + "0" * 15)], "0 or more and at most 15 digits, or nothing"),
        ([(*HEADER, "quantity"), ("A", "x", "9" * 5000 + ".0")], "line 2: quantity '999"),
        ([(*HEADER, "quantity"), ("A", "EMPTY", "9" * 5000)], "line 2: quantity '999"),
        ([(*HEADER, "quantity"), ("A", "x", "٣")], "line 2: quantity '٣'"),
        ([HEADER, ("A" * 5000, "x")], "line 2: location '" + "A" * 40 + "...' is no code"),
        ([(*HEADER, "empty"), ("A", "", "no")], "line 2: no sku, and empty is 'no': name the product, or write yes"),
        ([(*HEADER, "empty"), ("A", "EMPTY", "no")], "line 2: empty is 'no' beside sku 'EMPTY': leave one of them out"),
        ([(*HEADER, "empty"), ("A", "empty", "FALSE")], "line 2: empty is 'FALSE' beside sku 'empty'"),
        (
            [(*HEADER, "quantity", "empty"), ("A", "x", "0", "no")],
            "line 2: quantity 0 of 'x', and empty is 'no': leave one of them out",
        ),
        ([(*HEADER, "quantity", "empty"), ("A", "", "3", "yes")], "line 2: quantity 3 of '': name the product"),
        ([(*HEADER, "empty"), ("A", "x", "yes")], "line 2: empty is 'yes' beside sku 'x': leave one of them out"),
        ([(*HEADER, "empty"), ("A", "x", "perhaps")], "line 2: empty 'perhaps': write yes, or nothing"),
        ([HEADER, ("A", "x" * 201)], "line 2: sku is longer than 200 characters"),
        ([HEADER, ("A", "Te\x1b[31ma")], r"line 2: sku 'Te\x1b[31ma' has a control character"),
        ([HEADER, ("A\x90", "x")], r"line 2: location 'A\x90' is no code"),
        ([HEADER, ("A", "8.99E+12")], "line 2: sku '8.99E+12' is a number that lost its digits"),
        ([HEADER, ("8,99e12", "x")], "line 2: location '8,99e12' is a number that lost its digits"),
        ([HEADER, ("A", "x"), ("A", "y")], "lines 2 and 3: location 'A' has 'x' and 'y': keep one, or give --mixed"),
        ([HEADER, ("A", "x"), ("A", "EMPTY")], "lines 2 and 3: location 'A' has 'x' and 'EMPTY'"),
        ([HEADER], "no location is listed"),
        ([], "no column 'location' (found: nothing)"),
    ],
)
def test_a_wrong_list_is_named_with_its_line_and_the_remedy(tmp_path: Path, lines: Lines, said: str) -> None:
    path = csv_list(tmp_path / "stock.csv", *lines)
    assert refusal_of(path).startswith(f"{path}: ")
    assert said in refusal_of(path)


def test_a_quantity_is_its_value_however_it_is_shown(tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx", (*HEADER, "quantity"), ("A-1", "Tea", 1200), formats={"C2": "#,##0"})
    assert read_stock(path) == [StockLine("A-1", "Tea", 1200)]


def test_a_column_that_nobody_asks_for_may_hold_anything(tmp_path: Path) -> None:
    counted = datetime(2026, 3, 4)  # noqa: DTZ001 - Excel knows no zones
    path = workbook(tmp_path / "s.xlsx", (*HEADER, "counted", "ok"), ("A-1", "Tea", counted, True))
    assert read_stock(path) == [StockLine("A-1", "Tea")]


def test_lots_of_one_product_are_added(tmp_path: Path) -> None:
    lines = [("A", "x", 3), ("B", "x", 1), ("A", "x", 4), ("B", "x", ""), ("A", "x", 0)]
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), *lines)
    assert read_stock(path) == [StockLine("A", "x", 7), StockLine("B", "x", None)]


def test_a_blank_sku_where_the_column_empty_says_no_is_no_order_to_find_nothing(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "s.csv", (*HEADER, "empty"), ("A-1", "", "no"), ("A-2", "", ""))
    said = refusal_of(path, StockRules(blank_is_empty=True))
    assert "line 2: no sku, and empty is 'no'" in said
    assert "line 3" not in said


def test_an_empty_location_may_be_said_twice(tmp_path: Path) -> None:
    said = [("A-1", "EMPTY", 0, "yes"), ("A-2", "", 0, "TRUE"), ("A-3", "empty", 0, ""), ("A-4", "", "0.0", "x")]
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity", "empty"), *said)
    assert read_stock(path) == [StockLine(location, None, 0) for location, *_ in said]
    lots = [("A", "Tea", 0, ""), ("A", "Tea", 0, "no"), ("B", "Tea", 0, "yes")]
    said_of = refusal_of(csv_list(tmp_path / "s.csv", (*HEADER, "quantity", "empty"), *lots))
    assert "line 3: quantity 0 of 'Tea', and empty is 'no': leave one of them out" in said_of
    assert "line 4: empty is 'yes' beside sku 'Tea'" in said_of


def test_lots_that_add_up_to_more_than_a_quantity_may_be_are_refused(tmp_path: Path) -> None:
    most = "9" * 15
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), ("A", "x", most), ("A", "x", 0), ("A", "x", 1))
    assert f"lines 2 to 4: the quantities of 'x' at location 'A' add up to more than {most}" in refusal_of(path)
    assert read_stock(csv_list(path, (*HEADER, "quantity"), ("A", "x", "9" * 14), ("A", "x", 1)))[0].quantity == 10**14


@pytest.mark.parametrize(("column", "most"), [(0, 100), (1, 200)])
@pytest.mark.parametrize("character", ["\u0958", "\ufb1d", "\u09dc"])
def test_a_code_has_its_length_as_it_is_published(tmp_path: Path, column: int, most: int, character: str) -> None:
    count = most // len(composed(character))
    for cells, said in ((count, ""), (count + 1, "no code: up to 100" if column == 0 else "sku is longer than 200")):
        line = ["A", "x"]
        line[column] = character * cells
        path = csv_list(tmp_path / "s.csv", HEADER, tuple(line))
        if said:
            assert said in refusal_of(path)
        else:
            (read,) = read_stock(path)
            assert len((read.location, read.sku or "")[column]) <= most


def test_of_several_lots_one_may_be_used_up_though_the_location_isn_t_empty(tmp_path: Path) -> None:
    lines = [("A", "x", 0, "no"), ("A", "x", 4, "no")]
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity", "empty"), *lines)
    assert read_stock(path) == [StockLine("A", "x", 4)]
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity", "empty"), ("A", "x", 0, ""), *lines[:1])
    assert "line 3: quantity 0 of 'x', and empty is 'no'" in refusal_of(path)


def test_a_quantity_may_have_zeros_in_front(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), ("A", "x", "0" * 5000 + "7"), ("B", "x", "9" * 15))
    assert read_stock(path) == [StockLine("A", "x", 7), StockLine("B", "x", 10**15 - 1)]


def test_none_of_a_product_is_an_empty_location(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), ("A", "x", 0), ("B", "x", 0), ("B", "x", 0))
    assert read_stock(path) == [StockLine("A", None, 0), StockLine("B", None, 0)]


LOTS = st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), st.integers(0, 2)), min_size=1, max_size=6)


@settings(deadline=None)
@given(lots=LOTS, mixed=st.booleans())
def test_a_product_of_which_there_is_none_is_no_other_product(lots: list[tuple[str, int]], mixed: bool) -> None:  # noqa: FBT001
    """Many systems keep the rows of what stood there before, with a quantity of 0."""
    sums = {sku: sum(count for name, count in lots if name == sku) for sku, _ in lots}
    there = {sku: count for sku, count in sums.items() if count}
    with tempfile.TemporaryDirectory() as folder:
        path = csv_list(Path(folder) / "s.csv", (*HEADER, "quantity"), *(("A", *lot) for lot in lots))
        if len(there) > 1 and not mixed:
            assert "location 'A' has '" in refusal_of(path)
            return
        (line,) = read_stock(path, StockRules(mixed=mixed))
    if len(there) > 1:
        assert line == StockLine("A", None, reason=MIXED)
    else:
        assert (line.sku, line.quantity) == next(iter(there.items()), (None, 0))


def test_the_row_of_a_former_product_does_not_keep_the_new_one_out(tmp_path: Path) -> None:
    lines = [("A", "old", 0), ("A", "new", 12), ("B", "old", 0), ("B", "older", 0), ("C", "EMPTY", ""), ("C", "old", 0)]
    found = read_stock(csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), *lines))
    assert [(line.location, line.sku) for line in found] == [("A", "new"), ("B", None), ("C", None)]


def test_a_location_with_several_products_is_given_up_where_that_is_asked_for(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "s.csv", HEADER, ("A", "x"), ("A", "y"), ("A", "x"), ("B", "z"))
    found = read_stock(path, StockRules(mixed=True))
    assert found == [StockLine("A", None, reason=MIXED), StockLine("B", "z")]


def test_all_wrong_lines_are_listed_and_no_more_than_twenty(tmp_path: Path) -> None:
    lines = [(f"A-{number}", "" if number % 2 else "Tea") for number in range(60)]
    said = refusal_of(csv_list(tmp_path / "s.csv", HEADER, *lines))
    assert said.count("no sku") == 20
    assert "line 3: no sku" in said
    assert said.endswith("; and 10 more (30 faults; nothing was published)")


def test_what_an_operator_names_is_found_however_unicode_spells_it(tmp_path: Path) -> None:
    nfc, nfd = "Caf\u00e9", "Cafe\u0301"
    for here, there in ((nfc, nfd), (nfd, nfc)):
        book = openpyxl.Workbook()
        book.active.title = here
        for line in [HEADER, ("A-1", f"[{here}] x"), (f"{here} total", "2")]:
            book.active.append(line)
        book.create_sheet("other").append(HEADER)
        book.save(tmp_path / "s.xlsx")
        named = Preset(left_out=(f"{there} TOTAL",))
        rules = StockRules(TableLayout(sheet=there, left_out=named.line_beginnings), rf"\[({there})\]")
        assert read_stock(tmp_path / "s.xlsx", rules) == [StockLine("A-1", nfc)]


def test_a_list_below_a_title_is_found(tmp_path: Path) -> None:
    lines: Lines = [("Stock of hall 3",), (), ("counted", "2026-11-28"), HEADER, ("A-1", "Tea")]
    for path in (csv_list(tmp_path / "s.csv", *lines), workbook(tmp_path / "s.xlsx", *lines)):
        assert read_stock(path) == [StockLine("A-1", "Tea")]
        assert "line 1" not in refusal_of(path, StockRules(TableLayout(header_line=1)))
        assert (
            "no column 'location' (found: Stock of hall 3)".lower()
            in refusal_of(path, StockRules(TableLayout(header_line=1))).lower()
        )


def test_a_text_or_a_page_under_the_name_of_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "s.xls"
    path.write_bytes("location\tsku\r\nA-1\tTëa\r\n".encode("utf-16"))
    assert read_stock(path) == [StockLine("A-1", "Tëa")]
    path.write_text("<html><table><tr><td>location</td></tr></table></html>")
    assert "is a web page or XML under the name of a table: save it as .xlsx" in refusal_of(path)


CODES = st.text(st.characters(categories=["Lu", "Nd"], max_codepoint=127), min_size=1, max_size=8).map(
    lambda t: f"L{t}"
)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        CODES,
        st.one_of(st.just((None, None)), st.tuples(CODES, st.one_of(st.none(), st.integers(1, 99)))),
        min_size=1,
    )
)
def test_what_a_list_says_is_read_from_either_kind_of_file(
    stock: dict[str, tuple[str | None, int | None]],
) -> None:
    lines = [
        (location, sku or "EMPTY", "" if count is None else str(count)) for location, (sku, count) in stock.items()
    ]
    expected = [StockLine(location, sku, count) for location, (sku, count) in stock.items()]
    with tempfile.TemporaryDirectory() as folder:
        assert read_stock(csv_list(Path(folder) / "s.csv", (*HEADER, "quantity"), *lines)) == expected
        assert read_stock(workbook(Path(folder) / "s.xlsx", (*HEADER, "quantity"), *lines)) == expected


def test_the_trial_s_own_list_is_read() -> None:
    lines = read_stock(Path(__file__).parents[3] / "deploy" / "compose" / "stock.csv")
    assert len(lines) == 15
    assert None in {line.sku for line in lines}


def test_the_command_refuses_in_one_line_and_publishes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv_list(tmp_path / "s.csv", HEADER, ("A", "Tea"), ("B", ""))
    result = call(capsys, main, "expect", path, "--site", "s", "--port", 9)
    assert_one_line(result, 1, path, "line 3: no sku")
