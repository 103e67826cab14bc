"""Writes agents' messages into the receiver's database, one transaction per batch."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kardus.contract.ranges import Range, merged
from kardus.contract.receipts import Ack
from warehouse.receiving.database import Database, require_site
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
MAX_ACK_RANGES = 1000
PRUNE_EVERY_PICTURES = 50
"""How often the size limit is applied."""
AgentEpoch = tuple[str, str]
"""Agent and epoch: one numbering of an agent's events."""


@dataclass
class WriteResult:
    """The outcome of one transaction."""

    events: int = 0
    """Stored for the first time."""
    duplicates: int = 0
    """Events that were stored before."""
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
                match item:
                    case EventMessage():
                        _insert_event(connection, item, now, written)
                        data = item.envelope.data
                        covered.setdefault((item.agent, data.epoch), []).append((data.sequence, data.sequence))
                    case RetainedMessage():
                        _replace_retained(connection, item, now)
                    case PictureMessage():
                        written.pictures += _insert_picture(connection, item)
                    case LostMessage():
                        _add_covered(connection, (item.agent, item.lost.epoch), item.lost.ranges, "lost")
                        written.covered.add((item.agent, item.lost.epoch))
                    case DeadLetter():
                        written.dead_letters += 1
                        _insert_dead_letter(connection, item, now)
                        if item.epoch is not None and item.sequence is not None:
                            place = (item.sequence, item.sequence)
                            covered.setdefault((item.agent, item.epoch), []).append(place)
            for epoch, places in covered.items():
                _add_covered(connection, epoch, places, "stored")
            self._prune(connection, written)
        written.covered |= set(covered)
        return written

    def acks(self, epochs: Sequence[AgentEpoch] | None = None) -> dict[AgentEpoch, Ack]:
        """The `ack` messages of these epochs; None: of every agent's last epoch. In the order they were first seen.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT number, agent, epoch FROM epochs ORDER BY number").fetchall()
            last = {agent: number for number, agent, _ in rows}
            wanted = set(epochs) if epochs is not None else None
            return {
                (agent, epoch): make_ack(epoch, read_covered(connection, number))
                for number, agent, epoch in rows
                if ((agent, epoch) in wanted if wanted is not None else last[agent] == number)
            }

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


def read_covered(connection: sqlite3.Connection, epoch: int) -> list[Range]:
    """The ranges of sequences that are stored or lost in an epoch, given by its number."""
    return merged(connection.execute("SELECT first, last FROM ranges WHERE epoch = ?", (epoch,)).fetchall())


def make_ack(epoch: str, covered: Sequence[Range]) -> Ack:
    """The `ack` message for an epoch."""
    from_start = bool(covered) and covered[0][0] == 1
    beyond = covered[1:] if from_start else covered
    return Ack(epoch=epoch, contiguous_to=covered[0][1] if from_start else 0, ranges=tuple(beyond[:MAX_ACK_RANGES]))


def _insert_event(connection: sqlite3.Connection, event: EventMessage, now: str, written: WriteResult) -> None:
    data = event.envelope.data
    done = connection.execute(
        "INSERT INTO events (id, agent, epoch, sequence, location, verdict, captured, received, alert, payload) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            event.envelope.id,
            event.agent,
            data.epoch,
            data.sequence,
            data.location,
            data.verdict.value,
            data.captured.isoformat(timespec="milliseconds"),
            now,
            data.alert.id if data.alert else None,
            event.payload,
        ),
    )
    if done.rowcount == 1:
        written.events += 1
    else:
        written.duplicates += 1


def _replace_retained(connection: sqlite3.Connection, latest: RetainedMessage, now: str) -> None:
    key = (latest.agent, latest.kind, latest.subject)
    if not latest.payload:
        connection.execute("DELETE FROM latest WHERE agent = ? AND kind = ? AND subject = ?", key)
        return
    connection.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?)", (*key, now, latest.payload))
    if latest.status and latest.status.epoch:
        _epoch_number(connection, (latest.agent, latest.status.epoch), latest.status.sequence)


def _insert_picture(connection: sqlite3.Connection, picture: PictureMessage) -> int:
    row = (picture.event, len(picture.jpeg), picture.jpeg)
    done = connection.execute(
        "INSERT INTO pictures (event, size, jpeg) VALUES (?, ?, ?) ON CONFLICT (event) DO NOTHING", row
    )
    return done.rowcount


def _insert_dead_letter(connection: sqlite3.Connection, letter: DeadLetter, now: str) -> None:
    payload = letter.payload if letter.sequence is not None else letter.payload[:MAX_DEAD_LETTER_BYTES]
    connection.execute(
        "INSERT INTO dead_letters (received, topic, reason, payload, epoch, sequence) VALUES (?, ?, ?, ?, ?, ?)",
        (now, letter.topic, letter.reason, payload, letter.epoch, letter.sequence),
    )


def _add_covered(connection: sqlite3.Connection, epoch: AgentEpoch, places: Sequence[Range], kind: str) -> None:
    number = _epoch_number(connection, epoch, max((last for _, last in places), default=0))
    before = connection.execute(
        "SELECT first, last FROM ranges WHERE epoch = ? AND kind = ? ORDER BY first", (number, kind)
    ).fetchall()
    after = merged([*before, *places])
    if after != before:
        gone, new = set(before) - set(after), set(after) - set(before)
        connection.executemany(
            "DELETE FROM ranges WHERE epoch = ? AND kind = ? AND first = ?",
            [(number, kind, first) for first, _ in gone],
        )
        connection.executemany(
            "INSERT INTO ranges VALUES (?, ?, ?, ?)", [(number, kind, first, last) for first, last in new]
        )


def _epoch_number(connection: sqlite3.Connection, epoch: AgentEpoch, highest: int) -> int:
    """The number of an epoch, after noting that it goes up to `highest`."""
    row = connection.execute(
        "INSERT INTO epochs (agent, epoch, highest) VALUES (?, ?, ?) "
        "ON CONFLICT (agent, epoch) DO UPDATE SET highest = max(highest, excluded.highest) RETURNING number",
        (*epoch, highest),
    ).fetchone()
    return int(row[0])


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
