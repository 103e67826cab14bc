"""Rows that a statement is given, as a table: one statement for a whole batch, the same for both databases."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Subquery,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy import type_coerce as coerced
from sqlalchemy.types import TypeEngine

ColumnTypes = Mapping[str, type[TypeEngine[Any]]]
"""Names and types (Text or BigInteger) of the rows' columns."""
PLACE: ColumnTypes = {"epoch": BigInteger, "kind": Text, "first": BigInteger, "last": BigInteger}
"""An epoch's number, a kind, and a range."""
_LATER = "rows_given"


def given(connection: Connection, columns: ColumnTypes, rows: Iterable[Sequence[object]]) -> Subquery:
    """The rows as a table of these columns, in no order.

    They travel as one JSON text: SQLite counts a statement's values, and PostgreSQL plans it anew for each number.
    """
    return _table(connection.dialect.name, columns, bindparam(None, _text(rows), Text, unique=True))


def given_later(dialect: str, columns: ColumnTypes) -> Subquery:
    """The same in a statement that is made once for a dialect, since that takes longer than to run it.

    Its rows come with each execution, as `rows_given`.
    """
    return _table(dialect, columns, bindparam(_LATER, type_=Text))


def rows_given(rows: Iterable[Sequence[object]]) -> dict[str, str]:
    """The rows of `given_later`, as the parameters of an execution."""
    return {_LATER: _text(rows)}


def _text(rows: Iterable[Sequence[object]]) -> str:
    return json.dumps(list(rows), ensure_ascii=False)


def _table(dialect: str, columns: ColumnTypes, text: ColumnElement[str]) -> Subquery:
    if dialect == "postgresql":
        each = func.json_array_elements(cast(text, JSON)).table_valued("value", name="each_row")
        found = [
            cast(each.c.value.op("->>")(literal_column(str(place))), kind).label(name)
            for place, (name, kind) in enumerate(columns.items())
        ]
    else:
        each = func.json_each(text).table_valued("value", name="each_row")
        found = [
            coerced(func.json_extract(each.c.value, literal_column(f"'$[{place}]'")), kind).label(name)
            for place, (name, kind) in enumerate(columns.items())
        ]
    return select(*found).subquery("given")


def json_text(connection: Connection, column: ColumnElement[str], *path: str) -> ColumnElement[str]:
    """A text in a column of JSON texts, by its keys."""
    if connection.dialect.name == "postgresql":
        return cast(column, JSON).op("#>>", return_type=Text())(literal_column(f"'{{{','.join(path)}}}'"))
    return coerced(func.json_extract(column, literal_column(f"'$.{'.'.join(path)}'")), Text)
