"""Which rows and columns of an .xlsb sheet nobody sees ([MS-XLSB] 2.4.741 and 2.4.323): the library doesn't tell."""

import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from kardus.support.workbooks.hidden_parts import HiddenParts
from kardus.support.workbooks.relations import targets

_WORKBOOK = "xl/workbook.bin"
_ROW, _COLUMNS, _SHEET = 0, 60, 156
_ROW_FIELDS, _COLUMN_FIELDS, _COUNT = struct.Struct("<I4xHxB"), struct.Struct("<III4xB"), struct.Struct("<I")
_ROW_HIDDEN, _COLUMN_HIDDEN = 0x10, 0x01
_SHEET_HEAD = 8
"""Bytes of a sheet's record before its reference and its name."""


def xlsb_hidden(file: BinaryIO, sheet: str) -> HiddenParts:
    """Those of the sheet of that name, of an open file.

    Raises:
        ValueError, OSError, LookupError, struct.error, zipfile.BadZipFile: it is damaged.
    """
    hidden = HiddenParts()
    with zipfile.ZipFile(file) as package:
        content = package.read(_part_of(package, sheet))
    for kind, fields in _records(content):
        if kind == _ROW:
            row, height, flags = _ROW_FIELDS.unpack_from(fields)
            if flags & _ROW_HIDDEN or not height:
                hidden.add_row(row + 1)
        elif kind == _COLUMNS:
            first, last, width, flags = _COLUMN_FIELDS.unpack_from(fields)
            if flags & _COLUMN_HIDDEN or not width:
                hidden.columns.append(range(first, last + 1))
    return hidden


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
