"""Reads .ods files (OpenDocument 1.3, Part 3), a line of a sheet at a time.

The library that reads them lays out every cell up to the farthest one, and gives nothing of errors
(docs/adr/0021-workbooks.md). How a number is shown is in a style; it counts as one that can't be told.
"""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from kardus.support.tabular.workbooks.ods_parser import LinesParser, Parser, SheetsParser
from kardus.support.tabular.workbooks.sheet_parser import SheetRow
from kardus.support.tabular.workbooks.xlsx import Sheet

_CONTENT = "content.xml"
_CHUNK_BYTES = 1 << 16


class OdsFile:
    """An open workbook. Every method raises what `zipfile` and conversions of numbers raise where it is damaged."""

    def __init__(self, file: BinaryIO) -> None:
        """Read which sheets there are; `file` stays open as long as this is used."""
        self._zip = zipfile.ZipFile(file)
        parser = SheetsParser()
        for _ in self._fed(parser):
            pass
        self.sheets = [Sheet(name, is_visible, str(place)) for place, (name, is_visible) in enumerate(parser.found)]

    def lines(self, sheet: Sheet) -> Iterator[SheetRow]:
        """Every line that isn't blank."""
        parser = LinesParser(int(sheet.part))
        for _ in self._fed(parser):
            yield from parser.taken()

    def _fed(self, parser: Parser) -> Iterator[None]:
        """Let a parser take the content, a chunk at each step."""
        with self._zip.open(_CONTENT) as part:
            while chunk := part.read(_CHUNK_BYTES):
                parser.feed(chunk)
                yield
        parser.feed(b"", is_last=True)
        yield
