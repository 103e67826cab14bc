"""What a text list loses on its way, or may mean twice, is refused with its line: encodings, quotes, odd characters."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from kardus.support.errors import DataError, UsageError
from kardus.support.tabular.table_headers import TableLayout
from tests.warehouse.stock.lists import HEADER, csv_list, refusal_of, workbook
from warehouse.stock.stock_list import StockLine, StockRules, read_stock


def test_an_encoding_is_guessed_and_said_or_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.csv"
    skus = ["Crème", "Crème brûlée", "Gâteau salé", "Hâché à l'ail", "Pâté forestière"]
    lines = "".join(f"A-{number},{sku}\n" for number, sku in enumerate(skus))
    path.write_bytes(f"location,sku\n{lines}".encode("cp1252"))
    assert [line.sku for line in read_stock(path)] == skus
    assert "isn't UTF-8; it was read as cp1252: name another with --encoding" in caplog.text
    path.write_bytes("location,sku\nA-1,Crème\n".encode("cp1252"))
    assert "('A-1,Crème' in cp1252, 'A-1,Crčme' in cp1250): name it with --encoding" in refusal_of(path)
    assert read_stock(path, StockRules(TableLayout(encoding="cp1250"))) == [StockLine("A-1", "Crčme")]
    with pytest.raises(UsageError, match="--encoding klingon: unknown: name one as utf-8"):
        read_stock(path, StockRules(TableLayout(encoding="klingon")))
    assert "is no text in ascii: save it as CSV in UTF-8" in refusal_of(path, StockRules(TableLayout(encoding="ascii")))


@pytest.mark.parametrize(("text", "count"), [("12.0", 12), ("12,00", 12), ("0,000", 0), ("0.000", 0), ("007", 7)])
def test_a_whole_number_may_have_zeros_behind_its_point(tmp_path: Path, text: str, count: int) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"location;sku;quantity\nA-1;Tea;{text}\n")
    assert read_stock(path) == [StockLine("A-1", "Tea" if count else None, count)]


@pytest.mark.parametrize("text", ["12,000", "1.200", "1.5", "1e3", "-0"])
def test_a_quantity_that_may_be_two_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"location;sku;quantity\nA-1;Tea;{text}\n")
    assert f"quantity '{text}': write a whole number" in refusal_of(path)


def test_a_truth_value_says_that_a_location_is_empty(tmp_path: Path) -> None:
    path = workbook(tmp_path / "s.xlsx", (*HEADER, "empty"), ("A-1", None, True), ("A-2", "Tea", False))
    assert read_stock(path) == [StockLine("A-1", None), StockLine("A-2", "Tea")]


@pytest.mark.parametrize("words", ["EMPTY", "empty", ""])
def test_something_at_an_empty_location_is_refused(tmp_path: Path, words: str) -> None:
    path = csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), ("A-1", words, "5"))
    with pytest.raises(DataError, match=f"line 2: quantity 5 of '{words}': name the product"):
        read_stock(path, StockRules(blank_is_empty=True))


@pytest.mark.parametrize(
    "hidden",
    [
        *(
            "\u00a0",
            "\u202f",
            "\u3000",
            "\U000e0041",
            "\u200b",
            "\u200e",
            "\u2060",
            "\ufeff",
            "\u00ad",
            "\u200d",
            "\u200c",
        ),
        *(
            "\ufe0f",
            "\ufe00",
            "\U000e0100",
            "\u180b",
            "\u180f",
            "\u061c",
            "\u1680",
            "\u2800",
            "\U0001d173",
            "\u0915\u200d\u200d\u0937",
            "é\u200dé",
        ),
    ],
)
@pytest.mark.parametrize("column", [0, 1])
def test_a_character_that_nobody_sees_is_named(tmp_path: Path, hidden: str, column: int) -> None:
    cells = ["A-1", "Tea"]
    cells[column] = cells[column][:1] + hidden + cells[column][1:]
    refusal = refusal_of(csv_list(tmp_path / "s.csv", HEADER, tuple(cells)))
    assert f"line 2: {HEADER[column]} {cells[column]!a} has a character that nobody sees" in refusal


@pytest.mark.parametrize(
    "form", ["plain", "tabs", "sep", "semicolons", "bars", "utf-16", "utf-16-le", "utf-16-be", "mark"]
)
def test_texts_of_every_usual_form_are_read(tmp_path: Path, form: str) -> None:
    text = "location,sku\r\nA-1,Tëa\r\n"
    separators = {"tabs": "\t", "semicolons": ";", "bars": "|"}
    text = text.replace(",", separators.get(form, ","))
    text = "sep=;\r\n" + text.replace(",", ";") if form == "sep" else text
    path = tmp_path / "s.csv"
    path.write_bytes(text.encode({"mark": "utf-8-sig"}.get(form, form if form.startswith("utf") else "utf-8")))
    assert read_stock(path) == [StockLine("A-1", "Tëa")]


def test_an_encoding_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes("location,sku\nA-0,Çay\nA-1,Çay şeker\n".encode("cp1254"))
    said = refusal_of(path)
    assert "how it is encoded can't be told ('A-1," in said
    readings = re.findall(r"'(A-1,[^']*)' in", said)
    assert len(set(readings)) == 2, "the line that they read otherwise"
    assert "name it with --encoding" in said
    assert read_stock(path, StockRules(TableLayout(encoding="windows-1254"))) == [
        StockLine("A-0", "Çay"),
        StockLine("A-1", "Çay şeker"),
    ]


@pytest.mark.parametrize(
    "content", [gzip.compress(b"location,sku\nA-1,Tea\n", mtime=0), b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xfe\xfd"]
)
def test_what_is_no_text_is_said_without_a_codec_s_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    said = refusal_of(tmp_path / "s.csv")
    assert "is no text in" in said
    assert "codec" not in said


@pytest.mark.parametrize("truth", ["TRUE", "false", "WAHR", "VRAI", "Salah"])
def test_a_truth_value_of_a_spreadsheet_is_no_code(tmp_path: Path, truth: str) -> None:
    assert f"line 2: sku '{truth}' is a truth value" in refusal_of(csv_list(tmp_path / "s.csv", HEADER, ("A-1", truth)))
    path = csv_list(tmp_path / "s.csv", (*HEADER, "empty"), ("A-1", "", "TRUE"))
    assert read_stock(path) == [StockLine("A-1", None)]


@pytest.mark.parametrize("lost", ["Te\ufffda", "Te\ufdd0a", "Te\uffffa", "Te\U0001fffea"])
def test_a_character_that_was_lost_or_is_none_is_named(tmp_path: Path, lost: str) -> None:
    assert "has a character that was lost" in refusal_of(csv_list(tmp_path / "s.csv", HEADER, ("A-1", lost)))


def test_an_error_that_was_written_as_text_is_no_code(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(workbook(tmp_path / "s.xlsx", HEADER, ("A-1", "x"), ("A-2", "y")))
    for cell, text in (("B2", "#N/A"), ("B3", "Err:502")):
        book.active[cell].value, book.active[cell].data_type = text, "s"
    book.save(tmp_path / "s.xlsx")
    said = refusal_of(tmp_path / "s.xlsx")
    assert "line 2: sku '#N/A' is no name, but a value that was lost" in said
    assert "line 3: sku 'Err:502' is no name" in said


def test_a_column_that_a_program_took_for_fractions_is_refused(tmp_path: Path) -> None:
    path = csv_list(tmp_path / "s.csv", HEADER, ("A-1", "17.0"), ("A-2", "EMPTY"), ("A-3", "4.0"))
    assert "every sku ends in .0, as '17.0': save it as text in its source, '17'" in refusal_of(path)
    path = csv_list(tmp_path / "s.csv", HEADER, ("1.0", "Tea"), ("2.0", "Milk"))
    assert "every location ends in .0" in refusal_of(path)
    assert read_stock(csv_list(tmp_path / "s.csv", HEADER, ("1.0", "Tea"), ("1.1", "Milk")))


@pytest.mark.parametrize(
    "code",
    [
        "Nutella",
        "NA-1",
        "Blank",
        "(TEA)",
        "Vide",
        "INF-01",
        "N",
        "A.0",
        "\u0915\u094d\u200d\u0937",
        "\u0645\u06cc\u200c\u062e",
    ],
)
def test_a_code_that_only_resembles_what_was_lost_is_taken(tmp_path: Path, code: str) -> None:
    for write in (csv_list, workbook):
        assert read_stock(write(tmp_path / "s.table", HEADER, (code, code))) == [StockLine(code, code)]


@pytest.mark.parametrize(
    "lost",
    [
        "NA",
        "-Infinity",
        "[object Object]",
        "NULL",
        "nan",
        "None",
        r"\N",
        "(null)",
        "undefined",
        "N/A",
        "-",
        "?",
        "\u2014",
        *(
            "(blank)",
            "(Leer)",
            "(en blanco)",
            "[empty]",
            "nan.0",
            "n.a.",
            "N.A",
            "pd.NA",
            "<None>",
            "-nan(ind)",
            "+inf",
        ),
        *("None.", "null.0", "System.DBNull"),
    ],
)
def test_what_programs_write_for_no_value_is_no_code(tmp_path: Path, lost: str) -> None:
    for write in (csv_list, workbook):
        said = refusal_of(write(tmp_path / "s.table", HEADER, ("A-1", lost), (lost, "Tea")))
        assert f"line 2: sku '{lost}' is no name, but a value that was lost" in said
        assert f"line 3: location '{lost}' is no name" in said


def test_a_code_with_an_e_among_its_digits_is_one(tmp_path: Path) -> None:
    lines = [("1E05", "Tea"), ("12E03", "NANAS"), ("1E-05", "9E12")]
    assert read_stock(csv_list(tmp_path / "s.csv", HEADER, *lines)) == [StockLine(*line) for line in lines]
    java, tiny = (refusal_of(csv_list(tmp_path / "s.csv", HEADER, ("A", text))) for text in ("8.99123E12", "1.00E-05"))
    assert "lost its digits" in java
    assert "lost its digits" in tiny


@pytest.mark.parametrize("rest", ["A-3,Milk,x\n", 'A-3,Milk,12"\nA-4,x,y\n'], ids=["to the end", "to the next"])
def test_a_quote_that_is_never_closed_swallows_no_lines(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f'location,sku,note\nA-1,Tea,"half\nA-2,Milk,\n{rest}')
    assert f"{path}: line 2: " in refusal_of(path)
    path.write_text('location,sku,note\nA-1,Tea,"counted by Ann,\nBob,\n and Eve"\nA-2,Milk,"12"" box"\n')
    assert [line.location for line in read_stock(path)] == ["A-1", "A-2"]


@pytest.mark.parametrize(
    "content",
    [
        "location,sku\nA-1,Tëa\n".encode() + "A-2,Crème\n".encode("cp1252"),
        "location,sku\nA-1,Tëa\nA-2,Crè".encode()[:-1],
        "location,sku\nA-1,お茶とミルク\n".encode() + "A-2,茶\n".encode("cp932"),
        b"location,sku\nA-1,Tea\n" + "A-2,Crème\n".encode("cp1252") * 9 + "A-3,Tëa\n".encode(),
    ],
    ids=["joined", "cut off", "japanese", "one line"],
)
def test_a_text_in_two_encodings_becomes_no_other_names(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    assert "isn't in UTF-8, as others are: save it in one encoding" in refusal_of(path)
    assert read_stock(path, StockRules(TableLayout(encoding="cp437")))


@pytest.mark.parametrize("write", [csv_list, workbook])
def test_a_header_that_comes_again_is_no_line_and_of_another_order_is_refused(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    path = write(tmp_path / "s.table", HEADER, ("A-1", "Tea"), ("Location", "SKU"), ("A-2", "Milk"))
    assert read_stock(path) == [StockLine("A-1", "Tea"), StockLine("A-2", "Milk")]
    path = write(tmp_path / "s.table", HEADER, ("A-1", "Tea"), ("sku", "location"), ("Milk", "A-2"))
    assert "line 3: names the columns again, and otherwise" in refusal_of(path)


def test_rows_and_columns_that_nobody_sees_are_no_part_of_a_list(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(
        workbook(tmp_path / "s.xlsx", (*HEADER, "sku new"), ("A-1", "Tea", "x"), ("A-2", "x", ""))
    )
    book.active.row_dimensions[3].hidden = True
    book.active.column_dimensions["C"].hidden = True
    book.save(tmp_path / "s.xlsx")
    said = refusal_of(tmp_path / "s.xlsx")
    assert "cell A3 ('location') is hidden: show all rows and columns (take filters away), or delete it" in said
    assert "A2" not in said
    book.active.row_dimensions[3].hidden = False
    book.active.column_dimensions["B"].hidden = True
    book.save(tmp_path / "s.xlsx")
    assert "cell B2 ('sku') is hidden" in refusal_of(tmp_path / "s.xlsx")


def test_what_may_not_be_meant_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [("A-01", "Tea", "0"), ("a-01", "Tea", "1"), ("A\u201301", "Tea", "1")]
    assert len(read_stock(csv_list(tmp_path / "s.csv", (*HEADER, "qty"), *lines))) == 3
    assert "no column 'quantity', so that no line can say 0 (found also: 'qty')" in caplog.text
    assert "'A-01' and 'a-01'; 'A-01' and 'A\u201301'" in caplog.text
    caplog.clear()
    read_stock(csv_list(tmp_path / "s.csv", (*HEADER, "quantity"), ("A-01", "Tea", "1"), ("A-01", "Tea", "1")))
    assert not caplog.text


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('sep=,\nlocation,sku,note\nA,Tea,"two\nlines"\n\nB,,\n')
    assert "line 6: no sku" in refusal_of(path)


def test_one_name_in_two_forms_is_one_name(tmp_path: Path) -> None:
    composed, apart = "Té-1", "Te\u0301-1"
    path = csv_list(tmp_path / "s.csv", HEADER, (composed, apart), (apart, composed))
    assert read_stock(path) == [StockLine(composed, composed)]


def test_a_column_that_shows_that_its_codes_are_no_dates_is_taken(tmp_path: Path) -> None:
    codes = [f"{rack:02d}/{place:02d}/26" for rack in (3, 4) for place in range(1, 40)]
    path = csv_list(tmp_path / "s.csv", HEADER, *((code, "Mars 50") for code in codes), ("05/01/26", "EMPTY"))
    assert "line 2: sku 'Mars 50' looks like a date" in refusal_of(path)
    path = csv_list(path, HEADER, ("05/01/26", "EMPTY"), *((code, "Mars 50") for code in codes), ("99/1/26", "Twix 50"))
    assert "line 2: location '05/01/26' looks like a date" in refusal_of(path)  # 99/1/26 isn't written as the others
    lines = [("05/01/26", "EMPTY"), *((code, "Mars 50") for code in codes), ("99/01/26", "Twix 50")]
    assert [line.location for line in read_stock(csv_list(path, HEADER, *lines))] == ["05/01/26", *codes, "99/01/26"]


@pytest.mark.parametrize("code", ["04/03/26", "04.03.26", "4 Mar", "2026-03-04", "4-มี.ค."])
@pytest.mark.parametrize("written", ['="{}"', '"=""{}"""'])
def test_a_code_that_looks_like_a_date_is_taken_as_the_refusal_says(tmp_path: Path, code: str, written: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"location,sku\nA-1,{code}\n", "utf-8")
    assert f"line 2: sku '{code}' looks like a date" in refusal_of(path)
    assert 'is written ="CODE" in a text' in refusal_of(path)
    path.write_text(f"location,sku\nA-1,{written.format(code)}\n", "utf-8")
    assert read_stock(path) == [StockLine("A-1", code)]
