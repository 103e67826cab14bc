"""Reads .xls and .xlsb files in a process of its own.

Of a damaged file, or one with a cell far away, the library asks for hundreds of gigabytes, and its process is ended on
the spot; whoever follows a WMS for years must not end with it.
"""

import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO

from kardus.support.tabular.workbooks.sheet_parser import SheetRow
from kardus.support.tabular.workbooks.sheet_supplement import FarCellError
from kardus.support.tabular.workbooks.xlsx import Sheet, Workbook

_MAX_BYTES = 4 << 30
"""Of address space: 1,000,000 lines of ten columns take a third."""
_MODULE = "kardus.support.tabular.workbooks.subprocess_reader"


class SubprocessWorkbook:
    """A workbook that has been read."""

    def __init__(self, file: BinaryIO, suffix: str) -> None:
        """Read all of it; `suffix` is what errors call this kind of file.

        Raises:
            ValueError: it is damaged, locked by a password, or larger than any list.
        """
        command = [sys.executable, "-m", _MODULE, suffix]
        file.seek(0)
        # what it prints there are the places in its source where it gave up
        done = subprocess.run(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)  # noqa: S603 - our own module
        if done.returncode:
            raise ValueError(f"the reader of {suffix} files ended with {done.returncode}")
        read: list[tuple[Sheet, list[SheetRow] | str]] = pickle.loads(done.stdout)  # noqa: S301 - of our own process
        self.sheets = [sheet for sheet, _ in read]
        self._lines = dict(read)

    def lines(self, sheet: Sheet) -> Iterator[SheetRow]:
        """Every line that isn't blank.

        Raises:
            FarCellError: reading this sheet would have taken long.
        """
        lines = self._lines[sheet]
        if isinstance(lines, str):
            raise FarCellError(lines)
        return iter(lines)


def _read(suffix: str) -> None:
    """What the other process does: every sheet of the workbook at its standard input, to its standard output."""
    from kardus.support.tabular.workbooks.calamine import CalamineFile  # noqa: PLC0415 - only the warehouse's side has it

    resource.setrlimit(resource.RLIMIT_AS, (_MAX_BYTES, _MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    book = CalamineFile(sys.stdin.buffer, suffix)
    sys.stdout.buffer.write(pickle.dumps([(sheet, _lines_of(book, sheet)) for sheet in book.sheets]))


def _lines_of(book: Workbook, sheet: Sheet) -> list[SheetRow] | str:
    """Those of a sheet, or why it would take long to read them: it may not be the one that is wanted."""
    try:
        return list(book.lines(sheet))
    except FarCellError as error:
        return str(error)


if __name__ == "__main__":
    _read(sys.argv[1])
