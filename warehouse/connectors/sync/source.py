"""The interface of a source, which asks a WMS: which locations are managed, and what stands in them.

These are two questions. A WMS lists what it has: the last carton that leaves a location takes its row with it. So a
managed location without stock must be empty, and stock without a managed location is none of ours.
"""

import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from kardus.support.spelling import composed
from kardus.support.tabular.tables import Row
from warehouse.connectors.errors import ConnectorError

RESIDUE = 1e-6
"""What sums of fractions leave over: so much of a product is none of it."""
_SHOWN = 40
_MAX_DIGITS = 30
"""Of a number as it would stand in a list; Python itself writes no more than 4,300."""
_NAMED = 300
"""So many characters of a value, and of columns' names, are shown."""


class SourceError(ConnectorError):
    """The WMS couldn't be asked, or its answer couldn't be read: one line. It is asked again."""


@dataclass(frozen=True)
class StockSnapshot:
    """One answer, as far as the source can give it at one moment."""

    managed: tuple[str, ...]
    """Codes of the managed locations."""
    stock: tuple[Row, ...]
    """A row for each location and product: `location`, `sku`, `quantity` as texts; numbered from 1."""


class StockOfProduct(NamedTuple):
    """A row of an ERP's stock, by the numbers or names that it has for them."""

    place: int | str
    product: int | str
    quantity: float


class StockSource(Protocol):
    """A WMS. Used by one thread."""

    name: str
    """For people: what is asked, and where. Without passwords."""

    def read(self) -> StockSnapshot:
        """Ask the WMS for its stock.

        Raises:
            SourceError: it can't be asked, or answers nonsense.
        """

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """Until it may have something new: at most so long; less where it tells, and once `stopping` is set."""

    def stop(self) -> None:
        """Let a question under way end soon; from any thread."""

    def close(self) -> None:
        """Let go of connections; nothing is under way any more."""


def managed_codes(rows: Iterable[Mapping[str, Any]], question: str) -> tuple[str, ...]:
    """The codes of the managed locations.

    Raises:
        SourceError: a row has no `location`, or one that is no text.
    """
    codes: dict[str, None] = {}
    for row in rows:
        value = _value(row, "location", question)
        if type(value) is not str and (problem := _no_name(value)):
            raise SourceError(f"{question}: location {problem}: give a text in the query")
        if not (code := cell_text(value)):
            raise SourceError(f"{question}: a managed location has no code: leave it out in the query")
        codes[code] = None
    return tuple(codes)


def stock_rows(rows: Iterable[Mapping[str, Any]], question: str) -> tuple[Row, ...]:
    """Rows of stock, numbered from 1, with what can't be told for sure of each.

    A row may have a `problem`: why its product can't be named.

    Raises:
        SourceError: a row lacks `location` or `sku` (which may be NULL, but not absent).
    """
    return tuple(_stock_row(number, row, question) for number, row in enumerate(rows, 1))


def require_distinct(codes: Iterable[str], system: str, remedy: str) -> None:
    """Return if no two locations of an ERP have one code: stock at one of them would be expected at the other.

    Raises:
        SourceError: two have one.
    """
    twice = [code for code, times in Counter(composed(code.strip()) for code in codes).items() if times > 1]
    if twice:
        raise SourceError(f"{system}: two locations are called '{twice[0][:_SHOWN]}': {remedy}")


def summed(rows: Iterable[StockOfProduct]) -> Iterator[StockOfProduct]:
    """One row for each location and product, with its quantities added; none where nothing is left.

    An ERP has a row for each lot, package and owner. One of them may be below zero, where something left before it was
    booked in: what counts is the sum. A sum below zero stays, and so does one beyond all numbers: nobody knows what
    stands there.
    """
    sums: dict[tuple[int | str, int | str], float] = {}
    for place, product, quantity in rows:
        sums[place, product] = sums.get((place, product), 0.0) + quantity
    return (StockOfProduct(*key, total) for key, total in sums.items() if not abs(total) < RESIDUE)


def named_row(location: str, sku: str, row: StockOfProduct, lacks: str) -> dict[str, Any]:
    """An ERP's row for `stock_rows`. A product without a name isn't nothing: `lacks` says what it has, as `no code`."""
    found = {"location": location, "sku": sku, "quantity": row.quantity}
    return (
        found if sku.strip() else found | {"problem": f"the product {row.product} has {lacks}: give it one in the WMS"}
    )


def cell_text(value: Any) -> str:
    """A value of a database or of JSON as it would stand in a list; NULL is an empty text."""
    if type(value) is str:
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < _MAX_DIGITS:
        return str(int(value)) if value == value.to_integral_value() else str(value)
    return str(value).strip()


def _stock_row(number: int, row: Mapping[str, Any], question: str) -> Row:
    location, sku = _value(row, "location", question), _value(row, "sku", question)
    values = {"location": cell_text(location), "sku": cell_text(sku), "quantity": _quantity(row.get("quantity"))}
    problem = row.get("problem")
    if type(location) is str and type(sku) is str and not problem:  # nearly all: of 150,000 rows each step counts
        return Row(number, values)
    found = ((name, _no_name(value)) for name, value in (("location", location), ("sku", sku)))
    told = [*(f"{name} {text}: give a text" for name, text in found if text), *([str(problem)] if problem else [])]
    return Row(number, values, tuple(f"location '{values['location']}': {text}" for text in told))


def _no_name(value: Any) -> str:
    """Why a value can't be a code; empty: it can, as a text, a whole number, a UUID or NULL."""
    if value is None or isinstance(value, str | UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return ""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return ""
    if isinstance(value, bool | float | Decimal):
        return f"{value!s} is a number with a fraction or a truth value"
    return f"{str(value)[:_SHOWN]!r} is of the type {type(value).__name__}"


def _quantity(value: Any) -> str:
    """As a list has it: whole. What is weighed or measured is there, and isn't a number of anything: left out."""
    if type(value) is int:
        return str(value)
    if not isinstance(value, float | Decimal) or not math.isfinite(value):
        return cell_text(value)
    nearest = round(value)
    if abs(float(value) - nearest) < RESIDUE:
        return str(nearest)
    return str(value) if value < 0 else ""


def _value(row: Mapping[str, Any], name: str, question: str) -> Any:
    if not isinstance(row, dict | Mapping) or name not in row:
        columns: Sequence[str] = sorted(map(str, row)) if isinstance(row, Mapping) else ()
        found = f"has {', '.join(columns)[:_NAMED] or 'none'}"
        raise SourceError(f"{question}: no '{name}' in it ({found}): name it so in the query")
    return row[name]
