"""Finds the header of a table: the line that names its columns."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from kardus.support.errors import DataError
from kardus.support.tabular.workbooks.sheet_parser import SheetRow

TITLE_LINES = 30
"""The header is looked for in so many lines; those above it are a title."""


NAMED_AS_BEFORE = "the header once more"
"""What printed pages and joined files have between their lines."""


@dataclass(frozen=True)
class WantedColumns:
    """What is asked of a table's columns."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    """Read as strictly as the required ones, where they are there. Others may hold anything."""
    values: tuple[str, ...] = ()
    """Those of them whose numbers and truth values are taken as they are, however a spreadsheet shows them."""


@dataclass(frozen=True)
class TableLayout:
    """Where in a file the table is, and what its columns are called there."""

    sheet: str | None = None
    """Of a workbook with several."""
    header_line: int | None = None
    """From 1; None: the first that has every required column, in the first TITLE_LINES."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a column may be called there, in any case of letters, instead of its own name."""
    encoding: str | None = None
    """Of a text; None: found out."""
    left_out: frozenset[str] = frozenset()
    """A line that begins with one of these, in lower case and NFC, as a total, isn't one of the table."""


@dataclass(frozen=True)
class Header:
    """The line that names the columns."""

    line: int
    """Its number, from 1."""
    columns: dict[int, str]
    """By place, from 0: what is asked for under the name that it is asked for, all others as they are called."""
    shown: dict[int, str]
    """By place: what they are called in the file; those without a name aren't in it."""
    names: frozenset[str]
    """What the required ones may be called, in lower case."""

    @property
    def width(self) -> int:
        """How many cells a line has, up to the last column with a name."""
        return max(self.shown, default=-1) + 1


def find_header(
    path: Path, lines: Iterable[SheetRow], columns: WantedColumns, layout: TableLayout | None = None
) -> Header:
    """The header of a table, of its lines.

    Raises:
        DataError: no line has every required column, or one is there twice.
    """
    chosen = layout.header_line if layout else None
    if chosen is not None:
        candidates = [line for line in lines if line[0] == chosen]
    else:
        candidates = list(islice(lines, TITLE_LINES if layout else 1))
    named = [(number, {index: _folded(cell.text) for index, cell in cells.items()}) for number, cells in candidates]
    for (number, names), (_, cells) in zip(named, candidates, strict=True):
        places = {column: _places(names, _called(column, layout)) for column in (*columns.required, *columns.optional)}
        if all(places[column] for column in columns.required):
            _require_once(path, places, names)
            asked = {found[0]: column for column, found in places.items() if found}
            others = {index: name for index, name in names.items() if name and name not in places}
            shown = {index: cell.text.strip() for index, cell in cells.items() if cell.text.strip()}
            codes = frozenset(name for column in columns.required for name in _called(column, layout))
            return Header(number, dict(sorted((others | asked).items())), shown, codes)
    raise DataError(f"{path}: {_missing([names for _, names in named], columns, layout)}")


def named_again(header: Header, columns: WantedColumns, values: Mapping[str, str]) -> str:
    """What is to be said of a line that names the columns again; empty: it doesn't.

    NAMED_AS_BEFORE is no problem. Of lists that were joined, one may have its columns in another order.
    """
    if all(values.get(column, "").lower() not in header.names for column in columns.required):
        return ""
    asked = {column for column in columns.required if column in values}
    if all(_folded(values[name]) == _folded(header.shown[i]) for i, name in header.columns.items() if name in asked):
        return NAMED_AS_BEFORE
    return "names the columns again, and otherwise: give each list a file of its own"


def _called(column: str, layout: TableLayout | None) -> tuple[str, ...]:
    return tuple(_folded(name) for name in layout.names.get(column, (column,))) if layout else (column,)


def _places(names: Mapping[int, str], called: Sequence[str]) -> list[int]:
    """Where the first of some names stands; several times: all places."""
    for name in called:
        found = [index for index, other in names.items() if other == name]
        if found:
            return found
    return []


def _require_once(path: Path, places: Mapping[str, Sequence[int]], names: Mapping[int, str]) -> None:
    for found in places.values():
        if len(found) > 1:
            raise DataError(f"{path}: {len(found)} columns are named '{names[found[0]]}': rename all but one")


def _missing(lines: Sequence[Mapping[int, str]], columns: WantedColumns, layout: TableLayout | None) -> str:
    """What is said of a table without a header: of the line that has most of it, the first column that it lacks."""

    def lacking(names: Mapping[int, str]) -> list[str]:
        return [column for column in columns.required if not _places(names, _called(column, layout))]

    best = min(lines, key=lambda names: len(lacking(names)), default={})
    found = ", ".join(name for name in best.values() if name) or "nothing"
    column = lacking(best)[0]
    said = f"no column '{' or '.join(_called(column, layout))}' (found: {found})"
    if layout is None:
        return f"{said}: name the columns in the first line"
    return f"{said}: name the columns in a line, or say what they are called with --columns {column}=NAME"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip().lower())
