"""Which rows and columns of an .ods sheet nobody sees (OpenDocument 1.3, Part 3, 19.749): the library doesn't tell."""

import zipfile
from typing import BinaryIO
from xml.parsers import expat

from kardus.support.workbooks.hidden_parts import HiddenParts

_MENTIONED = (b"collapse", b"filter")
"""What the XML of every hidden row has somewhere; most files have none."""
_SEEN = "visible"


def ods_hidden(file: BinaryIO, sheet: str) -> HiddenParts:
    """Those of the sheet of that name, of an open file.

    Raises:
        ValueError, OSError, KeyError, zipfile.BadZipFile: it is damaged.
    """
    reader = _Reader(sheet)
    with zipfile.ZipFile(file) as package:
        content = package.read("content.xml")
    if any(word in content for word in _MENTIONED):
        parser = expat.ParserCreate()
        parser.StartElementHandler = reader.begin
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
    return reader.hidden


class _Reader:
    """Counts rows and columns as they come."""

    def __init__(self, sheet: str) -> None:
        self.hidden = HiddenParts()
        self._sheet, self._is_inside = sheet, False
        self._row, self._column = 1, 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Take the next element."""
        is_hidden = attributes.get("table:visibility", _SEEN) != _SEEN
        if name == "table:table":
            self._is_inside = attributes.get("table:name") == self._sheet
            self._row, self._column = 1, 0
        elif name == "table:table-row" and self._is_inside:
            found = range(self._row, self._row + int(attributes.get("table:number-rows-repeated", 1)))
            self._row = found.stop
            self.hidden.rows += [found] if is_hidden else []
        elif name == "table:table-column" and self._is_inside:
            found = range(self._column, self._column + int(attributes.get("table:number-columns-repeated", 1)))
            self._column = found.stop
            self.hidden.columns += [found] if is_hidden else []
