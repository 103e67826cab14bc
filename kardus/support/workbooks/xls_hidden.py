"""Which rows and columns of an .xls sheet nobody sees ([MS-XLS] 2.4.53 and 2.4.221): the library doesn't tell.

Excel 5 and 95 wrote both records with the same fields.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import olefile

from kardus.support.workbooks.hidden_parts import HiddenParts

_STREAMS = ("Workbook", "Book")
"""Of Excel 97 and later, and of those before."""
_SHEET, _BEGIN, _END, _ROW, _COLUMNS = 0x0085, 0x0809, 0x000A, 0x0208, 0x007D
_HEADER, _ROW_FIELDS, _COLUMN_FIELDS = struct.Struct("<HH"), struct.Struct("<H4xH4xB"), struct.Struct("<HHH2xB")
_ROW_HIDDEN, _COLUMN_HIDDEN, _HEIGHT = 0x20, 0x01, 0x7FFF


def xls_hidden(file: BinaryIO, place: int) -> HiddenParts:
    """Those of the sheet at a place among all of the workbook's, from 0, of an open file.

    Raises:
        ValueError, OSError, struct.error, LookupError: it is damaged.
    """
    file.seek(0)
    with olefile.OleFileIO(file) as package:
        name = next(name for name in _STREAMS if package.exists(name))
        stream = package.openstream(name).read()
    begins = [struct.unpack_from("<I", fields)[0] for kind, fields in _records(stream, 0) if kind == _SHEET]
    hidden = HiddenParts()
    for kind, fields in _records(stream, begins[place]):
        if kind == _ROW:
            row, height, flags = _ROW_FIELDS.unpack_from(fields)
            if flags & _ROW_HIDDEN or not height & _HEIGHT:
                hidden.add_row(row + 1)
        elif kind == _COLUMNS:
            first, last, width, flags = _COLUMN_FIELDS.unpack_from(fields)
            if flags & _COLUMN_HIDDEN or not width:
                hidden.columns.append(range(first, last + 1))
    return hidden


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
