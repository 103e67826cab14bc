"""What programs make of a code when they save a table as text: dates, errors, formulas, `="0017"`, fractions."""

# ruff: noqa: RUF001 - words of other languages

import re
from collections.abc import Callable

from kardus.support.spelling import composed
from kardus.support.tabular.dates_in_text import is_date

_QUOTED = re.compile(r'="((?:[^"]|"")*)"')
"""How an export says that digits are text."""
_ERROR = re.compile(
    r"#(?:#+|[¡¿]?[\w/.]+\s?[!?！？]|[NIНΔΜ]/[^\W\d_]{1,4}|ND|NV|YOK|HIÁNYZIK|PUUTTUU|DIV/0|REF|VALUE|NUM|NULL"
    r"|CALC|SPILL|FIELD|(?=\w{9})[^\W\d_]+(?:_[^\W\d_]+)+|LOADING\.*)"
    r"|(?:Err|Erro|Error|Erreur|Fehler|Fout|Fejl|Feil|Fel|Hiba|Chyba|Błąd|Virhe|Hata|Ошибка)\s?:[0-9]{3}",
    re.IGNORECASE,
)
"""In any language: a word, most with a `!` or `?` behind it."""
_TRUTH = re.compile(
    "true|false|wahr|falsch|vrai|faux|verdadero|falso|verdadeiro|vero|benar|salah|waar|onwaar|prawda|fałsz|истина|ложь|"
    "doğru|yanlış|igaz|hamis|sant|falskt?|sann|usann|tosi|epätosi|nepravda|pravda|adevărat|istina|netočno|točno|"
    "resnično|neresnično|tõene|väär|patiess|aplams|teisinga|klaidinga|αληθησ|αληθης|ψευδησ|ψευδης|істина|хибність|"
    "неистина|egia|gezurra|betul",
    re.IGNORECASE,
)
"""As programs write it, but for words that are products as well (Danish `SAND`)."""
_FRACTION = re.compile(r"[0-9]{4,}\.0+|[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.0+)?")
"""`8991234567890.0`: pandas writes whole numbers so where others of their column are lacking; `8,991,234`."""
_SUSPECT = re.compile(
    r"[=#']|[0-9]+[-/., 年月년월:]"
    r"|[Tt]h(?:g|áng) ?[0-9]|[\u0590-\u0e7f]"
    r"|[^\W\d_]{3,14}(?:$|\s?:[0-9]{3}$|\.?(?:[-/ ]| de )'?[0-9]{2}(?:[0-9]{2})?$)"
)
"""What has to be looked at: most codes are passed with this alone."""


DATE = (
    "looks like a date that a spreadsheet program made of a code: format the column as text in its source; a code that "
    'really is so is written ="CODE" in a text, or taken from an .xlsx, where its cell is text'
)

_REFUSED: tuple[tuple[Callable[[str], object], str], ...] = (
    (re.compile("=").match, "is a formula: save the list with its values"),
    (_ERROR.fullmatch, "is an error of a spreadsheet program, or a column that was too narrow: mend it in the source"),
    (_TRUTH.fullmatch, "is a truth value, and no code: format the column as text in its source"),
    (re.compile("'").match, "begins with an apostrophe, by which programs mark text: take it away"),
    (_FRACTION.fullmatch, "is a number that a program wrote as a fraction, or by thousands: write its digits alone"),
    (is_date, DATE),
)
"""What a cell may be instead of a code, and what is said of it."""


def code_of(text: str) -> tuple[str, str]:
    """The code that a cell of a text file holds, and what of it can't be told for sure; empty: nothing."""
    shown = composed(text)
    if not _SUSPECT.match(shown):
        return text, ""
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted.group(1).replace('""', '"').strip(), ""
    return text, next((said for written_so, said in _REFUSED if written_so(shown)), "")


def cell_of(code: str) -> str:
    """The cell of a text file that `code_of` reads as this code, which may look like a date or a truth value."""
    return code if code_of(code) == (code, "") else '="{}"'.format(code.replace('"', '""'))


def is_error(text: str) -> bool:
    """Whether a text is what a spreadsheet program shows for an error: as a value, another program wrote it so."""
    return _ERROR.fullmatch(composed(text)) is not None
