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


def given(connection: Connection, columns: ColumnTypes, rows: Iterable[Sequence[object]]) -> Subquery:
    """The rows as a table of these columns, in no order.

    They travel as one JSON text: SQLite counts a statement's values, and PostgreSQL plans it anew for each number.
    """
    text = bindparam(None, json.dumps(list(rows), ensure_ascii=False), Text, unique=True)
    is_server = connection.dialect.name == "postgresql"
    if is_server:
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
