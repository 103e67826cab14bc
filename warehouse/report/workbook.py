"""The report as an Excel workbook: the list with its pictures, the coverage by aisle, and what it tells of."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.utils import get_column_letter
from PIL import Image

from kardus.support.control_characters import escaped
from warehouse.report.coverage import reasons
from warehouse.report.report import MINUTE, Report
from warehouse.report.tables import FORMULA_PREFIXES, REPORT_COLUMNS, CellValue, report_rows, uncoded

THUMBNAIL_PX = 96
"""Greatest height and width of a picture in its cell."""
OVERSAMPLING = 2
"""Pixels stored per pixel shown, across, so that a picture stays sharp when zoomed."""
_POINTS = 0.75
"""Of a pixel: rows are measured in points ..."""
_CHARACTERS = 1 / 7
"""... and columns in characters."""


def as_xlsx(report: Report, pictures: Mapping[str, bytes]) -> bytes:
    """The workbook's file; `pictures` holds JPEGs by the alert's id."""
    book = Workbook()
    _fill_sheet(book.active, "list", (*REPORT_COLUMNS, "picture"), list(report_rows(report)))
    _add_pictures(book.active, [line.alert for line in report.discrepancies], pictures)
    coverage = [(a.aisle, a.total, a.verified, round(a.percent, 1)) for a in report.coverage]
    _fill_sheet(book.create_sheet(), "coverage", ("aisle", "locations", "verified", "percent"), coverage)
    _fill_sheet(book.create_sheet(), "about", ("what", "is"), list(_about(report)))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _about(report: Report) -> Iterator[tuple[CellValue, CellValue]]:
    yield "site", report.site
    yield "made", f"{report.made:{MINUTE}}"
    yield "time zone", report.zone
    yield "seen since", f"{report.since:{MINUTE}}"
    yield "locations", report.total.total
    yield "verified now", report.total.verified
    yield from ((f"{number} not verified", why) for number, why in reasons(report.unverified, report.since))
    yield from (("problem", words) for words in report.problems)


def _fill_sheet(sheet: Any, title: str, header: Sequence[str], lines: Sequence[Sequence[CellValue]]) -> None:
    sheet.title = title
    sheet.append(header)
    sheet.freeze_panes = "A2"
    for number, line in enumerate(lines, start=2):
        for column, value in enumerate(line, start=1):
            cell = sheet.cell(number, column)
            cell.value = _as_it_is(value) if isinstance(value, str) else value
            if isinstance(value, str):
                cell.data_type = "s"  # text, whatever it begins with
                cell.quotePrefix = value.startswith(FORMULA_PREFIXES)
    if lines:
        sheet.auto_filter.ref = sheet.dimensions


def _as_it_is(text: str) -> str:
    """A text without what XML can't hold, that Excel shows as it is."""
    return uncoded(escaped(text))


def _add_pictures(sheet: Any, alerts: Sequence[str], pictures: Mapping[str, bytes]) -> None:
    """Put each discrepancy's picture into the last column; the discrepancies are the first lines."""
    column = get_column_letter(len(REPORT_COLUMNS) + 1)
    for number, alert in enumerate(alerts, start=2):
        small = _thumbnail(pictures.get(alert, b""))
        if small is not None:
            sheet.add_image(small, f"{column}{number}")
            sheet.row_dimensions[number].height = THUMBNAIL_PX * _POINTS
            sheet.column_dimensions[column].width = THUMBNAIL_PX * _CHARACTERS


def _thumbnail(jpeg: bytes) -> SheetImage | None:
    """A picture as large as its cell; None where there is none that can be read: it came over the network."""
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            image.thumbnail((OVERSAMPLING * THUMBNAIL_PX, OVERSAMPLING * THUMBNAIL_PX))
            image.convert("RGB").save(buffer, "JPEG", quality=85)
            width, height = image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    picture = SheetImage(buffer)
    scale = THUMBNAIL_PX / max(width, height)
    picture.width, picture.height = width * scale, height * scale
    return picture
