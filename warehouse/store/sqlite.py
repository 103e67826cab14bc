"""The SQLite file: how it is opened, brought up to date, and given back to the disk.

A rollback journal, not WAL: several receivers and reports open the file at once, and WAL up to SQLite 3.51.2 has a rare
corruption with several writing connections (docs/adr). One connection in a process, guarded by a lock.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from kardus.support.errors import DataError
from warehouse.store.address import DatabaseAddress
from warehouse.store.database import Database, EventRow, StoreError, driver_reason
from warehouse.store.interruption import interrupted_by_signals, interrupted_when
from warehouse.store.migrating import NEWER, is_current, is_newer, upgrade
from warehouse.store.tables import events, moment_text

BUSY_S = 5.0
"""How long another process is waited for, before the work is tried again from the start."""
OPENING_S = 120.0
"""For so long it is tried to open a file: another process may be making it, or bringing it up to date for minutes."""
_BUSY = "database is locked"
log = logging.getLogger("kardus.database")
_INCREMENTAL = 2
"""SQLite's number of the mode in which free pages can be given back some at a time."""
_ADD = f"INSERT INTO events VALUES ({', '.join('?' * len(events.columns))})"  # noqa: S608 - question marks


class SqliteDatabase(Database):
    """A SQLite file, by one connection for any thread."""

    not_storable = (
        *Database.not_storable,
        sqlite3.DataError,
        sqlite3.IntegrityError,
        sqlite3.InterfaceError,
    )
    driver_errors = (sqlite3.Error,)

    def __init__(self, address: DatabaseAddress, *, make: bool, pictures: str = "") -> None:
        """Open the file and bring its tables up to date; `make` makes it where there is none.

        Args:
            address: the file.
            make: whether there need not be one.
            pictures: where an earlier version's pictures are brought to; empty: beside the file.

        Raises:
            DataError: it can't be opened, isn't a receiver's, or belongs to a newer version.
            TransactionInterruptedError: the process was asked to end while it was brought up to date.
        """
        super().__init__(address)
        assert address.path is not None  # noqa: S101 - `open_database` looks
        self.path = address.path
        self._lock = threading.Lock()
        if not make and not self.path.is_file():
            raise DataError(f"{self.path}: no such file: name the database of `kardus-wms receive`")
        with contextlib.ExitStack() as failed:
            try:
                self._driver = sqlite3.connect(self.path, BUSY_S, isolation_level=None, check_same_thread=False)
                failed.callback(self._driver.close)
                self.engine = create_engine(address.url, creator=lambda: self._driver, poolclass=StaticPool)
                event.listen(self.engine, "begin", _begin)
                self._prepare_in_turn(make=make, pictures=pictures)
            except (sqlite3.Error, StoreError) as error:
                reason = driver_reason(error)
                remedy = (
                    "end the program that holds it"
                    if _BUSY in reason
                    else "check the file, its folder's rights and space"
                )
                raise DataError(f"{self.path}: can't be used as a database ({reason}): {remedy}") from error
            failed.pop_all()

    def lift_limits(self, connection: Connection) -> None:
        """SQLite has no limits to lift."""

    def add_events(self, connection: Connection, rows: Sequence[EventRow]) -> None:
        """One statement, prepared once, for all rows."""
        cursor = connection.connection.cursor()
        received = {row[8]: moment_text(row[8]) for row in rows}
        cursor.executemany(_ADD, [(*row[:7], moment_text(row[7]), received[row[8]], *row[9:]) for row in rows])

    @property
    def size_bytes(self) -> int:
        """The length of the file."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def free_bytes(self) -> int:
        """What of it holds nothing, and can be given back.

        Raises:
            StoreError: the file can't be read.
        """
        return self.pragma("freelist_count") * self.pragma("page_size")

    @property
    def gives_back(self) -> bool:
        """Whether `give_back` makes it shorter: files that an earlier version made have to be rewritten first.

        Raises:
            StoreError: the file can't be read.
        """
        return self.pragma("auto_vacuum") == _INCREMENTAL

    def give_back(self, pages: int) -> float:
        """Make the file shorter by at most so many free pages; for how many seconds it was held.

        Raises:
            StoreError: the disk doesn't take it, or another process holds the file for too long.
        """
        with self._explained(), self._lock:
            began_s = time.monotonic()
            self._driver.executescript(f"PRAGMA incremental_vacuum({pages})")  # `execute` gives back one alone
            return time.monotonic() - began_s

    def rewrite(self, is_ending: Callable[[], bool]) -> float:
        """Write the file anew so that it `gives_back` from now on; for how many seconds it was held.

        Everybody waits for the end: about as long as it takes to copy what is kept, or until `is_ending`.

        Raises:
            StoreError: the disk doesn't take it, another process holds the file for too long, or it was broken off.
        """
        with self._explained(), self._lock, interrupted_when(is_ending, self._driver):
            began_s = time.monotonic()
            self._driver.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            self._driver.execute("VACUUM")
            return time.monotonic() - began_s

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._driver.close()

    def pragma(self, name: str) -> int:
        """A number that SQLite keeps of the file.

        Raises:
            StoreError: the file can't be read.
        """
        with self._explained(), self._lock:
            return int(self._driver.execute(f"PRAGMA {name}").fetchone()[0])

    def _write(self) -> contextlib.AbstractContextManager[Connection]:
        return self._transaction("BEGIN IMMEDIATE")

    def _read(self) -> contextlib.AbstractContextManager[Connection]:
        return self._transaction("BEGIN")

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with (
            self._lock,
            self.engine.connect().execution_options(kardus_begin=begin) as connection,
            connection.begin(),
        ):
            yield connection

    def _prepare_in_turn(self, *, make: bool, pictures: str) -> None:
        """Two receivers may start at once: the second finds the work done."""
        until_s, is_told, work = time.monotonic() + OPENING_S, False, f"{self.path}: what brings it up to date"
        while True:
            began_s = time.monotonic()
            try:
                with interrupted_by_signals(self._driver, work):
                    return self._prepare(make=make, pictures=pictures)
            except (sqlite3.OperationalError, StoreError) as error:
                if _BUSY not in driver_reason(error) or began_s >= until_s:
                    raise
            if not is_told:
                log.warning("%s: another program holds it: waiting", self.path)
                is_told = True
            with interrupted_by_signals(self._driver, work):
                time.sleep(max(0.0, began_s + BUSY_S - time.monotonic()))  # SQLite doesn't wait by itself for all

    def _prepare(self, *, make: bool, pictures: str) -> None:
        if self.pragma("page_count") == 0:  # a file that is made now: of any other it would have to be written
            self._driver.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        mode = self._driver.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0]
        if mode != "truncate":
            raise DataError(
                f"{self.path}: can't be given a rollback journal ({mode}): close other programs that use it"
            )
        self._driver.execute("PRAGMA synchronous=EXTRA")  # FULL, and the journal's end is on disk as well
        if not make and self._is_empty():
            raise DataError(f"{self.path}: not the database of `kardus-wms receive`: name that file")
        with self.reading() as connection:
            if is_current(connection):
                return
        with self.writing() as connection:
            if is_newer(connection):
                raise DataError(f"{self.path}: {NEWER}")
            upgrade(connection, pictures or f"{self.path}.pictures")

    def _is_empty(self) -> bool:
        """Whether nothing of ours is in it: who makes it holds it meanwhile, but lets others read.

        Raises:
            StoreError: it is held.
        """
        if self.pragma("user_version") == 0:
            try:
                with self.writing():
                    pass
            except StoreError as error:
                if _BUSY in driver_reason(error):
                    raise
        return self.pragma("user_version") == 0


def _begin(connection: Any) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("kardus_begin", "BEGIN"))
