"""Fields of the records that an ERP answers with, each checked for its type where it is read."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from warehouse.connectors.errors import ConnectorError

_SHOWN = 40
"""So many characters of a value are shown."""


class RecordFields:
    """Reads fields of one kind of records."""

    def __init__(self, kind: str, error: type[ConnectorError]) -> None:
        """Prepare.

        Args:
            kind: of the records, and whose they are, for messages: `https://erp.local (wms): stock.quant`.
            error: what is raised where a field has another type, by every method.
        """
        self._kind, self._error = kind, error

    def number(self, record: Mapping[str, Any], field: str) -> float:
        """The field as a finite number."""
        value = record.get(field)
        if not isinstance(value, int | float) or isinstance(value, bool) or not _is_finite(value):
            raise self.wrong(record, field, "number")
        return float(value)

    def id(self, record: Mapping[str, Any], field: str = "id") -> int:
        """The number of a record."""
        value = record.get(field)
        if type(value) is not int:
            raise self.wrong(record, field, "record's number")
        return value

    def id_if_any(self, record: Mapping[str, Any], field: str) -> int | None:
        """The number of a record; None: null, there is none."""
        return None if field in record and record[field] is None else self.id(record, field)

    def code(self, record: Mapping[str, Any], field: str) -> str:
        """A text, or a whole number as one; empty where there is none (null, or Odoo's false)."""
        value = record.get(field)
        if field not in record or not (value is None or value is False or type(value) in {str, int}):
            raise self.wrong(record, field, "text")
        return "" if value is None or value is False else str(value)

    def link(self, record: Mapping[str, Any], field: str) -> int:
        """The number of a linked record, which comes with its name."""
        value = record.get(field)
        if not isinstance(value, list) or not value or type(value[0]) is not int:
            raise self.wrong(record, field, "link")
        return value[0]

    def ids(self, record: Mapping[str, Any], field: str) -> list[int]:
        """The numbers of several records."""
        value = record.get(field)
        if not isinstance(value, list) or any(type(one) is not int for one in value):
            raise self.wrong(record, field, "list of records' numbers")
        return value

    def wrong(self, record: Mapping[str, Any], field: str, wanted: str) -> ConnectorError:
        """What to raise where a field is no `wanted`."""
        which = record.get("id", record.get("name", ""))
        found = repr(record[field])[:_SHOWN] if field in record else "missing"
        return self._error(
            f"{self._kind} {str(which)[:_SHOWN]}: '{field}' is {found}, and no {wanted}: may the user read it, and is "
            "the server of a version that docs/wms.md names?"
        )


def are_records(page: Any, last: int) -> bool:
    """Whether it is a list of records whose numbers grow, all of them beyond the last one."""
    if not isinstance(page, list) or not all(isinstance(one, dict) and type(one.get("id")) is int for one in page):
        return False
    return all(former < one for former, one in pairwise([last, *(one["id"] for one in page)]))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
