"""One database, whichever it is: transactions, how events get into it, how long it is.

    open_database ─> SqliteDatabase (sqlite.py), PostgresDatabase (postgres.py)

One transaction writes at a time, in both: SQLite has one writer, and on PostgreSQL every writing transaction begins by
locking the row with the last number. So what a transaction looks up still holds when it commits, and events are
numbered in the order of their commits, whichever of several receivers stores them. On PostgreSQL those that only note
have a lock of their own: one of them at a time, beside the one that writes.
"""

import abc
import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, Engine, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from kardus.support.errors import UsageError
from warehouse.store.address import DatabaseAddress
from warehouse.store.tables import meta

LAST_NUMBER = "last_number"
"""The key of the number that the last event got."""
_TAKEN = select(meta.c.value).where(meta.c.key == LAST_NUMBER)
_TAKE = update(meta).where(meta.c.key == LAST_NUMBER).values(value=bindparam("last"))
EventRow = tuple[int, str, str, str, int, str, str, datetime, datetime, str | None, str]
"""A row of `events`, in the order of its columns."""


class StoreError(Exception):
    """The database didn't do it: nothing of the transaction stays. One line, without a remedy."""


class NotStorableError(StoreError):
    """It can't hold one of the values: another attempt would end the same."""


class Database(abc.ABC):
    """An open database, for any thread; use it in a `with` statement, or `close` it."""

    not_storable: tuple[type[Exception], ...] = (OverflowError, UnicodeError)
    """What the driver raises for a value that can't be stored, as opposed to a failing disk or network."""
    driver_errors: tuple[type[Exception], ...] = ()
    """What the driver raises where it is used without SQLAlchemy."""
    engine: Engine

    def __init__(self, address: DatabaseAddress) -> None:
        """Keep where it is; the sub-class opens it."""
        self.address = address

    def __enter__(self) -> Self:
        """The database: it is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, durable when the `with` statement has ended; nothing of it stays where it raises.

        Raises:
            StoreError: the disk or the network doesn't take it, or another program holds the database for too long.
        """
        with self._explained(), self._write() as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view. On SQLite writers wait for its end.

        Raises:
            StoreError: the database can't be read.
        """
        with self._explained(), self._read() as connection:
            yield connection

    @contextlib.contextmanager
    def noting(self) -> Iterator[Connection]:
        """One transaction that stores nothing of agents: it waits for none of those that do, where the database can.

        One at a time: what it looks up of what others note still holds when it commits.

        Raises:
            StoreError: as for `writing`.
        """
        with self._explained(), self._note() as connection:
            yield connection

    def take_numbers(self, connection: Connection, count: int) -> int:
        """The first of so many new numbers for events, in a writing transaction."""
        last = int(connection.execute(_TAKEN).scalar_one())
        if count:
            connection.execute(_TAKE, {"last": str(last + count)})
        return last + 1

    @abc.abstractmethod
    def lift_limits(self, connection: Connection) -> None:
        """Let a transaction take as long as it does, and rest as long: where nobody waits for its locks."""

    @abc.abstractmethod
    def add_events(self, connection: Connection, rows: Sequence[EventRow]) -> None:
        """Add events, in a writing transaction."""

    @property
    @abc.abstractmethod
    def size_bytes(self) -> int:
        """How much of the disk it takes, as far as is known. Doesn't raise."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close it. May be called twice."""

    @abc.abstractmethod
    def _write(self) -> contextlib.AbstractContextManager[Connection]:
        """The transaction of `writing`."""

    def _note(self) -> contextlib.AbstractContextManager[Connection]:
        """The transaction of `noting`."""
        return self._write()

    @abc.abstractmethod
    def _read(self) -> contextlib.AbstractContextManager[Connection]:
        """The transaction of `reading`."""

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        raised: tuple[type[Exception], ...] = (SQLAlchemyError, *self.driver_errors, *self.not_storable)
        try:
            yield
        except raised as error:
            cause = getattr(error, "orig", None) or error
            kind = NotStorableError if isinstance(cause, self.not_storable) else StoreError
            raise kind(driver_reason(cause)) from error


def driver_reason(error: BaseException) -> str:
    """An error of the driver in one line: servers add lines with hints and positions."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def require_site(database: Database, site: str) -> None:
    """A database holds one site, the first that it was used for.

    Raises:
        UsageError: it is another's.
        StoreError: it can't be written.
    """
    with database.writing() as connection:
        found = read_meta(connection, "site") or site
        if found == site:
            write_meta(connection, "site", site)
    if found != site:
        raise UsageError(
            f"--database {database.address}: holds the events of site '{found}', not '{site}': name another database"
        )


def read_meta(connection: Connection, key: str) -> str | None:
    """What is noted under a key."""
    found = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    return None if found is None else str(found)


def write_meta(connection: Connection, key: str, value: str) -> None:
    """Note a value under this key."""
    done = connection.execute(update(meta).where(meta.c.key == key).values(value=value))
    if not done.rowcount:
        connection.execute(meta.insert().values(key=key, value=value))
