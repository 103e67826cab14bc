"""Reads a table with a header line from a text file or a workbook. What can't be read for sure is never passed over."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from kardus.support.errors import DataError
from kardus.support.spelling import composed
from kardus.support.tabular.dates_in_text import are_codes
from kardus.support.tabular.table_headers import (
    NAMED_AS_BEFORE,
    TITLE_LINES,
    Header,
    TableLayout,
    WantedColumns,
    find_header,
    named_again,
)
from kardus.support.tabular.text_cells import DATE, code_of
from kardus.support.tabular.text_tables import TextLine, decoded_text, likely_delimiters, text_lines
from kardus.support.tabular.workbooks.cells import NOTHING, Cell, column_name
from kardus.support.tabular.workbooks.reading import workbook_kind, workbook_lines
from kardus.support.tabular.workbooks.sheet_parser import SheetRow

EMPTY = "EMPTY"
"""In a column of products, in any case of letters: nothing must stand there. A blank cell may be one that was lost."""
_ALWAYS_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".ods")
"""An .xls may be a text under another name, as many programs export it."""


MIN_SWALLOWED = 3
"""In a table of fewer columns a comma in a remark would pass for a line of it."""


class Row(NamedTuple):
    """One line of a table: its number in the file (of the first line: 1), and its values by column name."""

    line: int
    values: dict[str, str]
    problems: tuple[str, ...] = ()
    """What of it can't be told for sure: each with its place and the remedy."""


def read_table(path: Path, required: tuple[str, ...]) -> list[Row]:
    """Read every line that isn't blank. Column names are compared in lower case, values are stripped.

    Raises:
        DataError: the file cannot be read, has no header, lacks a required column, or a line can't be read for sure.
    """
    rows = list(read_rows(path, WantedColumns(required)))
    for row in rows:
        if row.problems:
            raise DataError(f"{path}: {row.problems[0]}")
    return rows


def read_rows(path: Path, columns: WantedColumns, layout: TableLayout | None = None) -> Iterator[Row]:
    """The same, as it is read, with lines that can't be read for sure among the rest: they say why.

    A `layout` is an operator's, who can choose: then errors advise to name a sheet, or what columns are called.

    Raises:
        DataError: the file cannot be read, has no header, lacks a required column, or has one twice.
    """
    kind = workbook_kind(path)
    if kind or path.suffix.lower() in _ALWAYS_WORKBOOKS:
        lines = workbook_lines(path, layout.sheet if layout else None, can_choose=layout is not None)
        first = list(islice(lines, None if layout and layout.header_line else TITLE_LINES))
        header = find_header(path, first, columns, layout)
        return _workbook_rows(chain(first, lines), header, columns, layout)
    if layout and layout.sheet is not None:
        raise DataError(f"{path}: has no sheets: leave --sheet out")
    text = decoded_text(path, layout.encoding if layout else None, can_choose=layout is not None)
    delimiter, header = _text_header(path, text, columns, layout)

    return _text_rows(partial(text_lines, path, text, delimiter), delimiter, header, columns, layout)


def _text_header(path: Path, text: str, columns: WantedColumns, layout: TableLayout | None) -> tuple[str, Header]:
    """Which character is between the values, and the header that it gives."""
    refusal = None
    for delimiter in likely_delimiters(text):
        lines = islice(text_lines(path, text, delimiter), TITLE_LINES if not (layout and layout.header_line) else None)
        try:
            cells = [(number, {i: Cell(cell) for i, cell in enumerate(line)}) for number, line in lines]
            return delimiter, find_header(path, cells, columns, layout)
        except DataError as error:
            refusal = refusal or error
    raise refusal or DataError(f"{path}: no header")


def _workbook_rows(
    lines: Iterable[SheetRow], header: Header, columns: WantedColumns, layout: TableLayout | None
) -> Iterator[Row]:
    asked = {*columns.required, *columns.optional}
    for number, cells in _lines_below(lines, header, layout):
        if cells.keys().isdisjoint(header.columns):
            continue  # what stands beside the table
        values, problems = {}, list(_one_too_many(number, header, cells))
        for index, name in header.columns.items():
            text, problem, value = cells.get(index, NOTHING)
            is_value = value and name in columns.values
            values[name] = value if is_value else text.strip()
            if problem and not is_value and name in asked:
                problems.append(f"cell {column_name(index)}{number} ('{header.shown[index]}') {problem}")
        repeated = named_again(header, columns, values)
        if repeated == NAMED_AS_BEFORE:
            continue
        problems += [f"line {number}: {repeated}"] if repeated else []
        if problems or any(values.values()):
            yield Row(number, values, tuple(problems))


def _one_too_many(number: int, header: Header, cells: Mapping[int, Cell]) -> Iterator[str]:
    """A line that goes on where the header ends has one cell too many, which shifts those behind it.

    What is further to the right, behind a blank column, stands beside the table.
    """
    if cells.get(header.width, NOTHING).text.strip():
        place = f"cell {column_name(header.width)}{number}"
        yield f"{place} is behind the last column that is named: name its column, or leave one blank before it"


def _text_rows(
    lines: Callable[[], Iterable[TextLine]],
    delimiter: str,
    header: Header,
    columns: WantedColumns,
    layout: TableLayout | None,
) -> Iterator[Row]:
    codes = {*columns.required, *columns.optional} - {*columns.values}

    @cache
    def holds_codes(name: str) -> bool:
        below = (values.get(name, "") for _, _, values, _ in _values_below(lines(), header, columns, layout))
        return are_codes(code_of(value)[0] for value in below if value and value.upper() != EMPTY)

    for number, cells, values, repeated in _values_below(lines(), header, columns, layout):
        problems = [*_wrong_length(number, header, cells), *_swallowed(number, header, cells, delimiter)]
        problems += [f"line {number}: {repeated}"] if repeated else []
        for name in codes & values.keys():
            values[name], problem = code_of(values[name])
            if problem and not (problem == DATE and holds_codes(name)):
                problems.append(f"line {number}: {name} '{values[name]}' {problem}")
        yield Row(number, values, tuple(problems))


def _values_below(
    lines: Iterable[TextLine], header: Header, columns: WantedColumns, layout: TableLayout | None
) -> Iterator[tuple[int, list[str], dict[str, str], str]]:
    """Of each line that isn't blank, a total or the header again: its number, cells, values, and what it repeats."""
    for number, cells in lines:
        if number <= header.line or not any(cell.strip() for cell in cells) or _is_left_out(cells, layout):
            continue
        values = {name: cells[index].strip() for index, name in header.columns.items() if index < len(cells)}
        repeated = named_again(header, columns, values)
        if repeated != NAMED_AS_BEFORE:
            yield number, cells, values, repeated


def _lines_below(lines: Iterable[SheetRow], header: Header, layout: TableLayout | None) -> Iterable[SheetRow]:
    below = (line for line in lines if line[0] > header.line)
    if layout is None or not layout.left_out:
        return below
    return (line for line in below if not _is_left_out([line[1][index].text for index in sorted(line[1])], layout))


def _is_left_out(cells: Sequence[str], layout: TableLayout | None) -> bool:
    if layout is None or not layout.left_out:
        return False
    first = next((cell.strip() for cell in cells if cell.strip()), "")
    return composed(first).lower() in layout.left_out


def _wrong_length(number: int, header: Header, cells: Sequence[str]) -> tuple[str, ...]:
    """A cell that is lost, or one too many, shifts what follows into other columns."""
    if len(cells) < header.width:
        lost = header.shown.get(len(cells), "")
        return (f"line {number}: ends before column '{lost}': write {header.width} cells in every line",)
    if any(cell.strip() for cell in cells[header.width :]):
        said = f"line {number}: {len(cells)} cells, where {header.width} columns are named"
        return (f"{said}: put a cell that holds the separator into quotes",)
    return ()


def _swallowed(number: int, header: Header, cells: Sequence[str], delimiter: str) -> Iterator[str]:
    """Of a quote that was never closed, the next one, some lines below, is the end: what is between is one cell."""
    if header.width < MIN_SWALLOWED:
        return
    for cell in cells:
        if "\n" in cell and any(line.count(delimiter) >= header.width - 1 for line in cell.splitlines()[1:-1]):
            yield f"line {number}: a quoted cell holds whole lines of the table: close its quote where it ends"
