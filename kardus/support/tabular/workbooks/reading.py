"""Opens a workbook of any usual kind, and reads the sheet that is meant."""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from kardus.support.errors import DataError
from kardus.support.input_files import open_file
from kardus.support.spelling import composed
from kardus.support.tabular.workbooks.ods import OdsFile
from kardus.support.tabular.workbooks.sheet_parser import SheetRow
from kardus.support.tabular.workbooks.sheet_supplement import FarCellError
from kardus.support.tabular.workbooks.subprocess_reader import SubprocessWorkbook
from kardus.support.tabular.workbooks.xlsx import Sheet, Workbook, XlsxFile

_XLSX, _ODS = ".xlsx", ".ods"
_ZIP, _OLE = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
_PARTS = {"xl/workbook.bin": ".xlsb", "content.xml": _ODS}
"""By what is in it, a package is of another kind than .xlsx."""
_DAMAGED = (  # what the readers of packages and XML raise
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    SyntaxError,
    RuntimeError,  # an encrypted member
    StopIteration,
    OverflowError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def workbook_kind(path: Path) -> str:
    """The usual suffix of a file's kind, by its content; empty: it is no workbook.

    Programs export text or HTML under the name of an .xls, and an .xlsx that is locked by a password is none inside.
    """
    try:
        with open_file(path) as file:
            begins = file.read(8)
            if begins == _OLE:
                return ".xls"
            if not begins.startswith(_ZIP):
                return ""
            with contextlib.suppress(*_DAMAGED):
                names = zipfile.ZipFile(file).namelist()
                return next((kind for part, kind in _PARTS.items() if part in names), _XLSX)
    except OSError:
        return ""  # whoever reads it says why
    return _XLSX


def workbook_lines(path: Path, sheet: str | None = None, *, can_choose: bool = False) -> Iterator[SheetRow]:
    """Every line that isn't blank of a workbook's only visible sheet with any, or of the named one, as it is read.

    Raises:
        DataError: it is missing, or no workbook; there are several sheets, or none of that name. `can_choose` says
            whether the remedy may be to name a sheet.
    """
    kind = workbook_kind(path)
    try:
        with open_file(path) as file:
            book = _open(path, file, kind)
            yield from book.lines(_choose(path, book, sheet, can_choose=can_choose))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except DataError:
        raise
    except FarCellError as error:
        raise DataError(f"{path}: {error}: delete those that stand apart, or save it as an .xlsx file") from error
    except _DAMAGED as error:
        locked = "take its password away, or " if kind == ".xls" else ""
        raise DataError(
            f"{path}: not a readable {kind or path.suffix} file: {locked}save it as an .xlsx file"
        ) from error


def _open(path: Path, file: BinaryIO, kind: str) -> Workbook:
    if kind in (_XLSX, ""):
        return XlsxFile(file)
    if kind == _ODS:
        return OdsFile(file)
    if not find_spec("python_calamine"):
        raise DataError(f"{path}: {kind} files are read by the warehouse's side only: save it as .xlsx")
    return SubprocessWorkbook(file, kind)


def _choose(path: Path, book: Workbook, name: str | None, *, can_choose: bool) -> Sheet:
    if name is not None:
        found = [sheet for sheet in book.sheets if composed(sheet.name) == composed(name)]
        if not found:
            raise DataError(f"{path}: no sheet '{name}' (found: {_names(book.sheets)}): name one of these with --sheet")
        return found[0]
    visible = [sheet for sheet in book.sheets if sheet.is_visible]
    filled = [sheet for sheet in visible if next(iter(book.lines(sheet)), None)]
    if len(filled) > 1:
        remedy = "name the one to read with --sheet" if can_choose else "leave the one to read alone"
        raise DataError(f"{path}: has several sheets ({_names(filled)}): {remedy}")
    return (filled or visible or book.sheets)[0]


def _names(sheets: Sequence[Sheet]) -> str:
    return ", ".join(sheet.name for sheet in sheets)
