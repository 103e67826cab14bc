"""Parses the content of an .ods file (OpenDocument 1.3, Part 3, 9.1), as it streams by."""

import re
from functools import lru_cache

from kardus.support.tabular.text_cells import is_error
from kardus.support.tabular.workbooks.cells import (
    LOST_FORMULA,
    NOTHING,
    Cell,
    date_cell,
    error_cell,
    hidden_cell,
    repeated_cell,
    stored_number,
    truth_cell,
    unformatted_cell,
)
from kardus.support.tabular.workbooks.sheet_parser import SheetRow
from kardus.support.tabular.workbooks.xml_parser import XmlParser

_OPEN = "urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TABLE, _TEXT, _STYLE = (f"{_OPEN}{name}:1.0 " for name in ("office", "table", "text", "style"))
_CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 "
_SPREADSHEET, _SHEET, _NAME = f"{_OFFICE}spreadsheet", f"{_TABLE}table", f"{_TABLE}name"
_ROW, _ROWS_REPEATED = f"{_TABLE}table-row", f"{_TABLE}number-rows-repeated"
_COLUMN, _COLUMNS_REPEATED = f"{_TABLE}table-column", f"{_TABLE}number-columns-repeated"
_CELL, _COVERED = f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"
_OF_CELLS = {_ROW, _CELL, f"{_TEXT}p"}
_STYLE_ELEMENT, _STYLE_NAME, _SHEET_STYLE = f"{_STYLE}style", f"{_STYLE}name", f"{_STYLE}table-properties"
_DISPLAY, _STYLE_OF_SHEET = f"{_TABLE}display", f"{_TABLE}style-name"
_VISIBILITY, _SEEN = f"{_TABLE}visibility", "visible"
_FORMULA, _KIND, _KIND_OF_CALC = f"{_TABLE}formula", f"{_OFFICE}value-type", f"{_CALC}value-type"
_VALUES = {
    kind: f"{_OFFICE}{name}-value" for kind, name in (("boolean", "boolean"), ("date", "date"), ("time", "time"))
}
_NUMBERS, _NUMBER, _STRING = ("float", "percentage", "currency"), f"{_OFFICE}value", f"{_OFFICE}string-value"
_PARAGRAPH = f"{_TEXT}p"
_SIGNS = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
"""What stands for a character; white space itself counts as one space, however much there is (6.1.2)."""
_ASIDE = (f"{_OFFICE}annotation", f"{_OPEN}drawing:1.0 ", f"{_TABLE}shapes")
"""What may be in a cell and is no part of what it says begins so: comments and drawings."""
_BLANKS = re.compile(r"[ \t\r\n]+")
MAX_ROWS, MAX_COLUMNS = 1 << 20, 1 << 14
"""Of a sheet, as spreadsheet programs have it."""
MAX_ROWS_ALIKE = 1000
"""Of rows that are filled alike: more of them are a style or a filling that was drawn down to the sheet's end."""
Attributes = dict[str, str]


class Parser(XmlParser):
    """Takes the XML a chunk at a time, and tells which elements of which sheet begin and end."""

    def __init__(self) -> None:
        super().__init__(namespace_separator=" ")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._is_spreadsheet, self._depth = False, 0
        self._place = -1
        """Of the sheet that began last, from 0."""

    def _begin(self, name: str, attributes: Attributes) -> None:
        if name == _SPREADSHEET:
            self._is_spreadsheet = True
        elif name == _SHEET and self._is_spreadsheet:
            self._depth += 1
            if self._depth == 1:  # one within is a table in a cell
                self._place += 1
                self._begin_sheet(attributes)

    def _end(self, name: str) -> None:
        if name == _SHEET and self._is_spreadsheet:
            self._depth -= 1

    def _begin_sheet(self, attributes: Attributes) -> None:
        """The next sheet."""


class SheetsParser(Parser):
    """Finds which sheets there are."""

    def __init__(self) -> None:
        """Nothing is found yet."""
        super().__init__()
        self.found: list[tuple[str, bool]] = []
        """Name and whether it is visible."""
        self._style = ""
        self._hidden_styles: set[str] = set()

    def _begin(self, name: str, attributes: Attributes) -> None:
        if name in _OF_CELLS:  # most are
            return
        if name == _STYLE_ELEMENT:
            self._style = attributes.get(_STYLE_NAME, "")
        elif name == _SHEET_STYLE and attributes.get(_DISPLAY) == "false":
            self._hidden_styles.add(self._style)
        else:
            super()._begin(name, attributes)

    def _begin_sheet(self, attributes: Attributes) -> None:
        self.found.append((attributes[_NAME], attributes.get(_STYLE_OF_SHEET) not in self._hidden_styles))


class LinesParser(Parser):
    """Gives the lines of one sheet that aren't blank."""

    def __init__(self, sheet: int) -> None:
        """`sheet` is its place among all, from 0."""
        super().__init__()
        self._sheet = sheet
        self._lines: list[SheetRow] = []
        self._next_row, self._column = 1, 0
        self._rows, self._columns, self._cells = range(0), range(0), dict[int, Cell]()
        self._cell: Attributes = {}
        self._is_covered, self._is_row_hidden = False, False
        self._hidden_columns: list[range] = []
        self._paragraphs: list[list[str]] = []
        self._aside = 0
        """How deep in something that isn't the cell's own."""

    def taken(self) -> list[SheetRow]:
        """The lines that are complete, once."""
        lines, self._lines = self._lines, []
        return lines

    def _begin(self, name: str, attributes: Attributes) -> None:
        if self._aside or name.startswith(_ASIDE):
            self._aside += 1
            return
        super()._begin(name, attributes)
        if self._place != self._sheet or self._depth != 1:
            return
        if name in (_CELL, _COVERED):
            self._cell, self._is_covered = attributes, name == _COVERED
            self._columns = _repeated(self._column, attributes.get(_COLUMNS_REPEATED))
            self._column, self._paragraphs = self._columns.stop, []
        elif name == _PARAGRAPH:
            self._paragraphs.append([])
            self._parser.CharacterDataHandler = self._take_text
        elif name in _SIGNS:
            self._take_sign(name, attributes)
        elif name == _ROW:
            self._rows = _repeated(self._next_row, attributes.get(_ROWS_REPEATED))
            self._next_row, self._column, self._cells = self._rows.stop, 0, {}
            self._is_row_hidden = attributes.get(_VISIBILITY, _SEEN) != _SEEN
        elif name == _COLUMN:
            found = _repeated(self._column, attributes.get(_COLUMNS_REPEATED))
            self._column = found.stop
            self._hidden_columns += [found] if attributes.get(_VISIBILITY, _SEEN) != _SEEN else []

    def _end(self, name: str) -> None:
        if self._aside:
            self._aside -= 1
            return
        if self._place == self._sheet and self._depth == 1:
            if name == _PARAGRAPH:
                self._parser.CharacterDataHandler = None
            elif name in (_CELL, _COVERED):
                self._end_cell()
            elif name == _ROW and self._cells:
                if self._rows.stop > MAX_ROWS + 1:
                    raise ValueError(f"more than {MAX_ROWS} rows")
                self._lines += _repeated_lines(self._rows, self._cells)
        super()._end(name)

    def _take_text(self, text: str) -> None:
        self._paragraphs[-1].append(_BLANKS.sub(" ", text))

    def _take_sign(self, name: str, attributes: Attributes) -> None:
        if self._paragraphs:
            count = int(attributes.get(f"{_TEXT}c", 1))
            self._paragraphs[-1].append(_SIGNS[name] * min(count, MAX_COLUMNS))

    def _end_cell(self) -> None:
        text = "\n".join("".join(paragraph) for paragraph in self._paragraphs)
        cell = _shown(self._cell, text, has_text=bool(self._paragraphs))
        if cell is NOTHING:
            return
        if self._columns.stop > MAX_COLUMNS:
            raise ValueError(f"more than {MAX_COLUMNS} columns")
        if self._is_covered or self._is_row_hidden:
            cell = hidden_cell(cell)
        for column in self._columns:
            is_hidden = any(column in hidden for hidden in self._hidden_columns)
            self._cells[column] = hidden_cell(cell) if is_hidden else cell


def _repeated(first: int, times: str | None) -> range:
    """From one place on as many as an element stands for."""
    return range(first, first + (int(times) if times else 1))


def _repeated_lines(rows: range, cells: dict[int, Cell]) -> list[SheetRow]:
    """The lines of a row that stands for several; of too many, the first, which says so."""
    if len(rows) <= MAX_ROWS_ALIKE:
        return [(number, cells) for number in rows]
    return [(rows.start, {place: repeated_cell(cell, rows.start, rows.stop - 1) for place, cell in cells.items()})]


def _shown(attributes: Attributes, text: str, *, has_text: bool) -> Cell:
    """What a cell shows."""
    kind, is_formula = attributes.get(_KIND), _FORMULA in attributes
    if attributes.get(_KIND_OF_CALC) == "error" or (is_formula and (is_error(text) or _is_no_number(kind, text))):
        return error_cell(text)
    if kind in _NUMBERS:
        value = attributes.get(_NUMBER)
        return LOST_FORMULA if is_formula and value is None else _number(attributes[_NUMBER])
    if kind in _VALUES:
        if is_formula and _VALUES[kind] not in attributes:
            return LOST_FORMULA
        value = attributes[_VALUES[kind]]
        return truth_cell(is_true=value == "true") if kind == "boolean" else date_cell(value)
    if is_formula and not (has_text or _STRING in attributes):
        return LOST_FORMULA
    return _text(text if has_text else attributes.get(_STRING, ""))


def _is_no_number(kind: str | None, text: str) -> bool:
    """Whether a number shows a word behind a number sign: an error, in whatever language; its value is made up."""
    return kind in _NUMBERS and text.startswith("#") and not any(map(str.isdigit, text))


@lru_cache(maxsize=20_000)
def _number(value: str) -> Cell:
    return unformatted_cell(stored_number(value), ".ods")


@lru_cache(maxsize=20_000)
def _text(shown: str) -> Cell:
    return Cell(shown) if shown else NOTHING
