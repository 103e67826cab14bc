"""What an .xlsb sheet says and the library doesn't: hidden rows and columns, errors, formulas that nobody calculated.

Where no other paragraph is named, it is [MS-XLSB] 2.4.
"""

import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from kardus.support.tabular.workbooks.cells import LOST_FORMULA, unreadable_cell
from kardus.support.tabular.workbooks.relations import targets
from kardus.support.tabular.workbooks.sheet_supplement import SheetSupplement

_WORKBOOK = "xl/workbook.bin"
_ROW, _COLUMNS, _SHEET, _CALCULATION = 0, 60, 156, 157
_ROW_FIELDS, _COLUMN_FIELDS, _COUNT = struct.Struct("<I4xHxB"), struct.Struct("<III4xB"), struct.Struct("<I")
_ROW_HIDDEN, _COLUMN_HIDDEN = 0x10, 0x01
_CELLS, _BLANKS, _ERRORS, _FORMULAS = {*range(1, 12), 62}, (1, 12), (3, 11), range(8, 12)
"""All; those that hold nothing; those that show an error; and those that are formulas."""
_SHORT_CELLS = range(12, 19)
"""They don't say where they are: behind the one before."""
_UNREAD = {62, *_SHORT_CELLS}
_PLACE, _CODE = struct.Struct("<I"), 8
"""Where a cell's value begins, behind its column and style."""
_SHEET_HEAD = 8
"""Bytes of a sheet's record before its reference and its name."""
_CALCULATION_FLAGS, _WHEN_OPENED = 24, 0x01


def xlsb_supplement(file: BinaryIO, sheet: str) -> SheetSupplement:
    """What calamine leaves out of the sheet of that name, of an open file.

    Raises:
        ValueError, OSError, LookupError, struct.error, zipfile.BadZipFile: it is damaged.
    """
    supplement, number, column = SheetSupplement(), 0, -1
    with zipfile.ZipFile(file) as package:
        content = package.read(_part_of(package, sheet))
        is_calculated = not _is_calculated_when_opened(package.read(_WORKBOOK))
    for kind, fields in _records(content):
        if kind == _ROW:
            row, height, flags = _ROW_FIELDS.unpack_from(fields)
            number, column = row + 1, -1
            if flags & _ROW_HIDDEN or not height:
                supplement.add_hidden_row(number)
        elif kind in _CELLS or kind in _SHORT_CELLS:
            column = column + 1 if kind in _SHORT_CELLS else _PLACE.unpack_from(fields)[0]
            if kind not in _BLANKS:
                _add_cell(supplement, number, column, kind, fields, is_calculated=is_calculated)
        elif kind == _COLUMNS:
            first, last, width, flags = _COLUMN_FIELDS.unpack_from(fields)
            if flags & _COLUMN_HIDDEN or not width:
                supplement.columns.append(range(first, last + 1))
    return supplement


def _add_cell(
    supplement: SheetSupplement, number: int, column: int, kind: int, fields: bytes, *, is_calculated: bool
) -> None:
    supplement.add_filled(number, column, column)
    if kind in _UNREAD:
        supplement.add_cell(number, column, unreadable_cell(".xlsb"))
    elif kind in _FORMULAS and not is_calculated:
        supplement.add_cell(number, column, LOST_FORMULA)
    elif kind in _ERRORS:
        supplement.add_error(number, column, fields[_CODE])


def _is_calculated_when_opened(workbook: bytes) -> bool:
    """Whether a program wrote formulas and left it to the spreadsheet program to calculate them (2.4.303)."""
    found = (fields for kind, fields in _records(workbook) if kind == _CALCULATION)
    return any(fields[_CALCULATION_FLAGS] & _WHEN_OPENED for fields in found)


def _part_of(package: zipfile.ZipFile, sheet: str) -> str:
    """Where a sheet is in the package."""
    parts = targets(package, _WORKBOOK, "worksheet")
    for kind, fields in _records(package.read(_WORKBOOK)):
        if kind == _SHEET:
            reference, behind = _text(fields, _SHEET_HEAD)
            if _text(fields, behind)[0] == sheet:
                return parts[reference]
    raise LookupError(sheet)


def _records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each record's kind and fields; both its kind and its size take 7 bits a byte, the lowest first (2.1.4)."""
    at = 0
    while at < len(content):
        kind, at = _number(content, at)
        size, at = _number(content, at)
        yield kind, content[at : at + size]
        at += size


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A number, and where what follows begins."""
    number, shift = 0, 0
    while True:
        byte = content[at]
        number, shift, at = number | (byte & 0x7F) << shift, shift + 7, at + 1
        if not byte & 0x80:
            return number, at


def _text(fields: bytes, at: int) -> tuple[str, int]:
    """A text, and where what follows begins."""
    begins = at + _COUNT.size
    ends = begins + 2 * _COUNT.unpack_from(fields, at)[0]
    return fields[begins:ends].decode("utf-16-le"), ends
