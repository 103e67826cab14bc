"""What an .xls sheet says and the library doesn't: hidden rows and columns, errors, formulas that nobody calculated.

Excel 5 and 95 wrote all these records with the same fields. Where no other paragraph is named, it is [MS-XLS] 2.4.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import olefile

from kardus.support.tabular.workbooks.cells import LOST_FORMULA, Cell, unreadable_cell
from kardus.support.tabular.workbooks.sheet_supplement import SheetSupplement

_STREAMS = ("Workbook", "Book")
"""Of Excel 97 and later, and of those before."""
_SHEET, _BEGIN, _END, _ROW, _COLUMNS = 0x0085, 0x0809, 0x000A, 0x0208, 0x007D
_ERROR_OR_TRUTH, _FORMULA, _SEVERAL, _RICH, _UNCALCULATED = 0x0205, 0x0006, 0x00BD, 0x00D6, 0x005E
_CELLS = {_ERROR_OR_TRUTH, _FORMULA, _SEVERAL, _RICH, 0x0203, 0x027E, 0x00FD, 0x0204}
"""Numbers and texts in several forms, too."""
_HEADER, _ROW_FIELDS, _COLUMN_FIELDS = struct.Struct("<HH"), struct.Struct("<H4xH4xB"), struct.Struct("<HHH2xB")
_PLACE, _LAST = struct.Struct("<HH"), struct.Struct("<H")
_ERROR_FIELDS, _RESULT = struct.Struct("<6xBB"), struct.Struct("<6xBxB3xH")
_ROW_HIDDEN, _COLUMN_HIDDEN, _HEIGHT = 0x20, 0x01, 0x7FFF
_NO_NUMBER, _RESULT_ERROR, _RESULT_BLANK = 0xFFFF, 2, 3
"""Of what a formula gave (2.5.133)."""
_BLANK_FORMULA = Cell(
    "", "is a formula that shows nothing, or that nobody calculated, which can't be told of .xls files: save as .xlsx"
)
"""Programs write the same as for one that gave an empty text."""


def xls_supplement(file: BinaryIO, place: int) -> SheetSupplement:
    """What calamine leaves out of the sheet at a place among all of the workbook's, from 0, of an open file.

    Raises:
        ValueError, OSError, struct.error, LookupError: it is damaged.
    """
    file.seek(0)
    with olefile.OleFileIO(file) as package:
        name = next(name for name in _STREAMS if package.exists(name))
        stream = package.openstream(name).read()
    begins = [struct.unpack_from("<I", fields)[0] for kind, fields in _records(stream, 0) if kind == _SHEET]
    supplement, is_calculated = SheetSupplement(), True
    for kind, fields in _records(stream, begins[place]):
        if kind == _ROW:
            row, height, flags = _ROW_FIELDS.unpack_from(fields)
            if flags & _ROW_HIDDEN or not height & _HEIGHT:
                supplement.add_hidden_row(row + 1)
        elif kind == _COLUMNS:
            first, last, width, flags = _COLUMN_FIELDS.unpack_from(fields)
            if flags & _COLUMN_HIDDEN or not width:
                supplement.columns.append(range(first, last + 1))
        elif kind == _UNCALCULATED:
            is_calculated = False
        elif kind in _CELLS:
            _add_cell(supplement, kind, fields, is_calculated=is_calculated)
    return supplement


def _add_cell(supplement: SheetSupplement, kind: int, fields: bytes, *, is_calculated: bool) -> None:
    row, column = _PLACE.unpack_from(fields)
    last = _LAST.unpack_from(fields, len(fields) - _LAST.size)[0] if kind == _SEVERAL else column
    supplement.add_filled(row + 1, column, last)
    if kind == _ERROR_OR_TRUTH:
        code, is_error = _ERROR_FIELDS.unpack_from(fields)
        if is_error:
            supplement.add_error(row + 1, column, code)
    elif kind == _RICH:
        supplement.add_cell(row + 1, column, unreadable_cell(".xls"))
    elif kind == _FORMULA:
        result, code, mark = _RESULT.unpack_from(fields)
        if not is_calculated:
            supplement.add_cell(row + 1, column, LOST_FORMULA)
        elif mark == _NO_NUMBER and result == _RESULT_ERROR:
            supplement.add_error(row + 1, column, code)
        elif mark == _NO_NUMBER and result == _RESULT_BLANK:
            supplement.add_cell(row + 1, column, _BLANK_FORMULA)


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The records of one part of the stream; a chart in a sheet is a part within it, and is passed over."""
    depth = 0
    if _HEADER.unpack_from(stream, at)[0] != _BEGIN:
        raise ValueError("a part of the workbook doesn't begin where it should")
    while True:
        kind, size = _HEADER.unpack_from(stream, at)
        at += _HEADER.size
        depth += (kind == _BEGIN) - (kind == _END)
        if not depth:
            return
        if depth == 1:
            yield kind, stream[at : at + size]
        at += size
