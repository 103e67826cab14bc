"""Reads .xls and .xlsb files, a sheet at a time.

The library gives no number formats (docs/adr/0021-workbooks.md): a number counts as one that can't be told. What it
gives nothing of at all, as errors and hidden rows, is looked for beside it.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import BinaryIO

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from kardus.support.tabular.workbooks.cells import NOTHING, Cell, date_cell, hidden_cell, truth_cell, unformatted_cell
from kardus.support.tabular.workbooks.sheet_parser import SheetRow
from kardus.support.tabular.workbooks.sheet_supplement import SheetSupplement
from kardus.support.tabular.workbooks.xls_supplement import xls_supplement
from kardus.support.tabular.workbooks.xlsb_supplement import xlsb_supplement
from kardus.support.tabular.workbooks.xlsx import Sheet

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

    def lines(self, sheet: Sheet) -> Iterator[SheetRow]:
        """Every line that isn't blank. FarCellError: laying out the sheet would take long."""
        supplement = self._supplement(sheet.part)
        supplement.require_near()
        last = 0
        for last, cells in enumerate(self._rows(sheet), start=1):
            shown = cells | supplement.cells.get(last, {})
            if shown:
                yield last, _with_hidden(last, shown, supplement)
        for number in sorted(number for number in supplement.cells if number > last):
            yield number, _with_hidden(number, supplement.cells[number], supplement)

    def _rows(self, sheet: Sheet) -> Iterator[dict[int, Cell]]:
        """Those of the first row, and of every one below it up to the last that has any."""
        try:
            area = self._book.get_sheet_by_name(sheet.part)
        except CalamineError as error:
            raise ValueError(str(error)) from error
        _, left = area.start or (0, 0)
        blank: list[Value] = [""] * area.width
        for row in area.iter_rows():
            if row == blank:  # one stray cell makes millions of blank ones
                yield {}
            else:
                yield {column: self._cell(value) for column, value in enumerate(row, start=left) if value != ""}

    def _supplement(self, sheet: str) -> SheetSupplement:
        if self._suffix == ".xlsb":
            return xlsb_supplement(self._file, sheet)
        return xls_supplement(self._file, self._book.sheet_names.index(sheet))

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


def _with_hidden(number: int, cells: dict[int, Cell], supplement: SheetSupplement) -> dict[int, Cell]:
    if not (supplement.rows or supplement.columns):
        return cells
    is_hidden = supplement.has_row(number)
    return {
        place: hidden_cell(cell) if is_hidden or supplement.has_column(place) else cell for place, cell in cells.items()
    }
