"""Writes agents' messages into the receiver's database, one transaction per batch."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kardus.contract.ranges import Range
from kardus.contract.receipts import Ack
from warehouse.receiving.closing import forget_stored
from warehouse.receiving.database import Database, require_site
from warehouse.receiving.epochs import AgentEpoch, acks, add_covered, note_epoch
from warehouse.receiving.events import Outcome, insert_event, insert_picture
from warehouse.receiving.parsing import (
    DeadLetter,
    EventMessage,
    LostMessage,
    ParsedMessage,
    PictureMessage,
    RetainedMessage,
)

MAX_DEAD_LETTERS = 10_000
"""The oldest are deleted first; dead letters of events don't count and are never deleted."""
MAX_DEAD_LETTER_BYTES = 65_536
"""A longer message is cut, unless it is an event."""
PRUNE_EVERY_PICTURES = 50
"""How often the size limit is applied."""


@dataclass
class WriteResult:
    """The outcome of one transaction."""

    events: int = 0
    """Stored for the first time."""
    duplicates: int = 0
    """Events that were stored before, some of them deleted since."""
    pictures: int = 0
    dead_letters: int = 0
    covered: set[AgentEpoch] = field(default_factory=set)
    """The epochs to acknowledge."""


class DatabaseWriter:
    """Writes the database of one site."""

    def __init__(self, database: Database, site: str, pictures_mb: int) -> None:
        """`pictures_mb`: how much of the disk pictures may take; the oldest go first.

        Raises:
            UsageError: the file holds another site's events.
        """
        self._database = database
        self._pictures_bytes = pictures_mb * 1_000_000
        self._since_pruning = PRUNE_EVERY_PICTURES
        with database.writing() as connection:
            require_site(connection, database.path, site)

    def write(self, batch: Iterable[ParsedMessage]) -> WriteResult:
        """Store a batch; durable when this returns.

        Raises:
            sqlite3.Error, OverflowError, UnicodeError: it can't be stored; nothing of it is.
        """
        written, now = WriteResult(), datetime.now(UTC).isoformat(timespec="milliseconds")
        covered: dict[AgentEpoch, list[Range]] = {}
        with self._database.writing() as connection:
            for item in batch:
                if place := self._write_one(connection, item, now, written):
                    agent, epoch, sequence = place
                    covered.setdefault((agent, epoch), []).append((sequence, sequence))
            for epoch_key, places in covered.items():
                add_covered(connection, epoch_key, places, "stored")
            self._prune(connection, written)
        written.covered |= set(covered)
        return written

    def newest(self) -> datetime | None:
        """When the last event was received; None: there is none.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        with self._database.reading() as connection:
            row = connection.execute("SELECT received FROM events ORDER BY number DESC LIMIT 1").fetchone()
        return datetime.fromisoformat(row[0]) if row else None

    def acks(self, epochs: Sequence[AgentEpoch] | None = None) -> dict[AgentEpoch, Ack]:
        """The `ack` messages of these epochs; None: of every agent's last epoch. In the order they were first seen.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        with self._database.reading() as connection:
            return acks(connection, epochs)

    def _write_one(
        self, connection: sqlite3.Connection, item: ParsedMessage, now: str, written: WriteResult
    ) -> tuple[str, str, int] | None:
        """Write one message; agent, epoch and sequence of the event that is stored by it, or was before."""
        match item:
            case EventMessage():
                outcome, others = insert_event(connection, item, now)
                for letter in others:
                    _insert_dead_letter(connection, letter, now, written)
                written.events += outcome == Outcome.NEW
                written.duplicates += outcome == Outcome.KNOWN
                data = item.envelope.data
                return (item.agent, data.epoch, data.sequence) if outcome != Outcome.CONFLICT else None
            case PictureMessage():
                outcome, others = insert_picture(connection, item)
                for letter in others:
                    _insert_dead_letter(connection, letter, now, written)
                written.pictures += outcome == Outcome.NEW
            case RetainedMessage():
                _replace_retained(connection, item, now)
            case LostMessage():
                add_covered(connection, (item.agent, item.lost.epoch), item.lost.ranges, "lost")
                written.covered.add((item.agent, item.lost.epoch))
            case DeadLetter():
                _insert_dead_letter(connection, item, now, written)
                if item.epoch is not None and item.sequence is not None:
                    return item.agent, item.epoch, item.sequence
        return None

    def _prune(self, connection: sqlite3.Connection, written: WriteResult) -> None:
        self._since_pruning += written.pictures
        if self._since_pruning >= PRUNE_EVERY_PICTURES:
            self._since_pruning = 0
            _prune_pictures(connection, self._pictures_bytes)
        if written.dead_letters:
            connection.execute(
                "DELETE FROM dead_letters WHERE sequence IS NULL AND number <= "
                "(SELECT max(number) FROM dead_letters) - ?",
                (MAX_DEAD_LETTERS,),
            )


def _replace_retained(connection: sqlite3.Connection, latest: RetainedMessage, now: str) -> None:
    key = (latest.agent, latest.kind, latest.subject)
    if not latest.payload and latest.kind == "status":  # nobody clears it but who forgets the agent
        forget_stored(connection, latest.agent)
        return
    if not latest.payload:
        connection.execute("DELETE FROM latest WHERE agent = ? AND kind = ? AND subject = ?", key)
        return
    connection.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?)", (*key, now, latest.payload))
    if latest.status and latest.status.epoch:
        epoch = (latest.agent, latest.status.epoch)
        note_epoch(connection, epoch, latest.status.sequence, is_present=True)


def _insert_dead_letter(connection: sqlite3.Connection, letter: DeadLetter, now: str, written: WriteResult) -> None:
    written.dead_letters += 1
    payload = letter.payload if letter.sequence is not None else letter.payload[:MAX_DEAD_LETTER_BYTES]
    told = (letter.topic, letter.reason, payload)  # what is sent again and again is kept once
    same = "SELECT 1 FROM dead_letters WHERE topic = ? AND reason = ? AND payload = ?"
    if connection.execute(same, told).fetchone() is None:
        connection.execute(
            "INSERT INTO dead_letters (received, topic, reason, payload, epoch, sequence) VALUES (?, ?, ?, ?, ?, ?)",
            (now, *told, letter.epoch, letter.sequence),
        )


def _prune_pictures(connection: sqlite3.Connection, limit_bytes: int) -> None:
    excess = int(connection.execute("SELECT coalesce(sum(size), 0) FROM pictures").fetchone()[0]) - limit_bytes
    if excess <= 0:
        return
    last = 0
    for number, size in connection.execute("SELECT number, size FROM pictures ORDER BY number"):
        last, excess = number, excess - size
        if excess <= 0:
            break
    connection.execute("DELETE FROM pictures WHERE number <= ?", (last,))
