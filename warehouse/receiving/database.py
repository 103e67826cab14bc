"""The receiver's SQLite file: how it is opened, brought up to date, and given back to the disk.

A rollback journal, not WAL: several receivers and reports open the file at once, and WAL up to SQLite 3.51.2 has a rare
corruption with several writing connections (docs/adr). One connection in a process, guarded by a lock.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kardus.support.errors import DataError, UsageError
from warehouse.receiving.schema import MIGRATIONS

BUSY_S = 5.0
"""How long another process is waited for, before the work is tried again from the start."""
_INCREMENTAL = 2
"""SQLite's number of the mode in which free pages can be given back some at a time."""


class Database:
    """One connection, for any thread."""

    def __init__(self, path: Path, *, make: bool) -> None:
        """Open the file and bring its tables up to date; `make` makes it where there is none.

        Raises:
            DataError: it can't be opened, isn't a receiver's, or belongs to a newer version.
        """
        self.path = path
        self._lock = threading.Lock()
        if not make and not path.is_file():
            raise DataError(f"{path}: no such file: name the database of `kardus-wms receive`")
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        with contextlib.ExitStack() as failed:
            failed.callback(self._connection.close)
            try:
                self._prepare(make=make)
            except sqlite3.Error as error:
                raise _unusable(path, error) from error
            failed.pop_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the `with` statement has ended; nothing of it stays where it raises.

        Raises:
            sqlite3.Error: the disk doesn't take it, or another process holds the file for too long.
        """
        yield from self._transaction("BEGIN IMMEDIATE")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view; writers wait for its end.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        yield from self._transaction("BEGIN")

    @property
    def size_bytes(self) -> int:
        """The file's length.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        return self._pragma("page_count") * self._pragma("page_size")

    @property
    def free_bytes(self) -> int:
        """What of it holds nothing, and can be given back.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        return self._pragma("freelist_count") * self._pragma("page_size")

    @property
    def gives_back(self) -> bool:
        """Whether `give_back` makes it shorter: files that an earlier version made have to be rewritten first.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        return self._pragma("auto_vacuum") == _INCREMENTAL

    def give_back(self, pages: int) -> float:
        """Make the file shorter by at most so many free pages; for how many seconds it was held.

        Raises:
            sqlite3.Error: the disk doesn't take it, or another process holds the file for too long.
        """
        with self._lock:
            began_s = time.monotonic()
            self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")  # `execute` gives back one alone
            return time.monotonic() - began_s

    def rewrite(self) -> float:
        """Write the file anew so that it `gives_back` from now on; for how many seconds it was held.

        Everybody waits for the end: about as long as it takes to copy what is kept.

        Raises:
            sqlite3.Error: the disk doesn't take it, or another process holds the file for too long.
        """
        with self._lock:
            began_s = time.monotonic()
            self._connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            self._connection.execute("VACUUM")
            return time.monotonic() - began_s

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._connection.close()

    def _pragma(self, name: str) -> int:
        with self._lock:
            return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:  # commits, or rolls back and raises
            self._connection.execute(begin)
            yield self._connection

    def _prepare(self, *, make: bool) -> None:
        if self._pragma("page_count") == 0:  # a file that is made now: of any other it would have to be written
            self._connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        mode = self._connection.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0]
        if mode != "truncate":
            raise DataError(
                f"{self.path}: can't be given a rollback journal ({mode}): close other programs that use it"
            )
        self._connection.execute("PRAGMA synchronous=EXTRA")  # FULL, and the journal's end is on disk as well
        found = _version(self._connection)
        if found == 0 and not make:
            raise DataError(f"{self.path}: not the database of `kardus-wms receive`: name that file")
        if found == len(MIGRATIONS):
            return
        with self.writing() as database:  # two receivers may start at once: the second finds the work done
            found = _version(database)
            if found > len(MIGRATIONS):
                raise DataError(f"{self.path}: written by a newer version of Kardus (schema {found}): update this one")
            for statements in MIGRATIONS[found:]:
                for statement in statements:
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def require_site(database: sqlite3.Connection, path: Path, site: str) -> None:
    """A file holds one site, the first that it was used for.

    Raises:
        UsageError: it is another's.
    """
    database.execute("INSERT INTO meta VALUES ('site', ?) ON CONFLICT DO NOTHING", (site,))
    found = database.execute("SELECT value FROM meta WHERE key = 'site'").fetchone()[0]
    if found != site:
        raise UsageError(f"--sqlite {path}: holds the events of site '{found}', not '{site}': name another file")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _unusable(path: Path, error: sqlite3.Error) -> DataError:
    return DataError(f"{path}: can't be used as a database ({error}): check the file, its folder's rights and space")
