"""Checks whether what is stored agrees with itself."""

from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, outerjoin, select

from kardus.contract.ranges import merged
from kardus.support.errors import DataError
from warehouse.store.address import DatabaseAddress
from warehouse.store.closing import CLOSING
from warehouse.store.columns import require_columns
from warehouse.store.database import LAST_NUMBER, Database, StoreError, read_meta
from warehouse.store.epochs import STORED
from warehouse.store.events import last_event_number
from warehouse.store.opening import open_database
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.store.tables import epochs, events, metadata, pictures, ranges


@dataclass(frozen=True)
class DatabaseCheck:
    """What a check of the database has found."""

    rows: dict[str, int]
    """How many rows each table has."""
    problems: list[str]
    """What doesn't agree, in one line each; empty: all is well."""


def check_database(address: DatabaseAddress) -> DatabaseCheck:
    """Compare events, ranges, numbers and pictures with each other. Reads everything once.

    Raises:
        DataError: it can't be opened or read, or has other tables.
    """
    with closing(open_database(address, make=False)) as database:
        try:
            with database.reading() as connection:
                database.lift_limits(connection)
                require_columns(connection, str(address))
                tables = [table for table in metadata.sorted_tables if table.name != "meta"]
                rows = {
                    t.name: int(connection.execute(select(func.count()).select_from(t)).scalar_one()) for t in tables
                }
                problems = [*_damage(connection), *_twice(connection), *_ranges(connection), *_numbers(connection)]
            if rows["pictures"]:
                problems += _pictures(database)
        except StoreError as error:
            raise DataError(f"{address}: can't be read ({error}): try again, or check the disk") from error
    return DatabaseCheck(rows, problems)


def _damage(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else [f"damaged: {line}: restore a backup" for line in found]


def _twice(connection: Connection) -> list[str]:
    problems = []
    for name, key in (("id", [events.c.id]), ("sequence", [events.c.agent, events.c.epoch, events.c.sequence])):
        again = select(*key).group_by(*key).having(func.count() > 1).subquery()
        number = int(connection.execute(select(func.count()).select_from(again)).scalar_one())
        problems += [f"events: {number} are stored more than once under one {name}"] if number else []
    return problems


def _ranges(connection: Connection) -> list[str]:
    """Every event is covered; an epoch's ranges of a kind neither overlap nor touch."""
    known = and_(epochs.c.agent == events.c.agent, epochs.c.epoch == events.c.epoch)
    covering = and_(
        ranges.c.epoch == epochs.c.number,
        ranges.c.kind == STORED,
        ranges.c.first <= events.c.sequence,
        ranges.c.last >= events.c.sequence,
    )
    chain = outerjoin(outerjoin(events, epochs, known), ranges, covering)
    bare = select(func.count()).select_from(chain).where(ranges.c.epoch.is_(None), ~events.c.epoch.startswith(CLOSING))
    number = int(connection.execute(bare).scalar_one())
    problems = [f"events: {number} are stored and not covered by `ranges`"] if number else []
    by_kind: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for epoch, kind, first, last in connection.execute(select(ranges)):
        by_kind.setdefault((epoch, kind), []).append((first, last))
    torn = sum(merged(places) != sorted(places) for places in by_kind.values())
    return [*problems, *([f"ranges: those of {torn} epochs overlap"] if torn else [])]


def _numbers(connection: Connection) -> list[str]:
    last = int(read_meta(connection, LAST_NUMBER) or 0)
    largest = last_event_number(connection)
    return [f"meta: the last number is {last}, and an event has {largest}"] if largest > last else []


def _pictures(database: Database) -> list[str]:
    """Every row has its file. Files without a row may be of a picture that is being stored, and are counted alone."""
    store = PictureStore(pictures_of(database))
    with database.reading() as connection:
        told = {file for (file,) in connection.execute(select(pictures.c.file))}
    gone = told - store.names()
    return [f"pictures: {len(gone)} files are missing in {store.where}: restore them"] if gone else []
