"""What a sheet's file holds and calamine leaves out: hidden rows and columns, cells that show an error, its extent."""

from bisect import bisect_right
from dataclasses import dataclass, field

from kardus.support.tabular.workbooks.cells import Cell, column_name, error_cell

ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
"""By their numbers, in .xls ([MS-XLS] 2.5.10) and .xlsb ([MS-XLSB] 2.5.97.2)."""
MAX_CELLS_LAID_OUT, MIN_FILLED = 8_000_000, 0.1
"""The library lays out every cell up to the farthest ones: a second's worth, or an area that is mostly filled."""


class FarCellError(ValueError):
    """Reading a sheet would take long, because of a few cells."""


@dataclass
class SheetSupplement:
    """What calamine leaves out of one sheet. Hidden rows and columns are stretches, each told once and in order."""

    rows: list[range] = field(default_factory=list)
    """By number, from 1."""
    columns: list[range] = field(default_factory=list)
    """By place, from 0."""
    cells: dict[int, dict[int, Cell]] = field(default_factory=dict)
    """Those that show something else than the library gives, by the number of their row and by their place."""
    _filled: int = 0
    _far_row: int = 0
    _far_column: int = 0

    def add_hidden_row(self, number: int) -> None:
        """One row more; a filter hides thousands of them one after the other."""
        if self.rows and self.rows[-1].stop == number:
            self.rows[-1] = range(self.rows[-1].start, number + 1)
        else:
            self.rows.append(range(number, number + 1))

    def has_row(self, number: int) -> bool:
        """Whether nobody sees a row."""
        return _has(self.rows, number)

    def has_column(self, place: int) -> bool:
        """Whether nobody sees a column."""
        return _has(self.columns, place)

    def add_filled(self, number: int, first: int, last: int) -> None:
        """A row has values from one place to another."""
        self._filled += last - first + 1
        self._far_row, self._far_column = max(self._far_row, number), max(self._far_column, last)

    def add_cell(self, number: int, place: int, cell: Cell) -> None:
        """Note a cell as it is shown."""
        self.cells.setdefault(number, {})[place] = cell

    def add_error(self, number: int, place: int, code: int) -> None:
        """Note a cell that shows an error, by the error's number. LookupError: there is none of it."""
        self.add_cell(number, place, error_cell(ERRORS[code]))

    def require_near(self) -> None:
        """Raises FarCellError where a few cells stand so far from the others that laying out all takes long."""
        laid_out = self._far_row * (self._far_column + 1)
        if laid_out > MAX_CELLS_LAID_OUT and self._filled < MIN_FILLED * laid_out:
            raise FarCellError(
                f"cells stand in lines up to {self._far_row} and in columns up to {column_name(self._far_column)}, "
                "and nearly all between them are blank"
            )


def _has(parts: list[range], number: int) -> bool:
    before = bisect_right(parts, number, key=lambda part: part.start)
    return before > 0 and number in parts[before - 1]
