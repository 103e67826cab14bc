"""Copies a database into an empty one, whichever the two are: tables in one transaction, pictures before it."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, cast

from sqlalchemy import Connection, Table, func, select, text

from kardus.support.errors import DataError, UsageError
from warehouse.store.address import DatabaseAddress
from warehouse.store.database import Database, EventRow, StoreError, write_meta
from warehouse.store.json_texts import once_written, without_nul, without_nul_text
from warehouse.store.opening import open_database
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of, settle_pictures
from warehouse.store.tables import changes, events, meta, metadata, pictures

ROWS_PER_INSERT = 1000
"""Rows in memory at a time."""
_OWN = frozenset({"pictures"})
"""What a database notes of itself, and its copy notes for itself."""
_NOTED_BY_ITSELF = frozenset({meta, changes})
"""Also where nothing was ever stored, or all of it was taken away."""


def copy_database(source: DatabaseAddress, target: DatabaseAddress, pictures_place: str = "") -> dict[str, int]:
    """Copy everything; how many rows of each table.

    Args:
        source: it is read in one consistent view.
        target: it must hold nothing yet.
        pictures_place: where the copy's pictures go; empty: beside its file.

    Raises:
        DataError: one of them can't be used; nothing of the copy stays but pictures, which the next attempt finds.
        UsageError: there is something in the target.
    """
    with closing(open_database(source, make=False)) as old, closing(open_database(target, make=True)) as new:
        try:
            _require_empty(new)
            with old.reading() as reading:
                count = reading.execute(select(func.count()).select_from(pictures)).scalar_one()
            needed = bool(count)
            to = PictureStore(settle_pictures(new, pictures_place, needed=needed))
            if needed:
                _copy_pictures(old, PictureStore(pictures_of(old)), to)
            return _copy_tables(old, new)
        except StoreError as error:
            raise DataError(f"{target}: the copy failed ({error}): nothing of it is kept: try again") from error


def _require_empty(database: Database) -> None:
    with database.reading() as connection:
        for table in metadata.sorted_tables:
            if table not in _NOTED_BY_ITSELF and connection.execute(select(table).limit(1)).first():
                raise UsageError(
                    f"{database.address}: holds something already (table '{table.name}'): name an empty database"
                )


def _copy_pictures(old: Database, source: PictureStore, target: PictureStore) -> None:
    for rows in _portions(old, pictures):
        for row in rows:
            jpeg = source.read(row["file"])
            if jpeg is not None:
                target.add(row["agent"] or "", row["location"] or "", row["event"], jpeg)


def _portions(database: Database, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table, by the order of its key, in one view for each portion."""
    with database.reading() as connection:
        database.lift_limits(connection)
        yield from _rows(connection, table)


def _rows(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    found = connection.execution_options(yield_per=ROWS_PER_INSERT).execute(select(table).order_by(*table.primary_key))
    for part in found.mappings().partitions():
        yield [dict(row) for row in part]


def _copy_tables(old: Database, new: Database) -> dict[str, int]:
    copied = {}
    with old.reading() as reading, new.writing() as writing:
        old.lift_limits(reading)
        new.lift_limits(writing)
        for table in (each for each in metadata.sorted_tables if each is not changes):  # the copy notes its own
            copied[table.name] = 0
            for rows in ([_mended(row) for row in part] for part in _rows(reading, table)):
                copied[table.name] += _add(new, writing, table, rows)
        _go_on_counting(writing)
    return {name: number for name, number in copied.items() if name != "meta"}


def _mended(row: dict[str, Any]) -> dict[str, Any]:
    """As it would be stored today: earlier versions stored texts that a server refuses."""
    mended = {name: without_nul_text(value) if isinstance(value, str) else value for name, value in row.items()}
    if isinstance(mended.get("payload"), str):
        with suppress(ValueError):  # it is no JSON: the check names it
            mended["payload"] = once_written(without_nul(mended["payload"].encode()))
    return mended


def _add(new: Database, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    if table is events:
        new.add_events(connection, [cast("EventRow", tuple(row.values())) for row in rows])  # in the table's order
    elif table is meta:
        for row in rows:
            if row["key"] not in _OWN:
                write_meta(connection, row["key"], row["value"])
    else:
        connection.execute(table.insert(), rows)
    return len(rows)


def _go_on_counting(connection: Connection) -> None:
    """PostgreSQL numbers rows on from where it was, and not from the largest number that is there."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        if "number" in table.columns and table is not events:
            largest = select(func.coalesce(func.max(table.c.number), 0)).scalar_subquery() + 1
            sequence = func.pg_get_serial_sequence(table.name, "number")
            connection.execute(select(func.setval(sequence, largest, text("false"))))
