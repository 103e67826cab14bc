"""Reads .xls, .xlsb and .ods files, a sheet at a time.

The library gives neither number formats nor error cells (docs/adr/0021-workbooks.md): a number counts as one that can't
be told, and a blank cell may have been an error. Hidden rows and columns are looked for beside it.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import BinaryIO

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from kardus.support.workbooks.cells import NOTHING, Cell, date_cell, hidden_cell, truth_cell, unformatted_cell
from kardus.support.workbooks.hidden_parts import HiddenParts
from kardus.support.workbooks.ods_hidden import ods_hidden
from kardus.support.workbooks.sheet_parser import Line
from kardus.support.workbooks.xls_hidden import xls_hidden
from kardus.support.workbooks.xlsb_hidden import xlsb_hidden
from kardus.support.workbooks.xlsx import Sheet

Value = int | float | str | bool | time | date | datetime | timedelta


class CalamineFile:
    """An open workbook. Every method raises ValueError where the file is damaged, or locked by a password."""

    def __init__(self, file: BinaryIO, suffix: str) -> None:
        """Read which sheets there are; `suffix` is what errors call this kind of file."""
        self._file, self._suffix = file, suffix
        try:
            self._book = CalamineWorkbook.from_filelike(file)
        except CalamineError as error:
            raise ValueError(str(error)) from error
        self.sheets = [
            Sheet(sheet.name, sheet.visible == SheetVisibleEnum.Visible, sheet.name)
            for sheet in self._book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
        ]

    def lines(self, sheet: Sheet) -> Iterator[Line]:
        """Every line that isn't blank."""
        try:
            area = self._book.get_sheet_by_name(sheet.part)
        except CalamineError as error:
            raise ValueError(str(error)) from error
        hidden = self._hidden(sheet.part)
        _, left = area.start or (0, 0)
        blank: list[Value] = [""] * area.width
        for number, row in enumerate(area.iter_rows(), start=1):
            if row != blank:  # one stray cell makes millions of blank ones
                cells = {column: self._cell(value) for column, value in enumerate(row, start=left) if value != ""}
                yield number, _with_hidden(number, cells, hidden)

    def _hidden(self, sheet: str) -> HiddenParts:
        match self._suffix:
            case ".ods":
                return ods_hidden(self._file, sheet)
            case ".xlsb":
                return xlsb_hidden(self._file, sheet)
            case _:
                return xls_hidden(self._file, self._book.sheet_names.index(sheet))

    def _cell(self, value: Value) -> Cell:
        match value:
            case str():
                return Cell(value) if value else NOTHING
            case bool():
                return truth_cell(is_true=value)
            case int() | float():
                return unformatted_cell(value, self._suffix)
            case _:
                return date_cell(value)


def _with_hidden(number: int, cells: dict[int, Cell], hidden: HiddenParts) -> dict[int, Cell]:
    if not (hidden.rows or hidden.columns):
        return cells
    is_hidden = hidden.has_row(number)
    return {
        place: hidden_cell(cell) if is_hidden or hidden.has_column(place) else cell for place, cell in cells.items()
    }
