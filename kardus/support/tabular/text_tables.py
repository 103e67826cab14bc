"""Reads the lines of a table that is text: values with commas, semicolons, tabs or bars between them."""

import csv
import io
import itertools
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from kardus.support.errors import DataError, UsageError
from kardus.support.input_files import read_file
from kardus.support.tabular.encodings import first_line_of_another, likely_encodings, marked_encoding

DELIMITERS = (",", ";", "\t", "|")
"""A spreadsheet writes semicolons where the comma is the decimal sign, and tabs as "Unicode text"."""
TextLine = tuple[int, list[str]]
"""Number of a line, from 1, and its cells."""
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""A first line that tells Excel which separator follows."""
_RULE = re.compile(r"[-=+|\s]*")
"""A line that is drawn, as ERP systems do between title, header and values."""
_PAGE = re.compile(r"\s*<(!doctype|html|table|\?xml)|MIME-Version:", re.IGNORECASE)
_REMEDY = "save it as CSV in UTF-8"
_log = logging.getLogger(__name__)


def decoded_text(path: Path, encoding: str | None = None, *, can_choose: bool = False) -> str:
    """The text of a file. Where the encoding can be chosen, it may be guessed too, which is logged.

    Raises:
        DataError: there is no such file, it is no text in that encoding, or a page under the name of a table.
        UsageError: there is no such encoding.
    """
    try:
        content = read_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    marked = marked_encoding(content)
    if not (encoding or marked) and (line := first_line_of_another(content)):
        raise DataError(
            f"{path}: line {line} isn't in UTF-8, as others are: save it in one encoding, or name one with --encoding"
        )
    name = encoding or marked or (_guessed(path, content) if can_choose else "utf-8")
    try:
        text = content.decode(name)
    except LookupError as error:
        raise UsageError(f"--encoding {name}: unknown: name one as utf-8, windows-1252 or utf-16") from error
    except UnicodeError as error:
        raise DataError(f"{path}: is no text in {name}: {_REMEDY}") from error
    if not (encoding or marked):
        _log.warning("note: %s isn't UTF-8; it was read as %s: name another with --encoding", path, name)
    if _PAGE.match(text):
        raise DataError(f"{path}: is a web page or XML under the name of a table: save it as .xlsx, or as CSV in UTF-8")
    return text


def _guessed(path: Path, content: bytes) -> str:
    """The encoding that a text has as far as can be told."""
    found = likely_encodings(content)
    if not found:
        raise DataError(f"{path}: is no text in a usual encoding: name its own with --encoding, or {_REMEDY}")
    if len(found) > 1:
        read = ", ".join(f"'{text}' in {name}" for name, text in _readings(content, *found[:2]).items())
        raise DataError(f"{path}: how it is encoded can't be told ({read}): name it with --encoding, or {_REMEDY}")
    return found[0]


def text_lines(path: Path, text: str, delimiter: str) -> Iterator[TextLine]:
    """Every line with a value. A cell that holds a line's end makes the next number larger by more than one.

    Raises:
        DataError: a quote isn't closed or stands amid a quoted cell, or a cell is longer than any text.
    """
    announced = _SEPARATOR.match(text)
    begins = 1 + bool(announced)
    table = io.StringIO(text[announced.end() :] if announced else text, newline="")
    reader = csv.reader(table, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(not _RULE.fullmatch(cell) for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1 + bool(announced)
    except csv.Error as error:
        said = f"{path}: line {begins}: quotes that don't fit, or a cell without end"
        raise DataError(f"{said}: close each quote, and write one inside quotes twice") from error


def likely_delimiters(text: str, sample: int = 4000) -> list[str]:
    """Which character may be between the values: the announced one, or all, the most frequent first."""
    announced = _SEPARATOR.match(text)
    return [announced.group(1)] if announced else sorted(DELIMITERS, key=text[:sample].count, reverse=True)


def _readings(content: bytes, *names: str) -> dict[str, str]:
    """The first line that encodings read otherwise, as each reads it."""
    texts = (content.decode(name, "replace").splitlines() for name in names)
    lines = next(lines for lines in itertools.zip_longest(*texts, fillvalue="") if len(set(lines)) > 1)
    return {name: line[:40] for name, line in zip(names, lines, strict=True)}


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable .csv file ({error}): {_REMEDY}")
