"""The outbox: what was decided is on disk before anything is sent, and stays until the broker has it.

One SQLite file (WAL, synchronous=FULL, exclusive) with one connection, owned by one thread. WAL with NORMAL loses
commits at a power cut; several connections meet a rare corruption fixed in SQLite 3.51.3.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_agent.errors import KardusError

SCHEMA_VERSION = 1
CHECKS = 3
_SCHEMA = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT""",
    """CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('event', 'state')),
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    retain INTEGER NOT NULL
) STRICT""",
    """CREATE INDEX messages_by_topic ON messages (topic) WHERE kind = 'state'""",
    """CREATE TABLE states (location TEXT PRIMARY KEY, payload TEXT NOT NULL) STRICT""",
    """CREATE TABLE retained (topic TEXT PRIMARY KEY) STRICT""",
)
_SET_ASIDE = "move it away (with -wal and -shm) and start again; what was not yet delivered is in it"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Message:
    """Something to publish. A later state of the same topic replaces an earlier one that hasn't been sent."""

    kind: str
    """"event" or "state"."""
    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True)
class Stored:
    """A message with its number in the outbox."""

    id: int
    message: Message


class Outbox:
    """A durable queue of messages, and the last state of each location. Any thread may call it."""

    def __init__(self, path: Path) -> None:
        """Open or make the outbox.

        Raises:
            KardusError: the file cannot be opened, or belongs to a newer version.
        """
        self._path = path
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[sqlite3.Connection], Any]] | None]
        self._work = queue.SimpleQueue()
        opened: Future[dict[str, str]] = Future()
        self._thread = threading.Thread(target=self._own, args=(opened,), name="outbox", daemon=True)
        self._thread.start()
        meta = opened.result()
        self.epoch = meta["epoch"]
        """Identifies this file."""
        self.last_sequence = int(meta["sequence"])
        """The sequence of the last event that was stored; 0 before the first."""

    def append(self, messages: Sequence[Message], states: Mapping[str, str | None], last_sequence: int) -> None:
        """Store messages and the locations' new states in one transaction; durable when this returns.

        A state of None forgets the location. A retained message without a payload clears its topic on the broker.

        Raises:
            KardusError: the disk doesn't take it; nothing of it is stored.
        """

        def write(database: sqlite3.Connection) -> None:
            with database:
                for message in messages:
                    _insert(database, message)
                kept = [(location, payload) for location, payload in states.items() if payload is not None]
                database.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", kept)
                gone = [(location,) for location, payload in states.items() if payload is None]
                database.executemany("DELETE FROM states WHERE location = ?", gone)
                database.execute("UPDATE meta SET value = ? WHERE key = 'sequence'", (str(last_sequence),))

        self._call(write)
        self.last_sequence = last_sequence

    def pending(self, limit: int) -> list[Stored]:
        """The oldest messages, in order."""

        def read(database: sqlite3.Connection) -> list[Stored]:
            rows = database.execute(
                "SELECT id, kind, topic, payload, retain FROM messages ORDER BY id LIMIT ?", (limit,)
            )
            return [Stored(row[0], Message(row[1], row[2], row[3], bool(row[4]))) for row in rows]

        return self._call(read)

    def delivered(self, ids: Sequence[int]) -> None:
        """Forget messages that the broker has acknowledged."""

        def delete(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("DELETE FROM messages WHERE id = ?", [(number,) for number in ids])

        self._call(delete)

    def depth(self) -> int:
        """How many messages wait."""
        return self._call(lambda database: int(database.execute("SELECT count(*) FROM messages").fetchone()[0]))

    def states(self) -> dict[str, str]:
        """The last stored state of each location, as JSON."""
        return self._call(lambda database: dict(database.execute("SELECT location, payload FROM states").fetchall()))

    def retained(self) -> set[str]:
        """Every topic that a retained message was stored for, and that hasn't been cleared since."""
        return self._call(lambda database: {row[0] for row in database.execute("SELECT topic FROM retained")})

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what was asked for and close the file. May be called twice."""
        self._work.put(None)
        self._thread.join()

    def _call(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if not self._thread.is_alive():
            raise KardusError(f"{self._path}: the outbox is closed")
        future: Future[Result] = Future()
        self._work.put((future, work))
        try:
            return future.result()
        except sqlite3.Error as error:
            raise KardusError(
                f"{self._path}: the outbox failed ({error}): check the disk's space and rights"
            ) from error

    def _own(self, opened: Future[dict[str, str]]) -> None:
        """The owning thread: the only one that touches the connection."""
        try:
            database = _open(self._path)
        except sqlite3.DatabaseError as error:
            opened.set_exception(_unusable(self._path, error))
            return
        except KardusError as error:
            opened.set_exception(error)
            return
        opened.set_result(_meta(database))
        while (job := self._work.get()) is not None:
            future, work = job
            try:
                future.set_result(work(database))
            except Exception as error:  # noqa: BLE001 - the thread's outermost guard: whoever asked is told
                future.set_exception(error)
        database.close()


def check_outbox(path: Path) -> str:
    """What is wrong with an outbox file, in words; empty if nothing is, or if there is none yet.

    Changes nothing: to open a file in WAL mode is to write, so a copy is opened. One that is taken while the agent
    writes may be torn, so that only what is found CHECKS times is wrong.
    """
    found = ""
    for _ in range(CHECKS if path.exists() else 0):
        with tempfile.TemporaryDirectory() as folder:
            found = _check_copy(path, Path(folder) / path.name)
        if not found:
            return ""
    return found


def _check_copy(path: Path, copy: Path) -> str:
    try:
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, copy.parent)
        with contextlib.closing(_open(copy)) as database:
            found = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}): check the folder's rights"
    except sqlite3.DatabaseError as error:
        return str(_unusable(path, error))
    except KardusError as error:
        return str(error).replace(str(copy), str(path))
    return "" if found == "ok" else f"{path}: damaged ({found}): {_SET_ASIDE}"


def _meta(database: sqlite3.Connection) -> dict[str, str]:
    return dict(database.execute("SELECT key, value FROM meta").fetchall())


def _unusable(path: Path, error: sqlite3.Error) -> KardusError:
    if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
        return KardusError(
            f"{path}: cannot be opened ({error}): is another agent using it? Check the folder's rights and space"
        )
    return KardusError(f"{path}: damaged ({error}): {_SET_ASIDE}")


def _insert(database: sqlite3.Connection, message: Message) -> None:
    if message.kind == "state":
        database.execute("DELETE FROM messages WHERE kind = 'state' AND topic = ?", (message.topic,))
    database.execute(
        "INSERT INTO messages (kind, topic, payload, retain) VALUES (?, ?, ?, ?)",
        (message.kind, message.topic, message.payload, message.retain),
    )
    if message.retain and message.payload:
        database.execute("INSERT OR IGNORE INTO retained VALUES (?)", (message.topic,))
    elif message.retain:
        database.execute("DELETE FROM retained WHERE topic = ?", (message.topic,))


def _open(path: Path) -> sqlite3.Connection:
    """Open or make the file.

    Raises:
        sqlite3.DatabaseError: SQLite can't open it, or it is damaged.
        KardusError: it belongs to a newer version, or lacks what every outbox has.
    """
    with contextlib.ExitStack() as failed:
        database = failed.enter_context(contextlib.closing(sqlite3.connect(path, timeout=2.0)))
        _prepare(database, path)
        failed.pop_all()  # it is in order: leave it open
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > SCHEMA_VERSION:
        raise KardusError(f"{path}: written by a newer version of Kardus (schema {found}): update the agent")
    if found == 0:
        _create(database)
    missing = {"epoch", "sequence"} - set(_meta(database))
    if missing:
        raise KardusError(f"{path}: damaged (no {min(missing)}): {_SET_ASIDE}")


def _create(database: sqlite3.Connection) -> None:
    """Tables, a new epoch and the schema's version, in one transaction."""
    database.isolation_level = None
    database.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        database.execute(statement)
    database.execute("INSERT INTO meta VALUES ('epoch', ?), ('sequence', '0')", (str(uuid.uuid4()),))
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    database.execute("COMMIT")
    database.isolation_level = "DEFERRED"
