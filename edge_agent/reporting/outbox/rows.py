"""The statements on the outbox's tables. Each is called by the owning thread, inside a transaction of its caller."""

import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from edge_agent.records import Message, MessageKind
from edge_agent.reporting.outbox.message import MESSAGE_KINDS, Depth, NumberedMessage
from kardus.contract.ranges import Range, merged, ranges_of

_INSERT = """INSERT INTO messages
(kind, topic, payload, retain, location, epoch, sequence, urgent, stored_unix_s, sent_unix_s)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"""
COUNTED = "(kind <> 'event' OR sequence IS NOT NULL)"
"""What the limits are about: an announcement of what was lost mustn't cost another event."""
_WAITING = """SELECT id, kind, topic, payload, retain, location, sequence, urgent FROM messages
WHERE sent_unix_s IS NULL ORDER BY urgent DESC, id LIMIT ?"""


def insert(database: sqlite3.Connection, messages: Iterable[Message], epoch: str) -> None:
    """Store messages; a state takes the place of an earlier one of its topic that wasn't sent."""
    now_unix_s = time.time()
    for message in messages:
        if message.kind == "state":
            database.execute("DELETE FROM messages WHERE kind = 'state' AND topic = ?", (message.topic,))
        database.execute(
            _INSERT,
            (
                message.kind,
                message.topic,
                message.payload,
                message.retain,
                message.location,
                epoch if message.sequence is not None else None,
                message.sequence,
                message.urgent,
                now_unix_s,
            ),
        )
        if message.urgent and message.location:
            database.execute(
                "UPDATE messages SET urgent = 1 WHERE location = ? AND sent_unix_s IS NULL AND urgent = 0",
                (message.location,),
            )
        if message.retain and message.payload:
            database.execute("INSERT OR IGNORE INTO retained VALUES (?)", (message.topic,))
        elif message.retain:
            database.execute("DELETE FROM retained WHERE topic = ?", (message.topic,))


def keep_states(database: sqlite3.Connection, states: Mapping[str, str | None]) -> None:
    """The locations' new states; None forgets the location."""
    kept = [(location, payload) for location, payload in states.items() if payload is not None]
    database.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", kept)
    gone = [(location,) for location, payload in states.items() if payload is None]
    database.executemany("DELETE FROM states WHERE location = ?", gone)


def waiting(database: sqlite3.Connection, limit: int, exclude: Collection[int]) -> list[NumberedMessage]:
    """What is to be sent next: urgent ones first, else in their order, without those in `exclude`."""
    rows = database.execute(_WAITING, (limit + len(exclude),)).fetchall()
    stored = [
        NumberedMessage(row[0], Message(row[1], row[2], row[3], bool(row[4]), row[5], row[6], bool(row[7])))
        for row in rows
        if row[0] not in exclude
    ]
    return stored[:limit]


def forget(database: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove messages."""
    database.executemany("DELETE FROM messages WHERE id = ?", [(number,) for number in ids])


def give_up(database: sqlite3.Connection, number: int) -> None:
    """Give a message up; an event counts as lost."""
    found = database.execute(
        "SELECT epoch, sequence FROM messages WHERE id = ? AND sequence IS NOT NULL", (number,)
    ).fetchall()
    forget(database, [number])
    add_lost(database, [(epoch, (sequence, sequence)) for epoch, sequence in found])


def mark_sent(database: sqlite3.Connection, ids: Sequence[int]) -> None:
    """The broker has these; events stay until they are confirmed, the rest goes."""
    now_unix_s = time.time()
    database.executemany(
        "UPDATE messages SET sent_unix_s = ? WHERE id = ? AND sequence IS NOT NULL",
        [(now_unix_s, number) for number in ids],
    )
    database.executemany("DELETE FROM messages WHERE id = ? AND sequence IS NULL", [(number,) for number in ids])


def confirm(database: sqlite3.Connection, epoch: str, ends: Range, limit: int) -> int:
    """The WMS side has stored these for good: forget so many of them; how many that were."""
    return database.execute(
        """DELETE FROM messages WHERE id IN
        (SELECT id FROM messages WHERE epoch = ? AND sequence BETWEEN ? AND ? LIMIT ?)""",
        (epoch, *ends, limit),
    ).rowcount


def send_again(database: sqlite3.Connection, epoch: str, first: int, last: int) -> list[Range]:
    """Let events be sent once more; which of them are there."""
    database.execute(
        "UPDATE messages SET sent_unix_s = NULL WHERE epoch = ? AND sequence BETWEEN ? AND ?", (epoch, first, last)
    )
    found = database.execute(
        "SELECT sequence FROM messages WHERE epoch = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
        (epoch, first, last),
    )
    return ranges_of(row[0] for row in found)


def send_unconfirmed_again(database: sqlite3.Connection, before_unix_s: float, now_unix_s: float, limit: int) -> int:
    """Let so many events be sent once more that the broker took before then, unconfirmed since; how many.

    Also what it took later than now: the clock was set back since, and it would wait for as long as that was ahead.
    """
    return database.execute(
        """UPDATE messages SET sent_unix_s = NULL WHERE id IN
        (SELECT id FROM messages WHERE sent_unix_s IS NOT NULL AND (sent_unix_s < ? OR sent_unix_s > ?) LIMIT ?)""",
        (before_unix_s, now_unix_s, limit),
    ).rowcount


def stored_by_kind(database: sqlite3.Connection) -> dict[MessageKind, int]:
    """How many of each kind are stored, of what the limits are about."""
    query = f"SELECT kind, count(*) FROM messages WHERE {COUNTED} GROUP BY kind"  # noqa: S608 - a constant
    return dict(database.execute(query).fetchall())


def drop_oldest(database: sqlite3.Connection, kind: MessageKind, count: int) -> int:
    """Give up the least important messages of a kind, the oldest first; how many. Events among them count as lost."""
    rows = database.execute(
        f"""SELECT id, epoch, sequence FROM messages WHERE kind = ? AND {COUNTED}
        ORDER BY sent_unix_s IS NULL, urgent, id LIMIT ?""",  # noqa: S608 - a constant
        (kind, count),
    ).fetchall()
    forget(database, [row[0] for row in rows])
    add_lost(database, [(row[1], (row[2], row[2])) for row in rows if row[2] is not None])
    return len(rows)


def add_lost(database: sqlite3.Connection, events: Iterable[tuple[str, Range]]) -> None:
    """Remember events that will never come, as few ranges as can be."""
    by_epoch: dict[str, list[Range]] = {}
    for epoch, ends in events:
        by_epoch.setdefault(epoch, []).append(ends)
    for epoch, more in by_epoch.items():
        joined = merged([*lost(database).get(epoch, []), *more])
        database.execute("DELETE FROM lost WHERE epoch = ?", (epoch,))
        database.executemany("INSERT INTO lost VALUES (?, ?, ?)", [(epoch, *ends) for ends in joined])


def lost(database: sqlite3.Connection) -> dict[str, list[Range]]:
    """What was lost, by epoch."""
    found: dict[str, list[Range]] = {}
    for epoch, first, last in database.execute("SELECT epoch, first, last FROM lost ORDER BY epoch, first"):
        found.setdefault(epoch, []).append((first, last))
    return found


def depth(database: sqlite3.Connection) -> Depth:
    """What waits."""
    messages = dict.fromkeys(MESSAGE_KINDS, 0)
    messages |= dict(
        database.execute("SELECT kind, count(*) FROM messages WHERE sent_unix_s IS NULL GROUP BY kind").fetchall()
    )
    unconfirmed = database.execute("SELECT count(*) FROM messages WHERE sent_unix_s IS NOT NULL").fetchone()[0]
    oldest = database.execute("SELECT stored_unix_s FROM messages WHERE sent_unix_s IS NULL ORDER BY id LIMIT 1")
    row = oldest.fetchone()
    return Depth(messages, int(unconfirmed), row[0] if row else None)
