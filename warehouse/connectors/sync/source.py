"""What a WMS is asked, whichever it is: which locations are managed, and what stands in them.

These are two questions. A WMS lists what it has: the last carton that leaves a location takes its row with it. So a
managed location without stock must be empty, and stock without a managed location is none of ours.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from kardus.support.tables import Row
from warehouse.connectors.errors import ConnectorError


class SourceError(ConnectorError):
    """The WMS couldn't be asked, or its answer couldn't be read: one line. It is asked again."""


@dataclass(frozen=True)
class StockSnapshot:
    """One answer, as far as the source can give it at one moment."""

    managed: tuple[str, ...]
    """Codes of the managed locations."""
    stock: tuple[Row, ...]
    """A row for each location and product: `location`, `sku`, `quantity` as texts; numbered from 1."""


class StockSource(Protocol):
    """A WMS. Used by one thread."""

    name: str
    """For people: what is asked, and where. Without passwords."""

    def read(self) -> StockSnapshot:
        """Ask.

        Raises:
            SourceError: it can't be asked, or answers nonsense.
        """

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """Until it may have something new: at most so long; less where it tells, and once `stopping` is set."""

    def close(self) -> None:
        """Let go of connections."""


def managed_codes(rows: Iterable[Mapping[str, Any]], question: str) -> tuple[str, ...]:
    """The codes of the managed locations.

    Raises:
        SourceError: a row has no `location`.
    """
    codes = [cell_text(_value(row, "location", question)) for row in rows]
    if not all(codes):
        raise SourceError(f"{question}: a managed location has no code: leave it out in the query")
    return tuple(dict.fromkeys(codes))


def stock_rows(rows: Iterable[Mapping[str, Any]], question: str) -> tuple[Row, ...]:
    """Rows of stock, numbered from 1, with what can't be told for sure of each.

    Raises:
        SourceError: a row lacks `location` or `sku` (which may be NULL, but not absent).
    """
    return tuple(_stock_row(number, row, question) for number, row in enumerate(rows, 1))


def cell_text(value: Any) -> str:
    """A value of a database or of JSON as it would stand in a list; NULL is an empty text."""
    if type(value) is str:
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return str(int(value))
    return str(value).strip()


def _stock_row(number: int, row: Mapping[str, Any], question: str) -> Row:
    location, sku = _value(row, "location", question), _value(row, "sku", question)
    values = {"location": cell_text(location), "sku": cell_text(sku), "quantity": _quantity(row.get("quantity"))}
    if type(location) is str and type(sku) is str:  # nearly all: of 150,000 rows each step counts
        return Row(number, values)
    problems = tuple(
        f"{name} {value!r} is a number with a fraction or a truth value: give a text"
        for name, value in (("location", location), ("sku", sku))
        if isinstance(value, (float, bool))
    )
    return Row(number, values, problems)


def _quantity(value: Any) -> str:
    """As a list has it: whole. A float of JSON or SQLite is one as well."""
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return cell_text(value)


def _value(row: Mapping[str, Any], name: str, question: str) -> Any:
    if not isinstance(row, dict | Mapping) or name not in row:
        columns: Sequence[str] = sorted(map(str, row)) if isinstance(row, Mapping) else ()
        found = f"has {', '.join(columns) or 'none'}"
        raise SourceError(f"{question}: no '{name}' in it ({found}): name it so in the query")
    return row[name]
