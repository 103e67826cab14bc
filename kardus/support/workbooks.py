"""Reads the first sheet of an Excel workbook."""

import zipfile
import zlib
from pathlib import Path

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from kardus.support.errors import DataError

_XLSX_ERRORS = (  # what openpyxl and what it reads with raise on a damaged workbook
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
)


def workbook_lines(path: Path) -> list[list[str]]:
    """Every line of a .xlsx file, its cells as texts.

    Raises:
        DataError: it is missing, or no workbook.
    """
    try:
        with path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            return [[_cell(value) for value in row] for row in book.worksheets[0].iter_rows(values_only=True)]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except _XLSX_ERRORS as error:
        raise DataError(f"{path}: not a readable .xlsx file: save it as an Excel workbook") from error


def _cell(value: object) -> str:
    """Excel stores 12 as 12.0: give back what the person typed."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
