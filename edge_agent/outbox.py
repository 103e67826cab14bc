"""The outbox: what was decided is on disk before anything is sent, and stays until the broker has it.

One SQLite file (WAL, synchronous=FULL, exclusive) with one connection, owned by one thread. WAL with NORMAL loses
commits at a power cut; several connections meet a rare corruption fixed in SQLite 3.51.3.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_agent.errors import KardusError

SCHEMA_VERSION = 1
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
)
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

    def append(self, messages: Sequence[Message], states: dict[str, str], last_sequence: int) -> None:
        """Store messages and the locations' new states in one transaction; durable when this returns.

        Raises:
            KardusError: the disk doesn't take it; nothing of it is stored.
        """

        def write(database: sqlite3.Connection) -> None:
            with database:
                for message in messages:
                    if message.kind == "state":
                        database.execute("DELETE FROM messages WHERE kind = 'state' AND topic = ?", (message.topic,))
                    database.execute(
                        "INSERT INTO messages (kind, topic, payload, retain) VALUES (?, ?, ?, ?)",
                        (message.kind, message.topic, message.payload, message.retain),
                    )
                database.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", states.items())
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

    def close(self) -> None:
        """Finish what was asked for and close the file. May be called twice."""
        self._work.put(None)
        self._thread.join()

    def _call(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
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
        except (sqlite3.Error, KardusError) as error:
            opened.set_exception(
                error
                if isinstance(error, KardusError)
                else KardusError(f"{self._path}: cannot be opened ({error}): is another agent using it?")
            )
            return
        opened.set_result(dict(database.execute("SELECT key, value FROM meta").fetchall()))
        while (job := self._work.get()) is not None:
            future, work = job
            try:
                future.set_result(work(database))
            except sqlite3.Error as error:
                future.set_exception(error)
        database.close()


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=2.0)
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > SCHEMA_VERSION:
        raise KardusError(f"{path}: written by a newer version of Kardus (schema {found}): update the agent")
    if found == 0:
        _create(database)
    return database


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
