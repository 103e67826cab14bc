"""The receiver's SQLite file: how it is opened, its tables, and their history.

A rollback journal, not WAL: several receivers and reports open the file at once, and WAL up to SQLite 3.51.2 has a rare
corruption with several writing connections (docs/adr). One connection in a process, guarded by a lock.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from kardus.support.errors import DataError, UsageError

BUSY_S = 5.0
"""How long another process is waited for, before the work is tried again from the start."""
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
        """CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    location TEXT NOT NULL,
    verdict TEXT NOT NULL,
    captured TEXT NOT NULL,
    received TEXT NOT NULL,
    alert TEXT,
    payload TEXT NOT NULL
) STRICT""",
        "CREATE INDEX events_by_location ON events (location, number)",
        "CREATE INDEX events_by_alert ON events (alert, number) WHERE alert IS NOT NULL",
        """CREATE TABLE latest (
    agent TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('state', 'status', 'health', 'coverage')),
    subject TEXT NOT NULL,
    received TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (agent, kind, subject)
) STRICT, WITHOUT ROWID""",
        """CREATE TABLE pictures (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    jpeg BLOB NOT NULL
) STRICT""",
        "CREATE INDEX pictures_by_size ON pictures (size)",
        """CREATE TABLE epochs (
    agent TEXT NOT NULL,
    epoch TEXT NOT NULL,
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    highest INTEGER NOT NULL,
    missing INTEGER,
    asked INTEGER NOT NULL DEFAULT 0,
    asked_to INTEGER NOT NULL DEFAULT 0,
    ask_at REAL NOT NULL DEFAULT 0,
    UNIQUE (agent, epoch)
) STRICT""",
        """CREATE TABLE ranges (
    epoch INTEGER NOT NULL REFERENCES epochs (number),
    kind TEXT NOT NULL CHECK (kind IN ('stored', 'lost')),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (epoch, kind, first)
) STRICT, WITHOUT ROWID""",
        """CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    received TEXT NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    epoch TEXT,
    sequence INTEGER
) STRICT""",
        """CREATE TABLE webhooks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    location TEXT NOT NULL,
    body BLOB NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0
) STRICT""",
        "CREATE INDEX webhooks_by_location ON webhooks (location, number)",
        """CREATE VIEW locations AS SELECT
    subject AS location,
    agent,
    json_extract(payload, '$.data.verdict') AS verdict,
    json_extract(payload, '$.data.expected.sku') AS expected_sku,
    json_extract(payload, '$.data.seen.sku') AS seen_sku,
    json_extract(payload, '$.data.since') AS since,
    json_extract(payload, '$.data.last_verified') AS last_verified,
    json_extract(payload, '$.data.valid_until') AS valid_until,
    json_extract(payload, '$.data.alert.status') AS alert
FROM latest WHERE kind = 'state'""",
    ),
)
"""The statements of every version of the schema; `user_version` says how many of them a file has had."""


class Database:
    """One connection, for any thread."""

    def __init__(self, path: Path, *, make: bool) -> None:
        """Open the file; `make` makes it where there is none, and brings its tables up to date.

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

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._connection.close()

    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:  # commits, or rolls back and raises
            self._connection.execute(begin)
            yield self._connection

    def _prepare(self, *, make: bool) -> None:
        mode = self._connection.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0]
        if mode != "truncate":
            raise DataError(
                f"{self.path}: can't be given a rollback journal ({mode}): close other programs that use it"
            )
        self._connection.execute("PRAGMA synchronous=EXTRA")  # FULL, and the journal's end is on disk as well
        if not make:
            found = _version(self._connection)
            if found != len(MIGRATIONS):
                raise DataError(_other_version(self.path, found))
            return
        with self.writing() as database:  # two receivers may start at once: the second finds the work done
            found = _version(database)
            if found > len(MIGRATIONS):
                raise DataError(_other_version(self.path, found))
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


def _other_version(path: Path, found: int) -> str:
    if found > len(MIGRATIONS):
        return f"{path}: written by a newer version of Kardus (schema {found}): update this one"
    if found == 0:
        return f"{path}: not the database of `kardus-wms receive`: name that file"
    return f"{path}: written by an older version of Kardus (schema {found}): start `kardus-wms receive` on it once"


def _unusable(path: Path, error: sqlite3.Error) -> DataError:
    return DataError(f"{path}: can't be used as a database ({error}): check the file, its folder's rights and space")
