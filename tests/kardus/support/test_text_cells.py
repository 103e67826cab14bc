"""What a spreadsheet program made of a code is refused, and a code is itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.text_cells import code_of


@pytest.mark.parametrize(
    ("text", "code"),
    [('="0017"', "0017"), ('="a ""b"""', 'a "b"'), ('=" 5"', "5")],
)
def test_digits_that_an_export_calls_text_are_the_code(text: str, code: str) -> None:
    assert code_of(text) == (code, "")


@pytest.mark.parametrize("text", ["#N/A", "#NV", "#NAME?", "#BEZUG!", "#DIV/0!", "#REF!", "####", "#Wert!"])
def test_an_error_is_no_code(text: str) -> None:
    assert "error of a spreadsheet" in code_of(text)[1]


@pytest.mark.parametrize("text", ["=A1", "=SVERWEIS(A1;B:C;2)", "=", '="a'])
def test_a_formula_is_no_code(text: str) -> None:
    assert "formula" in code_of(text)[1]


@pytest.mark.parametrize("text", ["'0017", "8991234567890.0", "1234.00", "8,991,234", "1,234.0"])
def test_what_marks_or_divides_a_number_is_no_part_of_a_code(text: str) -> None:
    assert code_of(text)[0] == text
    assert code_of(text)[1]


DATES = """2026-03-04|2026-03-04 00:00:00|04-Mar|4-Mar-26|04.Mrz|4. Mai|Mar-04|03/04/2026|1-Agu-2026|04.03.2026
3/4/2026 0:00|3/4/2026 12:00:00 AM|Okt 26|2026/3/4
3月4日|2026年3月4日|2026年3月|04.мар|4-paź|4 Şub|12:30:00|9:05:00 PM"""
CODES = """A-01|01-02-03|2026|1-2|12-ABC|0017|3/4|2026-AB-01|#1|#A-12|MAR|MAR-A|MAY-2026-X|01.02.03|10/20/30
8991234567890|2101-99-99|JUNGLE-12|a=b
1.0|2.10|12,5|001,002|O'Neill|1E05|KAS-12|12-KAS|ARA-01|3:04|12:30:AB|Wahrheit|TRUE-1|Tea|月見"""


@pytest.mark.parametrize("text", DATES.replace("\n", "|").split("|"))
def test_a_date_is_no_code(text: str) -> None:
    assert "looks like a date" in code_of(text)[1]


@pytest.mark.parametrize("text", CODES.replace("\n", "|").split("|"))
def test_a_code_that_only_resembles_one_is_taken(text: str) -> None:
    assert code_of(text) == (text, "")


@given(st.text(max_size=30))
def test_any_text_is_itself_or_refused_or_unpacked(text: str) -> None:
    code, problem = code_of(text)
    assert code == text or (text.startswith('="') and not problem)
