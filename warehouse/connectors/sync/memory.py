"""What `kardus-wms sync` has published, in a small SQLite file, for its next start.

A broker that shows no list of what it retains (RabbitMQ) can only be asked by name. So the names of what was published
are kept here: what the WMS gives up while the command is down is found by them. The levels of the last while are here
too, so that a restart is no way around the guard against a slow drain.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from kardus.support.errors import DataError, UsageError
from warehouse.connectors.sync.drain import StockLevel

BUSY_S = 5.0
_IS_OURS = 0x4B535943
"""SQLite's application_id: what has another one is somebody else's file."""
_TABLES = """
CREATE TABLE site (name TEXT NOT NULL);
CREATE TABLE managed (location TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE levels (unix_s REAL NOT NULL, managed INTEGER NOT NULL, occupied INTEGER NOT NULL);
"""
log = logging.getLogger("kardus.sync")


class SyncMemory:
    """One site's. Used by one thread; without a file it remembers nothing."""

    def __init__(self, path: Path | None, site: str) -> None:
        """Open or make the file.

        Raises:
            UsageError: it is another site's, or no such file.
            DataError: it can't be used, or another process uses it.
        """
        self._path, self._problem = path, ""
        self._database: sqlite3.Connection | None = None
        self.locations: frozenset[str] = frozenset()
        """What was published as managed, and not given up."""
        self.levels: tuple[StockLevel, ...] = ()
        """As they were kept last."""
        if path is not None:
            try:
                self._open(path, site)
            except (UsageError, DataError):
                self.close()
                raise
            except sqlite3.Error as error:
                self.close()
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    raise DataError(
                        f"--memory {path}: another process uses it: stop the other `sync`, or name another file"
                    ) from error
                raise DataError(
                    f"--memory {path}: can't be used ({error}): look whether its folder can be written, or move it away"
                ) from error

    def add(self, locations: AbstractSet[str]) -> None:
        """Before they are published: whoever is killed in between has to find them."""
        self._keep(self.locations | locations, None)

    def keep(self, locations: AbstractSet[str], levels: Sequence[StockLevel]) -> None:
        """After an answer was followed: these are managed, and no others."""
        self._keep(frozenset(locations), tuple(levels))

    def forget(self, locations: AbstractSet[str]) -> None:
        """The broker has said that it holds none of these."""
        self._keep(self.locations - locations, None)

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()

    def _open(self, path: Path, site: str) -> None:
        database = self._database = sqlite3.connect(path, BUSY_S, isolation_level=None)
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # until it is closed: two would forget each other's
        with _transaction(database, "EXCLUSIVE"):
            if not database.execute("SELECT 1 FROM sqlite_schema").fetchall():
                for statement in _TABLES.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {_IS_OURS}")
                database.execute("INSERT INTO site VALUES (?)", (site,))
        if database.execute("PRAGMA application_id").fetchone() != (_IS_OURS,):
            raise UsageError(f"--memory {path}: is another program's database: name a file of its own")
        found = [name for (name,) in database.execute("SELECT name FROM site")]
        if len(found) != 1:
            raise DataError(f"--memory {path}: names {len(found)} sites, and not one: it is damaged: move it away")
        if found != [site]:
            raise UsageError(f"--memory {path}: is of site '{found[0]}', not '{site}': name another file")
        self.locations = frozenset(code for (code,) in database.execute("SELECT location FROM managed"))
        rows = database.execute("SELECT unix_s, managed, occupied FROM levels ORDER BY unix_s").fetchall()
        self.levels = tuple(StockLevel(*row) for row in rows)

    def _keep(self, locations: frozenset[str], levels: tuple[StockLevel, ...] | None) -> None:
        """What can't be written now is written with the next: a full disk is no reason to publish nothing."""
        if self._database is None or (locations == self.locations and levels in (None, self.levels)):
            return
        try:
            with _transaction(self._database):
                self._write(self._database, locations, levels)
        except sqlite3.Error as error:
            if str(error) != self._problem:
                log.warning("--memory %s: can't be written (%s): it is tried again", self._path, error)
            self._problem = str(error)
            return
        self._problem, self.locations = "", locations
        self.levels = self.levels if levels is None else levels

    def _write(
        self, database: sqlite3.Connection, locations: frozenset[str], levels: tuple[StockLevel, ...] | None
    ) -> None:
        gone, new = self.locations - locations, locations - self.locations
        database.executemany("DELETE FROM managed WHERE location = ?", [(code,) for code in gone])
        database.executemany("INSERT OR IGNORE INTO managed VALUES (?)", [(code,) for code in new])
        if levels is not None and levels != self.levels:
            database.execute("DELETE FROM levels")
            rows = [(one.unix_s, one.managed, one.occupied) for one in levels]
            database.executemany("INSERT INTO levels VALUES (?, ?, ?)", rows)


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All of it or nothing, durable at its end."""
    database.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
