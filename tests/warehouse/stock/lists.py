"""Stock lists as files."""

import csv
from pathlib import Path

import openpyxl
import pytest

from kardus.support.errors import DataError
from warehouse.stock.stock_list import StockRules, read_stock

HEADER = ("location", "sku")
Lines = list[tuple[object, ...]]


def csv_list(path: Path, *lines: tuple[object, ...]) -> Path:
    """A .csv file of these lines."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path


def workbook(path: Path, *lines: tuple[object, ...], formats: dict[str, str] | None = None) -> Path:
    """An .xlsx file of these lines; `formats`: number formats by cell."""
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    for cell, number_format in (formats or {}).items():
        book.active[cell].number_format = number_format
    book.save(path)
    return path


def refusal_of(path: Path, rules: StockRules | None = None) -> str:
    """Why a list is refused, in one line."""
    with pytest.raises(DataError) as refusal:
        read_stock(path, rules)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)
