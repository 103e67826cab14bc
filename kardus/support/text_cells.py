"""What programs make of a code when they save a table as text: dates, errors, formulas, `="0017"`, fractions."""

import re
from collections.abc import Callable

_QUOTED = re.compile(r'="((?:[^"]|"")*)"')
"""How an export says that digits are text."""
_ERROR = re.compile(
    r"#(?:#+|[A-ZÄÖÜ0-9/]+[!?]|N/A|N/D|ND|NV|I/T|N/B|CALC|SPILL|FIELD|GETTING_DATA)|Err:[0-9]{3}", re.IGNORECASE
)
_TRUTH = re.compile(
    "true|false|wahr|falsch|vrai|faux|verdadero|falso|verdadeiro|vero|benar|salah|waar|onwaar|prawda|fałsz|истина|ложь",
    re.IGNORECASE,
)
_MONTH = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|jän|mrz|mär|mai|okt|dez|mei|agu|agt|ags|des|"
    "janv|févr|mars|avr|juin|juil|août|déc|ene|abr|ago|set|dic|gen|mag|giu|lug|ott|mrt|maj|"
    "paź|şub|ağu|янв|фев|мар|апр|май|мая|июн|июл|авг|сен|окт|ноя|дек"
)
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9](?:[ T][0-9:.]+)?"
    r"|[0-3]?[0-9][-/.][0-3]?[0-9][-/.](?:19|20)[0-9]{2}(?: [0-9:.]+(?: ?[AP]M)?)?"
    rf"|[0-3]?[0-9](?:[-/ ]|\. ?)(?:{_MONTH})\.?(?:[-/ ][0-9]{{2}}(?:[0-9]{{2}})?)?"
    rf"|(?:{_MONTH})\.?[-/ ][0-9]{{2}}(?:[0-9]{{2}})?"
    r"|(?:[0-9]{2,4}年)?[0-9]{1,2}月(?:[0-9]{1,2}日)?|[0-9]{1,2}:[0-5][0-9]:[0-5][0-9](?: ?[AP]M)?",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"[0-9]{4,}\.0+|[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.0+)?")
"""`8991234567890.0`: pandas writes whole numbers so where others of their column are lacking; `8,991,234`."""
_SUSPECT = re.compile(r"[=#']|[0-9]+[-/., 年月:]|[^\W\d_]{3,4}[-./ :][-/ 0-9]|[^\W\d_]{4,10}$", re.IGNORECASE)
"""What has to be looked at: most codes are passed with this alone."""
DATE = (
    "looks like a date that a spreadsheet program made of a code: format the column as text in its source; a code that "
    "really is so is taken from an .xlsx, where its cell is text"
)

_REFUSED: tuple[tuple[Callable[[str], object], str], ...] = (
    (re.compile("=").match, "is a formula: save the list with its values"),
    (_ERROR.fullmatch, "is an error of a spreadsheet program, or a column that was too narrow: mend it in the source"),
    (_TRUTH.fullmatch, "is a truth value, and no code: format the column as text in its source"),
    (re.compile("'").match, "begins with an apostrophe, by which programs mark text: take it away"),
    (_FRACTION.fullmatch, "is a number that a program wrote as a fraction, or by thousands: write its digits alone"),
    (_DATE.fullmatch, DATE),
)
"""What a cell may be instead of a code, and what is said of it."""


def code_of(text: str) -> tuple[str, str]:
    """The code that a cell of a text file holds, and what of it can't be told for sure; empty: nothing."""
    if not _SUSPECT.match(text):
        return text, ""
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted.group(1).replace('""', '"').strip(), ""
    return text, next((said for written_so, said in _REFUSED if written_so(text)), "")


def is_error(text: str) -> bool:
    """Whether a text is what a spreadsheet program shows for an error: as a value, another program wrote it so."""
    return _ERROR.fullmatch(text) is not None
