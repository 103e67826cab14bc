"""A table as a file, .csv or .xlsx, written while it is sent: a row at a time, in a memory that doesn't grow.

An .xlsx is a ZIP archive of XML, whose one sheet can be written from its first row to its last without knowing how many
there are. openpyxl gives the file when it is complete: of 100,000 rows after seconds.
"""

import csv
import io
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from xml.sax.saxutils import escape, quoteattr

from fastapi import Response
from fastapi.responses import StreamingResponse

from kardus.contract.messages import utc_text
from warehouse.console.pages.rendering import HEADERS
from warehouse.console.problems import ProblemError
from warehouse.report.tables import escape_formula, escape_separated, uncoded

CHUNK_BYTES = 65_536
"""So much is sent at once: the thread that made it is free for others in between."""
MAX_CELL = 32_767
"""Characters that a cell of a spreadsheet holds."""
ExportedValue = str | float | int | datetime | None
"""A moment is written in UTC for programs, and for people as a date cell, which knows no zone: it is that clock's."""
COLUMN_WIDTH = 20
"""In characters: a date and a time that don't fit are shown as ####."""
_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 - a clock's time
"""Days are counted from here; before 1900 spreadsheet programs disagree."""
TableRows = Iterable[Sequence[ExportedValue]]
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OOXML = "http://schemas.openxmlformats.org/"
_MAIN = f'xmlns="{_OOXML}spreadsheetml/2006/main"'
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATION = f"{_OOXML}officeDocument/2006/relationships"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_OOXML}package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEET}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_SHEET}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SHEET}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_OOXML}package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_OOXML}package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATION}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_RELATION}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f"<styleSheet {_MAIN}>"
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm:ss"/></numFmts>'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
"""Of two styles the second shows a date and a time."""


def table_file(name: str, kind: str, header: Sequence[str], rows: TableRows) -> Response:
    """The file, under this name. `rows` are asked for one after another, in threads, while it is sent.

    The first of them is asked for at once: what goes wrong with it is still told as an error.

    Raises:
        ProblemError: 404: there is no such kind.
    """
    writer = _WRITERS.get(kind)
    if writer is None:
        raise ProblemError(404, "there are .csv and .xlsx")
    write, media = writer
    coming = iter(rows)
    first = next(coming, None)
    every = chain([header], [] if first is None else [first], coming)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return StreamingResponse(write(name, every), headers=headers, media_type=media)


def _separated(row: Sequence[ExportedValue]) -> list[str | float]:
    return [_separated_cell(cell) for cell in row]


def _separated_cell(cell: ExportedValue) -> str | float:
    if cell is None:
        return ""
    return utc_text(cell) if isinstance(cell, datetime) else escape_separated(cell)


def _csv(name: str, rows: TableRows) -> Iterator[bytes]:  # noqa: ARG001 - a sheet has one
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    for row in rows:
        writer.writerow(_separated(row))
        if buffer.tell() >= CHUNK_BYTES:
            yield _taken(buffer).encode()
    yield _taken(buffer).encode()


def _xlsx(name: str, rows: TableRows) -> Iterator[bytes]:
    sent = _ArchiveBuffer()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in _PARTS.items():
            archive.writestr(part, _HEAD + text)
        sheets = f'<sheets><sheet name={quoteattr(name)} sheetId="1" r:id="rId1"/></sheets>'
        archive.writestr("xl/workbook.xml", f'{_HEAD}<workbook {_MAIN} xmlns:r="{_RELATION}">{sheets}</workbook>')
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            buffer = io.StringIO()
            coming = iter(rows)
            header = next(coming, ())
            cols = f'<cols><col min="1" max="{len(header) or 1}" width="{COLUMN_WIDTH}" customWidth="1"/></cols>'
            buffer.write(f"{_HEAD}<worksheet {_MAIN}>{cols}<sheetData>")
            for row in chain([header], coming):
                buffer.write(f"<row>{''.join(map(_cell, row))}</row>")
                if buffer.tell() >= CHUNK_BYTES:
                    sheet.write(_taken(buffer).encode())
                    yield sent.take()
            buffer.write("</sheetData></worksheet>")
            sheet.write(buffer.getvalue().encode())
    yield sent.take()


def _cell(value: ExportedValue) -> str:
    if isinstance(value, datetime):
        clock = value.replace(tzinfo=None)
        if clock.year > _DAY_0.year:
            return f'<c s="1"><v>{(clock - _DAY_0) / timedelta(days=1):.8f}</v></c>'
        value = value.isoformat()
    cell = "" if value is None else escape_formula(value)
    if not isinstance(cell, str) and math.isfinite(cell):
        return f"<c><v>{cell!r}</v></c>"
    text = escape(uncoded(f"{cell}"[:MAX_CELL])).replace("\r", "_x000D_")
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


class _ArchiveBuffer(io.RawIOBase):
    """What the archive has written and nobody has taken; it can't be gone back in."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # zipfile writes bytes
        self._parts.append(bytes(content))
        return len(content)

    def take(self) -> bytes:
        found, self._parts = b"".join(self._parts), []
        return found


_WRITERS: dict[str, tuple[Callable[[str, TableRows], Iterator[bytes]], str]] = {
    "csv": (_csv, "text/csv; charset=utf-8"),
    "xlsx": (_xlsx, _XLSX),
}
