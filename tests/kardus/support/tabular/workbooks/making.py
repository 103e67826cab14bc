"""Writes workbooks as programs do that Kardus doesn't depend on, byte by byte."""

import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Line = Sequence[object]


class Written(NamedTuple):
    """A cell as a program may write it: of an .xlsb its record's kind, and what is behind style and place; else XML."""

    kind: int
    content: bytes


_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHORT = range(12, 19)
"""Kinds of cells that don't say where they are."""
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def write_xlsx(
    path: Path,
    sheet_data: str,
    *,
    shared: str = "",
    calculation: str = "",
    formats: Sequence[int] = (0,),
    prefix: str = "",
    columns: str = "",
) -> Path:
    """An .xlsx file with one sheet, of the XML of its rows; `formats` are the built-in number formats of its styles."""
    p = f"{prefix}:" if prefix else ""
    space = f'xmlns{":" + prefix if prefix else ""}="{_MAIN}" xmlns:r="{_DOCUMENT}"'
    styles = "".join(f'<{p}xf numFmtId="{number}"/>' for number in formats)
    sheets = f'<{p}sheets><{p}sheet name="S" sheetId="1" r:id="r1"/></{p}sheets>'
    parts = {
        "_rels/.rels": _relations(("r1", "officeDocument", "/xl/workbook.xml")),
        "xl/workbook.xml": f"<{p}workbook {space}>{sheets}{calculation}</{p}workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            ("r1", "worksheet", "worksheets/sheet1.xml"),
            ("r2", "styles", "styles.xml"),
            ("r3", "sharedStrings", "sharedStrings.xml"),
        ),
        "xl/styles.xml": f"<{p}styleSheet {space}><{p}cellXfs>{styles}</{p}cellXfs></{p}styleSheet>",
        "xl/sharedStrings.xml": f"<{p}sst {space}>{shared}</{p}sst>",
        "xl/worksheets/sheet1.xml": f"<{p}worksheet {space}>{columns}<{p}sheetData>{sheet_data}</{p}sheetData>"
        f"</{p}worksheet>",
    }
    return _package(path, parts)


def write_ods(path: Path, *lines: Line, far: tuple[int, int] | None = None) -> Path:
    """An .ods file; a cell is a text, a number, None, or as it is written. `far` is the place of one cell more."""
    names = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    )
    rows = "".join(f"<table:table-row>{''.join(map(_ods_cell, line))}</table:table-row>" for line in lines)
    rows += _ods_far_row(far[0] - len(lines), far[1]) if far else ""
    body = f'<office:spreadsheet><table:table table:name="S">{rows}</table:table></office:spreadsheet>'
    root = "office:document-content"
    content = f'<{root} {names} office:version="1.3"><office:body>{body}</office:body></{root}>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return _package(path, {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": "<manifest/>"})


def write_xlsb(
    path: Path,
    *lines: Line,
    hidden: Mapping[int, tuple[int, int]] | None = None,
    columns: bytes = b"",
    far: tuple[int, int] | None = None,
    calculation: bytes = b"",
) -> Path:
    """An .xlsb file ([MS-XLSB] 2.4); a cell is a text, a number, None, or as it is written.

    `hidden` gives height and flags of rows by their place, `columns` is what the sheet says of its columns, `far` is
    the place of one cell more, and `calculation` what the workbook says of formulas.
    """
    behind = b"".join(_xlsb_row(far[0], (*[None] * far[1], "x"), 300, 0)) if far else b""
    names = (("r2", "Notes"), ("r1", "S"))
    sheets = b"".join(
        _record(156, struct.pack("<II", 0, n) + _wide(key) + _wide(s)) for n, (key, s) in enumerate(names)
    )
    parts: dict[str, str | bytes] = {
        "_rels/.rels": _relations(("r1", "officeDocument", "xl/workbook.bin")),
        "xl/workbook.bin": _record(131, b"")
        + _record(143, b"")
        + sheets
        + _record(144, b"")
        + calculation
        + _record(132, b""),
        "xl/_rels/workbook.bin.rels": _relations(
            ("r1", "worksheet", "worksheets/sheet1.bin"), ("r2", "worksheet", "worksheets/sheet2.bin")
        ),
        "xl/worksheets/sheet1.bin": b"".join(_xlsb_sheet(lines, hidden or {}, columns, behind)),
        "xl/worksheets/sheet2.bin": b"".join(_xlsb_sheet([()], {0: (0, 0x10)})),
    }
    return _package(path, parts)


def _package(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return path


def _relations(*relations: tuple[str, str, str]) -> str:
    each = (f'<Relationship Id="{key}" Type="{_DOCUMENT}/{kind}" Target="{to}"/>' for key, kind, to in relations)
    return f'<Relationships xmlns="{_RELATIONS}">{"".join(each)}</Relationships>'


def _ods_far_row(rows: int, columns: int) -> str:
    """Blank rows, and one with blank cells in front of its only one, as LibreOffice writes them."""
    blank = '<table:table-cell table:number-columns-repeated="16384"/>'
    between = f'<table:table-row table:number-rows-repeated="{rows}">{blank}</table:table-row>' if rows else ""
    before = f'<table:table-cell table:number-columns-repeated="{columns}"/>'
    return f"{between}<table:table-row>{before}{_ods_cell('x')}</table:table-row>"


def _ods_cell(value: object) -> str:
    match value:
        case None:
            return "<table:table-cell/>"
        case Written():
            return value.content.decode()
        case str():
            return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
        case _:
            shown = f"<text:p>{value}</text:p>"
            return f'<table:table-cell office:value-type="float" office:value="{value}">{shown}</table:table-cell>'


def xlsb_calculation(*, when_opened: bool) -> bytes:
    """What an .xlsb workbook says of its formulas (BrtCalcProp, 2.4.303)."""
    return _record(157, bytes(24) + struct.pack("<H", when_opened))


def xlsb_columns(first: int, last: int, width: int, flags: int) -> bytes:
    """What an .xlsb sheet says of some columns (BrtColInfo, 2.4.323)."""
    return _record(60, struct.pack("<IIIIH", first, last, width, 0, flags))


def _xlsb_sheet(
    lines: Sequence[Line], hidden: Mapping[int, tuple[int, int]], columns: bytes = b"", behind: bytes = b""
) -> Iterable[bytes]:
    width = max(1, *map(len, lines))
    yield _record(129, b"") + _record(148, struct.pack("<IIII", 0, len(lines) - 1, 0, width - 1))
    yield _record(390, b"") + columns + _record(391, b"") + _record(145, b"")
    for row, line in enumerate(lines):
        yield from _xlsb_row(row, line, *hidden.get(row, (300, 0)))
    yield behind + _record(146, b"") + _record(130, b"")


def _xlsb_row(row: int, line: Line, height: int, flags: int) -> Iterable[bytes]:
    yield _record(0, struct.pack("<IIHHBI", row, 0, height, flags << 8, 0, 0))
    for column, value in enumerate(line):
        place = struct.pack("<II", column, 0)
        if isinstance(value, Written):
            yield _record(value.kind, (place if value.kind not in SHORT else place[4:]) + value.content)
        elif isinstance(value, str):
            yield _record(6, place + _wide(value))
        elif isinstance(value, int | float):
            yield _record(5, place + struct.pack("<d", value))


def _record(kind: int, content: bytes) -> bytes:
    return _variable(kind) + _variable(len(content)) + content


def _variable(number: int) -> bytes:
    """7 bits a byte, the lowest first; the highest bit says that more follows."""
    found = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        found.append(low | (0x80 if number else 0))
        if not number:
            return bytes(found)


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")
