"""Reads a table of labels or classes with names as they are compared: in NFC, and `empty` in whatever case."""

from pathlib import Path

from kardus.contract.manifest import class_name
from kardus.support.spelling import composed
from kardus.support.tabular.tables import Row, read_table

_NAMES = ("name", "sku", "proposed", "seen")
_AS_WRITTEN = ("path",)


def read_label_table(path: Path, required: tuple[str, ...]) -> list[Row]:
    """As `read_table`; only paths stay as they are written.

    Raises:
        DataError: the file can't be read, lacks a column, or a line can't be read for sure.
    """
    return [
        row._replace(values={key: _compared(key, value) for key, value in row.values.items()})
        for row in read_table(path, required)
    ]


def _compared(column: str, value: str) -> str:
    if column in _AS_WRITTEN:
        return value
    return class_name(value) if column in _NAMES else composed(value)
