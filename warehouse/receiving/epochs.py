"""Which sequences of an agent's epochs are covered (stored, or announced as lost), and which are missing.

An agent begins a new epoch with a new outbox and after a power cut: in a year there may be hundreds. How far an epoch
is covered without a gap is kept with it (`contiguous_to`), and so is which one an agent counts in now (`present`): a
finished epoch is one row that neither acknowledgements nor the search for gaps reads any more. An event of it that
comes late is stored like any other.
"""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence

from kardus.contract.ranges import Range, gaps, merged
from kardus.contract.receipts import MAX_SEQUENCE, Ack

AgentEpoch = tuple[str, str]
"""Agent and epoch: one numbering of an agent's events."""
MAX_ACK_RANGES = 1000
KINDS = ("stored", "lost")
_NEAREST = "SELECT first, last FROM ranges WHERE epoch = ? AND kind = ? AND first <= ? ORDER BY first DESC"
_NEXT = "SELECT min(first) FROM ranges WHERE epoch = ? AND kind = ? AND first > ?"


def note_epoch(connection: sqlite3.Connection, epoch: AgentEpoch, highest: int, *, is_present: bool = False) -> int:
    """The number of an epoch, after noting that it goes up to `highest`.

    A new one is taken for the one that its agent counts in now, unless the agent says otherwise (`is_present`).
    """
    row = connection.execute("SELECT number FROM epochs WHERE agent = ? AND epoch = ?", epoch).fetchone()
    if row is None:
        connection.execute("UPDATE epochs SET present = 0 WHERE agent = ? AND present = 1", epoch[:1])
        insert = "INSERT INTO epochs (agent, epoch, highest, present) VALUES (?, ?, ?, 1) RETURNING number"
        return int(connection.execute(insert, (*epoch, highest)).fetchone()[0])
    number = int(row[0])
    connection.execute(
        "UPDATE epochs SET highest = max(highest, ?), forgotten = 0 "
        "WHERE number = ? AND (highest < ? OR forgotten = 1)",
        (highest, number, highest),
    )
    if is_present:
        connection.execute(
            "UPDATE epochs SET present = 0 WHERE agent = ? AND present = 1 AND number <> ?", (epoch[0], number)
        )
        connection.execute("UPDATE epochs SET present = 1 WHERE number = ? AND present = 0", (number,))
    return number


def add_covered(connection: sqlite3.Connection, epoch: AgentEpoch, places: Sequence[Range], kind: str) -> None:
    """Note that these sequences are `stored` or `lost`."""
    number = note_epoch(connection, epoch, max((last for _, last in places), default=0))
    for place in merged(places):
        _add_range(connection, number, kind, place)
    before = int(connection.execute("SELECT contiguous_to FROM epochs WHERE number = ?", (number,)).fetchone()[0])
    reached = _reached(connection, number, before)
    if reached != before:
        connection.execute("UPDATE epochs SET contiguous_to = ? WHERE number = ?", (reached, number))


def is_stored(connection: sqlite3.Connection, epoch: AgentEpoch, sequence: int) -> bool:
    """Whether something was stored for this sequence, be it kept or deleted since."""
    row = connection.execute("SELECT number FROM epochs WHERE agent = ? AND epoch = ?", epoch).fetchone()
    nearest = connection.execute(f"{_NEAREST} LIMIT 1", (row[0], "stored", sequence)).fetchone() if row else None
    return nearest is not None and sequence <= nearest[1]


def missing_ranges(connection: sqlite3.Connection, number: int, highest: int) -> list[Range]:
    """What is neither stored nor lost in an epoch, given by its number."""
    return gaps(connection.execute("SELECT first, last FROM ranges WHERE epoch = ?", (number,)), 1, highest)


def first_gap(connection: sqlite3.Connection, number: int, contiguous_to: int, highest: int) -> Range | None:
    """The first range that is missing in an epoch; None: nothing is."""
    reached = _reached(connection, number, contiguous_to)
    if reached >= highest:
        return None
    following = [connection.execute(_NEXT, (number, kind, reached)).fetchone()[0] for kind in KINDS]
    return reached + 1, min([highest, *(first - 1 for first in following if first is not None)])


def acks(connection: sqlite3.Connection, epochs: Sequence[AgentEpoch] | None) -> dict[AgentEpoch, Ack]:
    """The `ack` messages of these epochs; None: of the one that each agent counts in now. Forgotten agents get none."""
    if epochs is None:
        rows = connection.execute(
            "SELECT number, agent, epoch, contiguous_to FROM epochs WHERE present = 1 AND forgotten = 0"
        ).fetchall()
    else:
        one = "SELECT number, agent, epoch, contiguous_to FROM epochs WHERE agent = ? AND epoch = ? AND forgotten = 0"
        rows = sorted(row for epoch in epochs for row in connection.execute(one, epoch))
    return {(agent, epoch): _ack(connection, number, epoch, reached) for number, agent, epoch, reached in rows}


def _ack(connection: sqlite3.Connection, number: int, epoch: str, contiguous_to: int) -> Ack:
    reached = _reached(connection, number, contiguous_to)
    beyond = "SELECT first, last FROM ranges WHERE epoch = ? AND kind = ? AND first > ? ORDER BY first LIMIT ?"
    parts = [connection.execute(beyond, (number, kind, reached, MAX_ACK_RANGES)).fetchall() for kind in KINDS]
    ranges = merged(itertools.chain.from_iterable(parts))
    return Ack(epoch=epoch, contiguous_to=reached, ranges=tuple(ranges[:MAX_ACK_RANGES]))


def _add_range(connection: sqlite3.Connection, number: int, kind: str, place: Range) -> None:
    """Add a range; those that it touches become one with it."""
    touched = list(_touched(connection, number, kind, place))
    (whole,) = merged([*touched, place])
    if touched == [whole]:
        return
    connection.executemany(
        "DELETE FROM ranges WHERE epoch = ? AND kind = ? AND first = ?", [(number, kind, first) for first, _ in touched]
    )
    connection.execute("INSERT INTO ranges VALUES (?, ?, ?, ?)", (number, kind, *whole))


def _touched(connection: sqlite3.Connection, number: int, kind: str, place: Range) -> Iterator[Range]:
    for first, last in connection.execute(_NEAREST, (number, kind, min(place[1] + 1, MAX_SEQUENCE))):
        if last < place[0] - 1:
            return
        yield first, last


def _reached(connection: sqlite3.Connection, number: int, contiguous_to: int) -> int:
    """How far the epoch is covered without a gap, knowing that it is so far."""
    while True:
        values = (number, min(contiguous_to + 1, MAX_SEQUENCE))
        nearest = [connection.execute(f"{_NEAREST} LIMIT 1", (values[0], kind, values[1])).fetchone() for kind in KINDS]
        further = max((last for _, last in filter(None, nearest)), default=0)
        if further <= contiguous_to:
            return contiguous_to
        contiguous_to = further
