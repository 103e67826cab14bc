"""Reads a table with a header line from a .csv or Excel file. What can't be read for sure is never passed over."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kardus.support.errors import DataError

EMPTY = "EMPTY"
"""In a column of products, in any case of letters: nothing must stand there. A blank cell may be one that was lost."""
WORKBOOKS = (".xlsx", ".xlsm")
DELIMITERS = (",", ";", "\t", "|")
"""A spreadsheet writes semicolons where the comma is the decimal sign, and tabs as "Unicode text"."""
_SEPARATOR = "sep="
"""A first line that tells Excel which separator follows."""
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Row:
    """One line of a table: its number in the file (the header is 1), and its values by column name."""

    line: int
    values: dict[str, str]
    problems: tuple[str, ...] = ()
    """What of it can't be told for sure: each with its place and the remedy."""


@dataclass(frozen=True)
class Columns:
    """What is asked of a table's columns."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    """Read as strictly as the required ones, where they are there. Others may hold anything."""
    numbers: tuple[str, ...] = ()
    """Those of them whose numbers are taken as they are, however a spreadsheet shows them."""


def read_table(path: Path, required: tuple[str, ...]) -> list[Row]:
    """Read every line that isn't blank. Column names are compared in lower case, values are stripped.

    Raises:
        DataError: the file cannot be read, has no header, lacks a required column, or a line can't be read for sure.
    """
    rows = read_rows(path, Columns(required))
    for row in rows:
        if row.problems:
            raise DataError(f"{path}: {row.problems[0]}")
    return rows


def read_rows(path: Path, columns: Columns, sheet: str | None = None, *, can_choose: bool = False) -> list[Row]:
    """The same, with lines that can't be read for sure among the rest: they say why.

    `sheet` is a workbook's; `can_choose` says whether an error may advise to name one.

    Raises:
        DataError: the file cannot be read, has no header, lacks a required column, or has one twice.
    """
    if path.suffix.lower() in WORKBOOKS:
        return _workbook_rows(path, columns, sheet, can_choose=can_choose)
    if sheet is not None:
        raise DataError(f"{path}: has no sheets: leave --sheet out")
    return _text_rows(path, columns)


def _header(path: Path, names: Sequence[str], columns: Columns) -> list[str]:
    header = [name.strip().lower() for name in names]
    found = ", ".join(name for name in header if name) or "nothing"
    for column in columns.required:
        if column not in header:
            raise DataError(f"{path}: no column '{column}' (found: {found}): name the columns in the first line")
    for column in (*columns.required, *columns.optional):
        if header.count(column) > 1:
            raise DataError(f"{path}: {header.count(column)} columns are named '{column}': rename all but one")
    return header


def _workbook_rows(path: Path, columns: Columns, sheet: str | None, *, can_choose: bool) -> list[Row]:
    # an agent starts sooner without a reader of Excel
    from kardus.support.workbooks import NOTHING, workbook_lines  # noqa: PLC0415

    lines = workbook_lines(path, sheet, can_choose=can_choose)
    names = [cell.text for cell in lines[0][1]] if lines else []
    header, rows = _header(path, names, columns), []
    for number, cells in lines[1:]:
        values, problems = {}, []
        for index, name in enumerate(header):
            cell = cells[index] if index < len(cells) else NOTHING
            is_number = name in columns.numbers and cell.number
            values[name] = cell.number if is_number else cell.text.strip()
            if cell.problem and not is_number and name in (*columns.required, *columns.optional):
                problems.append(f"cell {_letters(index)}{number} ('{name}') {cell.problem}")
        values.pop("", None)
        rows.append(Row(number, values, tuple(problems)))
    return rows


def _letters(index: int) -> str:
    """A column's name in a spreadsheet: 0 is A, 26 is AA."""
    text = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        text, index = chr(ord("A") + rest) + text, index - 1
    return text


def _text_rows(path: Path, columns: Columns) -> list[Row]:
    lines = list(_csv_lines(path))
    header, rows = _header(path, lines[0][1] if lines else [], columns), []
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
        rows.append(Row(number, values, _wrong_length(number, header, cells)))
    return rows


def _wrong_length(number: int, header: list[str], cells: list[str]) -> tuple[str, ...]:
    """A cell that is lost, or one too many, shifts what follows into other columns."""
    if len(cells) < len(header):
        return (f"line {number}: ends before column '{header[len(cells)]}': write {len(header)} cells in every line",)
    if any(cell.strip() for cell in cells[len(header) :]):
        said = f"line {number}: {len(cells)} cells, where {len(header)} columns are named"
        return (f"{said}: put a cell that holds the separator into quotes",)
    return ()


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line; a cell that holds a line's end makes the next number larger by more than one."""
    try:
        content = path.read_bytes()
        encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
        text = content.decode(encoding)
        first = text.partition("\n")[0].rstrip("\r")
        skipped = first.lower().startswith(_SEPARATOR) and len(first) == len(_SEPARATOR) + 1
        delimiter = first[-1] if skipped else max(DELIMITERS, key=first.count)
        file = io.StringIO(text.partition("\n")[2] if skipped else text, newline="")
        reader, begins = csv.reader(file, delimiter=delimiter), 1
        for cells in reader:
            yield begins + skipped, cells
            begins = reader.line_num + 1
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable .csv file ({error}): save it as CSV in UTF-8") from error
