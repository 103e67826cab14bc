"""Reads the WMS's stock list: which SKU belongs at which location."""

import re
from dataclasses import dataclass
from pathlib import Path

from kardus.contract.messages import MAX_SKU
from kardus.contract.topics import ID_PATTERN
from kardus.support.errors import DataError
from kardus.support.tables import Row, read_table


@dataclass(frozen=True)
class StockLine:
    """One line of the list; no SKU means that the location must be empty."""

    location: str
    sku: str | None
    quantity: int | None = None


def read_stock(path: Path) -> list[StockLine]:
    """Read a .csv or .xlsx file with the columns `location,sku[,quantity]`.

    Raises:
        DataError: the file can't be read, lacks a column, or a line is wrong; the message names the line.
    """
    lines = [_stock_line(path, row) for row in read_table(path, required=("location", "sku"))]
    if not lines:
        raise DataError(f"{path}: no location is listed: add lines of location,sku")
    seen: set[str] = set()
    for line in lines:
        if line.location in seen:
            raise DataError(f"{path}: location '{line.location}' is listed twice: keep one line for it")
        seen.add(line.location)
    return lines


def _stock_line(path: Path, row: Row) -> StockLine:
    location, sku, quantity = (row.values.get(key, "") for key in ("location", "sku", "quantity"))
    if not re.match(ID_PATTERN, location):
        raise DataError(f"{path}: line {row.line}: location '{location}' can't stand in a topic: no /, + or # in it")
    if quantity and not (quantity.isascii() and quantity.isdecimal()):
        raise DataError(f"{path}: line {row.line}: quantity '{quantity}': a whole number, or nothing")
    if len(sku) > MAX_SKU:
        raise DataError(f"{path}: line {row.line}: sku is longer than {MAX_SKU} characters: shorten it")
    return StockLine(location, sku or None, int(quantity) if quantity else None)
