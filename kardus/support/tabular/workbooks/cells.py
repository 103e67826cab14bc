"""A cell as a person sees it in the spreadsheet program.

What can't be told for sure (a formula without a value, a code that became a date) is marked, and never guessed: a code
that is lost or changed would be taken for another one.
"""

import re
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

GENERAL = "General"
TEXT = "@"
GENERAL_DIGITS = 11
"""A longer number is shown in exponent form where its format is General or text."""
EXACT_DIGITS = 15
"""Excel keeps so many digits of a number."""
AS_TEXT = "format the column as text and type it again"
_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*")
_ZEROS = re.compile(r"0+")
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
"""Of a number format: quoted and escaped characters, spaces as wide as one, fillings, colours and conditions."""


class Cell(NamedTuple):
    """A cell as it is shown."""

    text: str
    problem: str = ""
    """Why what is shown can't be told, and the remedy; empty: `text` is what is shown."""
    value: str = ""
    """Of a number or a truth value: itself, however it is shown."""


NOTHING = Cell("")
LOST_FORMULA = Cell("", "is a formula without a stored value: open and save the file in a spreadsheet program")


def unreadable_cell(suffix: str) -> Cell:
    """A cell with something in it that nobody reads, of a kind of file."""
    return Cell("", f"is written in a way that isn't read of {suffix} files: save the file as .xlsx")


def hidden_cell(cell: Cell) -> Cell:
    """A cell in a row or a column that the spreadsheet program doesn't show: a filter may have left out what is old."""
    # its value isn't taken either: whoever looks at the sheet doesn't see that it is there
    return Cell(cell.text, "is hidden: show all rows and columns (take filters away), or delete it")


def repeated_cell(cell: Cell, first: int, last: int) -> Cell:
    """A cell of a line that a file says to stand in thousands of rows, one after the other."""
    return Cell(cell.text, f"stands in every row from {first} to {last}: leave it in one, and delete the others")


def error_cell(shown: str) -> Cell:
    """A cell that shows an error, as `#N/A`."""
    return Cell(shown, f"shows the error {shown}: mend it in the spreadsheet program")


def truth_cell(*, is_true: bool) -> Cell:
    """A cell that shows TRUE or FALSE."""
    shown = "TRUE" if is_true else "FALSE"
    return Cell(shown, f"is a truth value ({shown}): {AS_TEXT}", shown)


def date_cell(value: datetime | date | time | timedelta | str) -> Cell:
    """A cell that shows a date, a time or a duration."""
    return Cell(str(value), f"is a date or time ({value}): the program turned it into one: {AS_TEXT}")


def stored_number(stored: str) -> float:
    """A number as it is stored in XML: Python's own reader takes `1_7`, `inf` and `nan` too.

    Raises:
        ValueError: it is no number.
    """
    if _NUMBER.fullmatch(stored) is None:
        raise ValueError(f"no number: {stored}")
    return float(stored)


def number_cell(value: float, shown_as: str) -> Cell:
    """A number as its format shows it: whole, or with zeros in front; any other format is refused.

    Raises:
        ValueError, OverflowError: it is no finite number.
    """
    is_whole = float(value).is_integer()
    plain = _plain(value)
    digits = len(plain.lstrip("-"))
    if is_whole and digits > EXACT_DIGITS:
        return Cell(plain, f"is a number of {digits} digits, of which Excel keeps {EXACT_DIGITS}: {AS_TEXT}")
    if shown_as in (GENERAL, TEXT):
        if digits > GENERAL_DIGITS or "e" in plain:
            return Cell(plain, f"is the number {plain}, which Excel shows otherwise: {AS_TEXT}", _counted(value))
        return Cell(plain, "", plain)
    if is_whole and _ZEROS.fullmatch(shown_as):
        sign = "-" if value < 0 else ""
        return Cell(sign + plain.lstrip("-").zfill(len(shown_as)), "", plain)
    return Cell(plain, f"is the number {plain}, shown otherwise by its format {shown_as}: {AS_TEXT}", _counted(value))


def unformatted_cell(value: float, suffix: str) -> Cell:
    """A number of a kind of file whose formats can't be read."""
    plain = _plain(value)
    said = f"is the number {plain}, and how it is shown can't be told of {suffix} files"
    return Cell(plain, f"{said}: save the file as .xlsx, or {AS_TEXT}", _counted(value))


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _counted(value: float) -> str:
    """A number to the digits that programs keep: 29 hundredths times 100 are stored as 28.999999999999996."""
    return _plain(float(f"{value:.{EXACT_DIGITS}g}"))


def column_name(place: int) -> str:
    """A column's name in a spreadsheet, of its place from 0: 0 is A, 26 is AA."""
    text = ""
    while place >= 0:
        place, rest = divmod(place, 26)
        text, place = chr(ord("A") + rest) + text, place - 1
    return text


@lru_cache(maxsize=1000)
def is_date_format(number_format: str) -> bool:
    """Whether a number format shows a number as a date, a time or a duration (ECMA-376, Part 1, 18.8.31)."""
    return re.search("[dmyhs]", _NOT_SHOWN.sub("", number_format), re.IGNORECASE) is not None
