"""Reads .xlsx and .xlsm files (ECMA-376, Part 1, 18), a line of a sheet at a time.

Of the libraries, those that keep number formats and error cells take too long, and the fast ones drop both
(docs/adr/0021-workbooks.md).
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import BinaryIO, Protocol
from xml.etree import ElementTree as ET

from kardus.support.tabular.workbooks.cells import (
    GENERAL,
    LOST_FORMULA,
    NOTHING,
    TEXT,
    Cell,
    date_cell,
    error_cell,
    is_date_format,
    number_cell,
    stored_number,
    truth_cell,
)
from kardus.support.tabular.workbooks.relations import root, targets
from kardus.support.tabular.workbooks.shared_texts import shared_texts
from kardus.support.tabular.workbooks.sheet_parser import TRUE, SheetRow, sheet_lines

_BUILT_IN = {0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 49: TEXT}
"""Number formats that a file doesn't write down (18.8.30)."""
_BUILT_IN_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_BUILT_IN_DATE = "yyyy-mm-dd"
"""Stands for any of them."""
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
"""A character of a text (22.9.2.19)."""
_DAY_0, _DAY_0_OF_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - Excel knows no zones


@dataclass(frozen=True)
class Sheet:
    """A sheet of cells: its name, whether it is visible, and its part of the file."""

    name: str
    is_visible: bool
    part: str


class Workbook(Protocol):
    """An open workbook."""

    sheets: list[Sheet]

    def lines(self, sheet: Sheet) -> Iterator[SheetRow]:
        """Every line that isn't blank."""


class XlsxFile:
    """An open workbook.

    Every method raises what `zipfile`, ElementTree and conversions of numbers raise where the file is damaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read which sheets there are; `file` stays open as long as this is used."""
        self._zip = zipfile.ZipFile(file)
        workbook = next(iter(targets(self._zip, "", "officeDocument").values()))
        self._parts = {kind: targets(self._zip, workbook, kind) for kind in ("worksheet", "sharedStrings", "styles")}
        outermost = root(self._zip, workbook)
        self.sheets = list(self._sheets(outermost))
        calculation, properties = outermost.find("{*}calcPr"), outermost.find("{*}workbookPr")
        # Set by programs that write formulas and don't calculate them: the values beside them are made up.
        self._is_calculated = calculation is None or not _is_true(calculation.get("fullCalcOnLoad"))
        is_of_1904 = properties is not None and _is_true(properties.get("date1904"))
        self._day_0 = _DAY_0_OF_1904 if is_of_1904 else _DAY_0

    def lines(self, sheet: Sheet) -> Iterator[SheetRow]:
        """Every line that isn't blank."""
        with self._zip.open(sheet.part) as part:
            yield from sheet_lines(part, self._shown)

    def _shown(self, kind: str, stored: str, style: str, is_formula: bool) -> Cell:  # noqa: FBT001 - as it is called
        if is_formula and not (self._is_calculated and (stored or kind == "str")):
            return LOST_FORMULA
        return self._of_kind(kind, stored, style) if stored else NOTHING

    def _of_kind(self, kind: str, stored: str, style: str) -> Cell:
        match kind:
            case "s":
                return self._texts[_count(stored)]
            case "str" | "inlineStr":
                return _text_cell(stored)
            case "b":
                return truth_cell(is_true=_is_true(stored))
            case "e":
                return error_cell(stored)
            case "d":
                return date_cell(stored)
            case "n":
                return self._number(stored_number(stored), self._formats[int(style or 0)] if self._formats else GENERAL)
            case _:
                raise ValueError(f"no kind of cell: {kind}")

    def _number(self, value: float, number_format: str) -> Cell:
        if is_date_format(number_format):
            return self._date(value)
        return number_cell(value, number_format)

    def _date(self, value: float) -> Cell:
        try:
            return date_cell(self._day_0 + timedelta(days=value))
        except (OverflowError, ValueError):  # a barcode in a column of dates: Excel shows ####
            return date_cell(f"{value:.0f} days")

    @cached_property
    def _texts(self) -> list[Cell]:
        """The texts that cells refer to."""
        found = []
        for part in self._parts["sharedStrings"].values():
            with self._zip.open(part) as file:
                found += [_text_cell(text) for text in shared_texts(file)]
        return found

    @cached_property
    def _formats(self) -> list[str]:
        """The number format of each style."""
        for part in self._parts["styles"].values():
            styles = root(self._zip, part)
            own = {int(e.attrib["numFmtId"]): e.attrib["formatCode"] for e in styles.iterfind("{*}numFmts/{*}numFmt")}
            numbers = [int(e.get("numFmtId", 0)) for e in styles.iterfind("{*}cellXfs/{*}xf")]
            return [own.get(number) or _built_in(number) for number in numbers]
        return []

    def _sheets(self, workbook: ET.Element) -> Iterator[Sheet]:
        for element in workbook.iterfind("{*}sheets/{*}sheet"):
            relation = next(value for key, value in element.attrib.items() if key.endswith("}id"))
            if relation in self._parts["worksheet"]:  # others are charts, or macros
                is_visible = element.get("state", "visible") == "visible"
                yield Sheet(element.attrib["name"], is_visible, self._parts["worksheet"][relation])


def _built_in(number: int) -> str:
    if number in _BUILT_IN_DATES:
        return _BUILT_IN_DATE
    return _BUILT_IN.get(number, f"#{number}")


def _count(stored: str) -> int:
    """A number of digits alone: from the end, as Python counts with a minus, is another text."""
    if not stored.strip().isdecimal():
        raise ValueError(f"no place: {stored}")
    return int(stored)


def _text_cell(stored: str) -> Cell:
    shown = _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), stored) if "_x" in stored else stored
    return Cell(shown) if shown else NOTHING


def _is_true(text: str | None) -> bool:
    return text in TRUE
