"""Which rows and columns of an .ods sheet nobody sees (OpenDocument 1.3, Part 3, 19.749): the library doesn't tell."""

import zipfile
from bisect import bisect_right
from typing import BinaryIO
from xml.parsers import expat

_MENTIONED = (b"collapse", b"filter")
"""What the XML of every hidden row has somewhere; most files have none."""
_SEEN = "visible"


class HiddenParts:
    """Those of one sheet."""

    def __init__(self, file: BinaryIO, sheet: str) -> None:
        """Read them, of an open file.

        Raises:
            ValueError, OSError, KeyError, zipfile.BadZipFile: it is damaged.
        """
        self.rows: list[range] = []
        """By number, from 1."""
        self.columns: list[range] = []
        """By place, from 0."""
        self._sheet, self._is_inside = sheet, False
        self._row, self._column = 1, 0
        with zipfile.ZipFile(file) as package:
            content = package.read("content.xml")
        if any(word in content for word in _MENTIONED):
            parser = expat.ParserCreate()
            parser.StartElementHandler = self._begin
            try:
                parser.Parse(content, True)
            except expat.ExpatError as error:
                raise ValueError(str(error)) from error

    def has_row(self, number: int) -> bool:
        """Whether nobody sees a row."""
        return _has(self.rows, number)

    def has_column(self, place: int) -> bool:
        """Whether nobody sees a column."""
        return _has(self.columns, place)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        is_hidden = attributes.get("table:visibility", _SEEN) != _SEEN
        if name == "table:table":
            self._is_inside = attributes.get("table:name") == self._sheet
            self._row, self._column = 1, 0
        elif name == "table:table-row" and self._is_inside:
            found = range(self._row, self._row + int(attributes.get("table:number-rows-repeated", 1)))
            self._row = found.stop
            self.rows += [found] if is_hidden else []
        elif name == "table:table-column" and self._is_inside:
            found = range(self._column, self._column + int(attributes.get("table:number-columns-repeated", 1)))
            self._column = found.stop
            self.columns += [found] if is_hidden else []


def _has(parts: list[range], number: int) -> bool:
    """Whether one of them, which are in order, has the number."""
    before = bisect_right(parts, number, key=lambda part: part.start)
    return before > 0 and number in parts[before - 1]
