"""Parses the XML of a sheet (ECMA-376, Part 1, 18.3), as it streams by.

Rows as all usual programs write them are taken apart by regular expressions; whatever they don't describe in full, and
all that is around the rows, goes to expat, a row at a time. Both read the same (a test draws rows for them).
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import IO
from xml.parsers import expat

from kardus.support.tabular.workbooks.cells import NOTHING, Cell, hidden_cell
from kardus.support.tabular.workbooks.xml_chunks import PLAIN_TEXT, unescaped, xml_chunks
from kardus.support.tabular.workbooks.xml_parser import XmlParser

SheetRow = tuple[int, dict[int, Cell]]
"""Number of a line, from 1, and those of its cells that aren't blank, by column, from 0."""
StoredCell = Callable[[str, str, str, bool], Cell]
"""What a cell shows, of its kind (`t`), what is stored, its style (`s`), and whether it is a formula."""
_ROW = re.compile(r'(</row>)?\s*<row(?: r="([0-9]+)")?((?: [^<>]*[^<>/])?)>')
"""What is in front of a row's first cell: the end of another row, and its own number and further attributes."""
_REST = (
    r'(?: s="([0-9]+)")?(?: t="([A-Za-z]+)")?(?:/>|>'
    r'(<f(?: t="shared")?(?: ref="[A-Z0-9:]+")?(?: si="[0-9]+")?(?:/>|>' + PLAIN_TEXT + "</f>))?"
    r"(?:<v>(" + PLAIN_TEXT + ")</v>|<v/>"
    r'|<is><t(?: xml:space="preserve")?>(' + PLAIN_TEXT + ")</t></is>)?</c>)"
)
"""A cell behind its place: style, kind, formula, value, and text."""
_CELL = re.compile(r'<c(?: r="([A-Z]{1,3})[0-9]+")?(' + re.sub(r"\((?!\?)", "(?:", _REST) + ")")
_CELL_REST = re.compile(_REST)
TRUE = ("1", "true")
"""How XML Schema writes that something is so."""
_ZERO = r"0+(?:\.0*)?"
_HIDDEN = re.compile(rf"""\s(?:hidden\s*=\s*["'](?:{"|".join(TRUE)})|ht\s*=\s*["']{_ZERO})["']""")
_MAX_KNOWN = 20_000
_END = "</row>"


def sheet_lines(part: IO[bytes], shown: StoredCell) -> Iterator[SheetRow]:
    """Every line of a sheet that isn't blank.

    Raises:
        ValueError: it is no XML, or a number in it is none.
    """
    parser = _SheetParser(shown)
    for xml, is_between_tags in xml_chunks(part, _END):
        if not (is_between_tags and isinstance(xml, str)):
            parser.feed(xml)
        elif not parser.take_plainly(xml):
            for row in xml.split(_END)[:-1]:
                if not parser.take_plainly(row + _END):
                    parser.feed(row + _END)
        yield from parser.taken()
    parser.feed(b"", is_last=True)
    yield from parser.taken()


class _SheetParser(XmlParser):
    """Takes chunks of the XML, and gives the lines that are complete."""

    def __init__(self, shown: StoredCell) -> None:
        super().__init__()
        self._shown = shown
        self._lines: list[SheetRow] = []
        self._number, self._column = 0, -1
        self._cells: dict[int, Cell] = {}
        self._kind, self._style, self._is_formula = "n", "", False
        self._text: list[str] = []
        self._is_hidden = False
        self._hidden_columns: list[range] = []
        self._known = _KnownCells(shown)
        self._parser.StartElementHandler = self._begin_sheet

    def take_plainly(self, xml: str) -> bool:
        """Take some rows without the parser, if it is nothing else, and as most are; all of them or none."""
        parts = _CELL.split(xml)
        number, column = self._number, -1
        lines: list[SheetRow] = []
        for before, letters, rest in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
            if before or not lines:
                row = _ROW.fullmatch(before)
                if row is None or bool(row.group(1)) != bool(lines) or not _are_attributes(row.group(3)):
                    return False
                number, column = int(row.group(2) or number + 1), -1
                hidden = _is_hidden(row.group(3))
                cells: dict[int, Cell] = {}
                lines.append((number, cells))
            column = _column(letters) if letters else column + 1
            cell = self._known[rest]
            if cell is not NOTHING:
                cells[column] = cell if not hidden else hidden_cell(cell)
        if not lines or parts[-1] != _END:
            return False
        self._number = number
        self._lines += [(number, self._with_hidden_columns(cells)) for number, cells in lines if cells]
        return True

    def taken(self) -> list[SheetRow]:
        """The lines that are complete, once."""
        lines, self._lines = self._lines, []
        return lines

    def _with_hidden_columns(self, cells: dict[int, Cell]) -> dict[int, Cell]:
        for columns in self._hidden_columns:  # often all to the right of the list
            cells |= {column: hidden_cell(cell) for column, cell in cells.items() if column in columns}
        return cells

    def _begin_sheet(self, root: str, _: dict[str, str]) -> None:
        """The first element says which prefix all others have."""
        prefix = root.rpartition(":")[0]
        names = ("row", "c", "f", "col", "v", "t", "rPh")
        self._row, self._c, self._f, self._col, *texts, self._pronounced = (
            f"{prefix}:{n}" if prefix else n for n in names
        )
        self._texts = frozenset(texts)
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == self._c:
            place = attributes.get("r")
            self._column = _column(place.rstrip("0123456789")) if place else self._column + 1
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._is_formula = False
            self._text.clear()
        elif name in self._texts:
            self._parser.CharacterDataHandler = self._text.append
        elif name == self._row:
            self._number = int(attributes.get("r", self._number + 1))
            self._column, self._cells = -1, {}
            self._is_hidden = _is_none(attributes, "ht")
        elif name == self._col:
            if _is_none(attributes, "width"):
                self._hidden_columns.append(range(int(attributes["min"]) - 1, int(attributes["max"])))
        elif name == self._f:
            self._is_formula = True
        elif name == self._pronounced:
            self._parser.StartElementHandler = None

    def _end(self, name: str) -> None:
        if name in self._texts:
            self._parser.CharacterDataHandler = None
        elif name == self._c:
            if self._text or self._is_formula:
                cell = self._shown(self._kind, "".join(self._text), self._style, self._is_formula)
                if cell is not NOTHING:
                    self._cells[self._column] = hidden_cell(cell) if self._is_hidden else cell
        elif name == self._row:
            if self._cells:
                self._lines.append((self._number, self._with_hidden_columns(self._cells)))
        elif name == self._pronounced:
            self._parser.StartElementHandler = self._begin


class _KnownCells(dict[str, Cell]):
    """Cells by how they are written, behind their place: most come many times."""

    def __init__(self, shown: StoredCell) -> None:
        super().__init__()
        self._shown = shown

    def __missing__(self, rest: str) -> Cell:
        found = _CELL_REST.fullmatch(rest)
        style, kind, formula, value, text = found.groups("") if found else ("",) * 5
        stored = unescaped(value or text)
        cell = self._shown(kind or "n", stored, style, bool(formula)) if stored or formula else NOTHING
        if len(self) == _MAX_KNOWN:
            self.clear()
        self[rest] = cell
        return cell


def _is_hidden(attributes: str) -> bool:
    """Whether a row's attributes say that nobody sees it: by hand, by a filter, or in a group that is closed."""
    return ("hidden" in attributes or "ht" in attributes) and _HIDDEN.search(attributes) is not None


def _is_none(attributes: dict[str, str], size: str) -> bool:
    """Whether nobody sees a row or a column: it is hidden, or nothing high or wide."""
    return attributes.get("hidden") in TRUE or re.fullmatch(_ZERO, attributes.get(size, "")) is not None


@lru_cache(maxsize=1000)
def _are_attributes(text: str) -> bool:
    """Whether a parser takes this behind the number of a row."""
    try:
        expat.ParserCreate().Parse(f'<row r=""{text}/>', True)
    except expat.ExpatError:
        return False
    return True


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    """A column's place, from 0, of its name: A is 0, AA is 26."""
    place = 0
    for letter in letters:
        place = 26 * place + ord(letter) - ord("A") + 1
    return place - 1
