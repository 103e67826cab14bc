"""Rows and columns of a sheet that a spreadsheet program doesn't show."""

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass
class HiddenParts:
    """Those of one sheet, in stretches, each told once and in order."""

    rows: list[range] = field(default_factory=list)
    """By number, from 1."""
    columns: list[range] = field(default_factory=list)
    """By place, from 0."""

    def add_row(self, number: int) -> None:
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


def _has(parts: list[range], number: int) -> bool:
    before = bisect_right(parts, number, key=lambda part: part.start)
    return before > 0 and number in parts[before - 1]
