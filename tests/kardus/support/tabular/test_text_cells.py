"""What a spreadsheet program made of a code is refused, and a code is itself."""

# ruff: noqa: RUF001 - words of other languages

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.spelling import decomposed
from kardus.support.tabular.text_cells import cell_of, code_of, is_error


@pytest.mark.parametrize(
    ("text", "code"),
    [('="0017"', "0017"), ('="a ""b"""', 'a "b"'), ('=" 5"', "5")],
)
def test_digits_that_an_export_calls_text_are_the_code(text: str, code: str) -> None:
    assert code_of(text) == (code, "")


ERRORS = """#N/A #NV #NAME? #BEZUG! #DIV/0! #REF! #### #Wert! #¡VALOR! #¡REF! #¿NOMBRE? #¡DIV/0! #Н/Д #ССЫЛКА! #ДЕЛ/0!
#YOK #DEĞER! #SAYI/0! #HIÁNYZIK #ÉRTÉK! #ZÉRÓOSZTÓ! #VÆRDI! #NENÍ_K_DISPOZICI #NÚM! #N/DISP #Δ/Υ #ΔΙΑΙΡ./0! #PUUTTUU
#SAKNAS! #ADR! #GETTING_DATA #DATEN_ABRUFEN #CALC! #ÜBERLAUF! #名称? #REF Err:502 Fehler:502 Ошибка:502"""


@pytest.mark.parametrize("text", [*ERRORS.split(), "#NOM ?", "#VALEUR\u00a0!", decomposed("#ÉRTÉK!")])
def test_an_error_is_no_code(text: str) -> None:
    assert "error of a spreadsheet" in code_of(text)[1]
    assert is_error(text)


TRUTHS = "true FALSCH doğru YANLIŞ igaz hamis SANT tosi epätosi pravda NEPRAVDA adevărat ΨΕΥΔΗΣ хибність"


@pytest.mark.parametrize("text", [*TRUTHS.split(), decomposed("doğru")])
def test_a_truth_value_is_no_code(text: str) -> None:
    assert "is a truth value" in code_of(text)[1]


@pytest.mark.parametrize("text", ["=A1", "=SVERWEIS(A1;B:C;2)", "=", '="a'])
def test_a_formula_is_no_code(text: str) -> None:
    assert "formula" in code_of(text)[1]


@pytest.mark.parametrize("text", ["'0017", "8991234567890.0", "1234.00", "8,991,234", "1,234.0"])
def test_what_marks_or_divides_a_number_is_no_part_of_a_code(text: str) -> None:
    assert code_of(text)[0] == text
    assert code_of(text)[1]


DATES = """2026-03-04|2026-03-04 00:00:00|04-Mar|4-Mar-26|04.Mrz|4. Mai|Mar-04|03/04/2026|1-Agu-2026|04.03.2026
3/4/2026 0:00|3/4/2026 12:00:00 AM|Okt 26|2026/3/4
3月4日|2026年3月4日|2026年3月|04.мар|4-paź|4 Şub|12:30:00|9:05:00 PM|2026-03-04 00:00:00+00:00|2026-03-04T00:00:00Z
2026-03-04 00:00:00 UTC|04-March|March-04|março-26|lut-26|04-březen|12:00 AM|9:05 p.m.|04/03/26|3/4/26
4 de marzo de 2026|mar. '26|04-MÄRZ|3월 4일|2026년 3월|04.03.26|4.3.26|4. 3. 2026|2026. 03. 04.|4.3.2026 г.
4/3/2569|4-มี.ค.|4 มีนาคม 2569|มี.ค.-69|4-Thg3|thg 3-26|04 Tháng 3|04-مارس|4-מרץ|4 ינו׳|4-जन॰"""
CODES = """A-01|01-02-03|2026|1-2|12-ABC|0017|3/4|2026-AB-01|#1|#A-12|MAR|MAR-A|MAY-2026-X|01.02.03|10/20/30
8991234567890|2101-99-99|JUNGLE-12|a=b
#AB|#A/B-1|#N-1|#12_A|Error-5|RACK:502|03:04|01/02/19|04-03-26|JUNE-BUG|12-LIS|PRO-12|MARKET-12|lemon-26|Sand
2026-02-31|31.02.2026|39/39/26|26.26.26|04.03.31|ก-04|4-ก|Thg3|2601-01-01
1.0|2.10|12,5|001,002|O'Neill|1E05|KAS-12|12-KAS|ARA-01|3:04|12:30:AB|Wahrheit|TRUE-1|Tea|月見"""


@pytest.mark.parametrize("text", DATES.replace("\n", "|").split("|"))
def test_a_date_is_no_code(text: str) -> None:
    assert "looks like a date" in code_of(text)[1]


@pytest.mark.parametrize(
    "language",
    [
        *("de", "fr", "es", "pt", "it", "pl", "cs", "hu", "ru", "tr", "fi", "el", "sv", "id", "uk", "nl"),
        *("th", "ar", "he", "fa", "bn"),
    ],
)
def test_a_month_s_name_makes_a_date_in_every_language(language: str) -> None:
    months = Locale.parse(language).months
    for name in (months[context]["wide"][number] for context in months for number in range(1, 13)):
        assert language == "el" or "looks like a date" in code_of(f"4-{name.upper()}")[1], name
        for text in (f"04-{name}", f"4. {name}", f"{name}-26", f"4-{name.title()}-2026", decomposed(f"04-{name}")):
            assert "looks like a date" in code_of(text)[1], text


@pytest.mark.parametrize("text", CODES.replace("\n", "|").split("|"))
def test_a_code_that_only_resembles_one_is_taken(text: str) -> None:
    assert code_of(text) == (text, "")


@given(st.text(max_size=30))
def test_any_text_is_itself_or_refused_or_unpacked(text: str) -> None:
    code, problem = code_of(text)
    assert code == text or (text.startswith('="') and not problem)


ANY_CODES = st.one_of(
    st.text(min_size=1).map(str.strip),
    st.sampled_from([*TRUTHS.split(), *ERRORS.split(), "4-3-26", "2024-05-01", "Jan-24", "=A1", "'7", '="x"', "1,000"]),
)


@given(ANY_CODES)
def test_what_is_written_as_a_cell_is_read_as_the_same_code(code: str) -> None:
    assert code_of(cell_of(code)) == (code, "")


@given(st.from_regex(r"[A-Z]{2}-[0-9]{4}", fullmatch=True))
def test_a_plain_code_is_written_as_it_is(code: str) -> None:
    assert cell_of(code) == code
