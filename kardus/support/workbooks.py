"""Reads a sheet of an Excel workbook, cell by cell, as a person sees it there.

What can't be told for sure (a formula without a value, a code that became a date) is marked, and never guessed: a code
that is lost or changed would be taken for another one.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from kardus.support.errors import DataError

_XLSX_ERRORS = (  # what openpyxl and what it reads with raise on a damaged workbook
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
)
GENERAL_DIGITS = 11
"""A longer number is shown in exponent form where its format is General or text."""
EXACT_DIGITS = 15
"""Excel keeps so many digits of a number."""
_FORMULA = "is a formula without a stored value: open and save the file in a spreadsheet program"
_AS_TEXT = "format the column as text and type it again"
_PLAIN = ("General", "@")
_ZEROS = re.compile(r"0+")


@dataclass(frozen=True)
class Cell:
    """A cell as it is shown."""

    text: str
    problem: str = ""
    """Why what is shown can't be told, and the remedy; empty: `text` is what is shown."""
    number: str = ""
    """Of a number: its value, however it is shown."""


NOTHING = Cell("")


def workbook_lines(path: Path, sheet: str | None = None, *, can_choose: bool = False) -> list[tuple[int, list[Cell]]]:
    """Every line that isn't blank, with its number: of a .xlsx or .xlsm file's only visible sheet, or of the named one.

    Lines are cut off after the last column of the first: cells to the right of it have no name.

    Raises:
        DataError: it is missing, or no workbook; there are several sheets, or none of that name. `can_choose` says
            whether the remedy may be to name a sheet.
    """
    try:
        with path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True)
            chosen = _choose(path, book, sheet, can_choose=can_choose)
            lines = list(_lines(book[chosen]))
            if any(cell.problem == _FORMULA for _, line in lines for cell in line):
                values = dict(
                    _lines(openpyxl.load_workbook(file, read_only=True, data_only=True)[chosen], len(lines[0][1]))
                )
                lines = [(number, _with_values(line, values.get(number, []))) for number, line in lines]
            return lines
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except _XLSX_ERRORS as error:
        raise DataError(f"{path}: not a readable .xlsx file: save it as an Excel workbook") from error


def _choose(path: Path, book: Any, sheet: str | None, *, can_choose: bool) -> str:
    names = [one.title for one in book.worksheets]
    visible = [one.title for one in book.worksheets if one.sheet_state == "visible"]
    if sheet is not None:
        if sheet not in names:
            raise DataError(f"{path}: no sheet '{sheet}' (found: {', '.join(names)}): name one of these with --sheet")
        return sheet
    filled = [name for name in visible if next(iter(_lines(book[name])), None)]
    if len(filled) > 1:
        remedy = "name the one to read with --sheet" if can_choose else "leave the one to read alone"
        raise DataError(f"{path}: has several sheets ({', '.join(filled)}): {remedy}")
    return str((filled or visible or names)[0])


def _lines(sheet: Any, width: int = 0) -> Iterator[tuple[int, list[Cell]]]:
    """Number and cells of every line that isn't blank, as wide as the first of them unless a width is given."""
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    before = None
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if row is before:  # one of the million lines above a stray cell
            continue
        before = row
        line = [_cell(cell) for cell in (row[:width] if width else row)]
        while not width and line and line[-1] == NOTHING:
            line.pop()
        width = width or len(line)
        if any(cell != NOTHING for cell in line):
            yield number, line


def _cell(cell: Any) -> Cell:
    value, kind = cell.value, cell.data_type
    if value is None:
        return NOTHING
    if kind == "f":
        return Cell("", _FORMULA)
    if kind == "e":
        return Cell(str(value), f"shows the error {value}: mend it in the spreadsheet program")
    if kind == "b":
        return Cell(str(value).upper(), f"is a truth value ({str(value).upper()}): {_AS_TEXT}")
    if cell.is_date:
        return Cell(str(value), f"is a date or time ({value}): Excel turned it into one: {_AS_TEXT}")
    return _number(value, str(cell.number_format)) if kind == "n" else Cell(str(value))


def _number(value: float, shown_as: str) -> Cell:
    """A number as its format shows it: whole, or with zeros in front; any other format is refused."""
    is_whole = float(value).is_integer()
    plain = str(int(value)) if is_whole else repr(value)
    digits = len(plain.lstrip("-"))
    if is_whole and digits > EXACT_DIGITS:
        return Cell(plain, f"is a number of {digits} digits, of which Excel keeps {EXACT_DIGITS}: {_AS_TEXT}")
    if shown_as in _PLAIN:
        if digits > GENERAL_DIGITS:
            return Cell(plain, f"is the number {plain}, which Excel shows otherwise: {_AS_TEXT}", plain)
        return Cell(plain, "", plain)
    if is_whole and _ZEROS.fullmatch(shown_as):
        sign = "-" if value < 0 else ""
        return Cell(sign + plain.lstrip("-").zfill(len(shown_as)), "", plain)
    return Cell(plain, f"is the number {plain}, shown otherwise by its format {shown_as}: {_AS_TEXT}", plain)


def _with_values(line: list[Cell], values: list[Cell]) -> list[Cell]:
    """What formulas came to when the workbook was last saved by a spreadsheet program."""
    padded = values + [NOTHING] * (len(line) - len(values))
    return [
        (Cell("", _FORMULA) if value == NOTHING else value) if cell.problem == _FORMULA else cell
        for cell, value in zip(line, padded, strict=False)
    ]
