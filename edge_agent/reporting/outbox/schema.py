"""The outbox's file: opening it, and bringing it to today's form, version by version."""

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from kardus import __version__
from kardus.support.errors import KardusError
from kardus.support.identifiers import uuid7

SET_ASIDE = "the agent sets it aside at its next start, and takes over what can be read"
_LOCATION = re.compile(r"/locations/([^/]+)/")
_MESSAGES = """CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('event', 'state', 'evidence')),
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    retain INTEGER NOT NULL,
    location TEXT NOT NULL,
    epoch TEXT,
    sequence INTEGER,
    urgent INTEGER NOT NULL,
    stored_unix_s REAL NOT NULL,
    sent_unix_s REAL
) STRICT"""
_FORMS = {"epoch": re.compile(r"[!-~]{8,}"), "sequence": re.compile(r"[0-9]{1,18}")}
"""Of the file's own notes."""
_TABLES = ("messages", "states", "retained", "lost")
_INDEXES = (
    # what is to be sent next, without looking at the rest
    "CREATE INDEX waiting ON messages (urgent DESC, id) WHERE sent_unix_s IS NULL",
    "CREATE INDEX waiting_of_location ON messages (location, id) WHERE sent_unix_s IS NULL AND urgent = 0",
    "CREATE INDEX states_by_topic ON messages (topic) WHERE kind = 'state'",
    "CREATE INDEX by_sequence ON messages (epoch, sequence) WHERE sequence IS NOT NULL",
    "CREATE INDEX unconfirmed ON messages (sent_unix_s) WHERE sent_unix_s IS NOT NULL",
)


class DamagedError(KardusError):
    """The file opens, and its content is wrong."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make the file, in today's form.

    Raises:
        sqlite3.DatabaseError: SQLite can't open it, or it is damaged.
        UnicodeDecodeError: it is damaged, and SQLite's message about it too.
        DamagedError: it lacks what every outbox has, or fails SQLite's check.
        KardusError: it belongs to a newer version.
    """
    with contextlib.ExitStack() as failed:
        database = failed.enter_context(contextlib.closing(sqlite3.connect(path, timeout=2.0)))
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # counts for a new file only
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA journal_size_limit=4000000")
        migrate(database, path)
        _require_whole(database, path)
        failed.pop_all()  # it is in order: leave it open
    return database


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Every step that the file hasn't taken yet, each in a transaction of its own.

    Raises:
        KardusError: it was written by a newer version.
    """
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > len(MIGRATIONS):
        raise KardusError(f"{path}: written by a newer version of Kardus (schema {found}): update the agent")
    database.isolation_level = None
    for number, step in enumerate(MIGRATIONS[found:], start=found + 1):
        with database:
            database.execute("BEGIN IMMEDIATE")
            step(database)
            database.execute(
                "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_unix_s REAL NOT NULL, "
                "by_version TEXT NOT NULL) STRICT"
            )
            database.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, time.time(), __version__))
            database.execute(f"PRAGMA user_version = {number}")
    database.isolation_level = "DEFERRED"


def meta_of(database: sqlite3.Connection) -> dict[str, str]:
    """The file's own notes: its epoch, the sequence of the last event."""
    return dict(database.execute("SELECT key, value FROM meta").fetchall())


def is_sequence(noted: object) -> bool:
    """Whether a note is a sequence: a damaged file may say anything."""
    return _FORMS["sequence"].fullmatch(str(noted)) is not None


def unusable(path: Path, error: Exception) -> KardusError:
    """Why a file can't be opened, in words."""
    if not is_damage(error):
        return KardusError(
            f"{path}: cannot be opened ({error}): is another agent using it? Check the folder's rights and space"
        )
    return KardusError(f"{path}: damaged ({error}): {SET_ASIDE}")


def is_damage(error: Exception) -> bool:
    """Whether the file's content is wrong, rather than the disk, its rights or another program."""
    if isinstance(error, DamagedError | UnicodeDecodeError):  # the second: SQLite's own message, which cites the text
        return True
    if isinstance(error, sqlite3.OperationalError):
        return "no such" in str(error) or "malformed" in str(error)
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.ProgrammingError
    )


def _require_whole(database: sqlite3.Connection, path: Path) -> None:
    for table in _TABLES:
        database.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608 - a constant
    meta = meta_of(database)
    for key, form in _FORMS.items():
        if not form.fullmatch(str(meta.get(key, ""))):
            raise DamagedError(f"{path}: damaged (no usable {key}): {SET_ASIDE}")
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedError(f"{path}: damaged ({found}): {SET_ASIDE}")


def _to_1(database: sqlite3.Connection) -> None:
    """The first form."""
    database.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
    database.execute(
        "CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, topic TEXT NOT NULL, "
        "payload BLOB NOT NULL, retain INTEGER NOT NULL) STRICT"
    )
    database.execute("CREATE TABLE states (location TEXT PRIMARY KEY, payload TEXT NOT NULL) STRICT")
    database.execute("CREATE TABLE retained (topic TEXT PRIMARY KEY) STRICT")
    database.execute("INSERT INTO meta VALUES ('epoch', ?), ('sequence', '0')", (uuid7(),))


def _to_2(database: sqlite3.Connection) -> None:
    """Classes, locations, sequences, urgency, and what was lost."""
    epoch = meta_of(database)["epoch"]
    database.execute("ALTER TABLE messages RENAME TO messages_1")
    database.execute("DROP INDEX IF EXISTS messages_by_topic")
    database.execute(_MESSAGES)
    database.create_function("location_in", 1, _location_in, deterministic=True)
    database.execute(
        """INSERT INTO messages SELECT id, CASE WHEN topic LIKE '%/evidence/%' THEN 'evidence' ELSE kind END, topic,
        payload, retain, location_in(topic),
        CASE WHEN topic LIKE '%/events' THEN ? END,
        CASE WHEN topic LIKE '%/events' AND json_valid(payload)
            THEN json_extract(CAST(payload AS TEXT), '$.data.sequence') END,
        0, ?, NULL FROM messages_1 ORDER BY id""",
        (epoch, time.time()),
    )
    database.execute("DROP TABLE messages_1")
    for index in _INDEXES:
        database.execute(index)
    database.execute(
        "CREATE TABLE lost (epoch TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
        "PRIMARY KEY (epoch, first)) STRICT"
    )


def _location_in(topic: str) -> str:
    found = _LOCATION.search(topic)
    return found.group(1) if found else ""


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_to_1, _to_2)
"""Each brings a file from the version before to its own number, counted from 1. They are added to, never changed."""
