"""Checks whether the tables are as this version knows them: another's change is named before anything is written."""

from typing import Any

from sqlalchemy import BigInteger, Connection, DateTime, Float, Integer, LargeBinary, text
from sqlalchemy.types import TypeEngine

from kardus.support.errors import DataError
from warehouse.store.tables import UtcColumn, metadata

_SERVER = """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"""
"""The catalog itself: information_schema hides what a role has no right to, such as the people from a receiver."""
_FILE = "SELECT m.name, p.name, p.type FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'"
_SERVER_TYPES: list[tuple[type[TypeEngine[Any]], str]] = [
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Float, "double precision"),
    (LargeBinary, "bytea"),
    (DateTime, "timestamp with time zone"),
    (UtcColumn, "timestamp with time zone"),
]
_FILE_TYPES: list[tuple[type[TypeEngine[Any]], str]] = [
    (Integer, "INTEGER"),
    (Float, "REAL"),
    (LargeBinary, "BLOB"),
]


def require_columns(connection: Connection, address: str) -> None:
    """Every table and column is there, with its type.

    Raises:
        DataError: one isn't; the message names it.
    """
    is_server = connection.dialect.name == "postgresql"
    rows = connection.execute(text(_SERVER if is_server else _FILE))
    found = {(table, column): kind for table, column, kind in rows}
    types, others = (_SERVER_TYPES, "text") if is_server else (_FILE_TYPES, "TEXT")
    for table in metadata.sorted_tables:
        if not any(name == table.name for name, _ in found):
            raise DataError(f"{address}: no table '{table.name}': restore a backup, or use an empty database")
        for column in table.columns:
            wanted = next((name for kind, name in types if isinstance(column.type, kind)), others)
            has = found.get((table.name, column.name), "nothing")
            if has != wanted:
                raise DataError(
                    f"{address}: column '{table.name}.{column.name}' is {has}, not {wanted}: "
                    "somebody has changed the table: change it back, or restore a backup"
                )
