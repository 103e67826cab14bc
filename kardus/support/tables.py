"""Reads a table with a header line from a .csv or .xlsx file."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kardus.support.errors import DataError


@dataclass(frozen=True)
class Row:
    """One line of a table: its number in the file (the header is 1), and its values by column name."""

    line: int
    values: dict[str, str]


def read_table(path: Path, required: tuple[str, ...]) -> list[Row]:
    """Read every line that isn't blank. Column names are compared in lower case, values are stripped.

    Raises:
        DataError: the file cannot be read, has no header, or lacks a required column.
    """
    lines = iter(_xlsx_lines(path) if path.suffix.lower() == ".xlsx" else _csv_lines(path))
    header = [cell.strip().lower() for cell in next(lines, [])]
    missing = [column for column in required if column not in header]
    if missing:
        found = ", ".join(name for name in header if name) or "nothing"
        raise DataError(f"{path}: no column '{missing[0]}' (found: {found}): name the columns in the first line")
    return [
        Row(number, {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name})
        for number, cells in enumerate(lines, start=2)
        if any(cell.strip() for cell in cells)
    ]


def _xlsx_lines(path: Path) -> Iterable[list[str]]:
    from kardus.support.workbooks import workbook_lines  # noqa: PLC0415 - an agent starts sooner without a reader of Excel

    return workbook_lines(path)


def _csv_lines(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            # a spreadsheet writes semicolons where the comma is the decimal sign
            yield from csv.reader(file, delimiter=";" if header.count(";") > header.count(",") else ",")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable .csv file ({error}): save it as CSV in UTF-8") from error
