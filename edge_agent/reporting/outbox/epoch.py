"""When the file's count of events begins anew.

A disk may forget what it said it had (a cheap card at a power cut; a kernel whose file system is just being stopped).
The file is then as it was some events ago, but the WMS side has stored and confirmed them: events that took their
numbers once more would pass for confirmed. So a file that wasn't closed in order before the machine started again
counts on in a new epoch. A process that was killed changes nothing: the kernel has what it wrote.

Epochs have an order, that of their names: of two receivers the slower may store what was said in the earlier one last.
A clock that was set back doesn't matter, as long as the name of the epoch before can be read.
"""

import logging
import sqlite3
from collections.abc import Mapping

from edge_agent.reporting.outbox.schema import is_sequence, meta_of
from kardus.support.identifiers import boot_id, uuid7

_OPEN_SINCE = "open_since_boot"
"""The machine's start in which an event was stored, as long as the file hasn't been closed since."""
_END_OF = "end_of "
"""In front of an earlier epoch: the sequence of its last event that the file knows."""
_NOTE_END = """INSERT OR REPLACE INTO meta SELECT ? || epoch.value, last.value FROM meta AS epoch, meta AS last
WHERE epoch.key = 'epoch' AND last.key = 'sequence' AND last.value <> '0' AND epoch.value <> ?"""
_FORGET_ENDS = """DELETE FROM meta WHERE substr(key, 1, length(?1)) = ?1
AND NOT EXISTS (SELECT 1 FROM messages WHERE epoch = substr(key, ?2))"""
FORGOTTEN_AT_MOST = 10_000
"""So many events at the end of an earlier epoch may be missing: a disk keeps half a minute back, and an agent with 500
locations would have to see each of them change twenty times in it."""
log = logging.getLogger("kardus.outbox")


def epoch_of(database: sqlite3.Connection) -> tuple[str, int]:
    """The epoch that the file goes on with, and the sequence of its last event; 0 before the first."""
    meta = meta_of(database)
    if meta.get(_OPEN_SINCE, boot_id()) != boot_id():
        log.warning(
            "the machine stopped before the outbox was closed: a new epoch begins after event %s", meta["sequence"]
        )
        return uuid7(after=meta["epoch"]), 0
    return meta["epoch"], int(meta["sequence"])


def furthest_of(database: sqlite3.Connection, epoch: str, present: str) -> int | None:
    """The highest sequence that an epoch can have come to; None: nothing is known of it, and nothing of it is kept.

    The epoch that the file counts in, `present`, is known to the last event. Of an earlier one a disk may have
    forgotten the last events, which the WMS side has.
    """
    meta = meta_of(database)
    if epoch == present:
        return int(meta["sequence"]) if meta["epoch"] == epoch else 0
    noted = meta["sequence"] if meta["epoch"] == epoch else meta.get(_END_OF + epoch)
    kept = database.execute("SELECT max(sequence) FROM messages WHERE epoch = ?", (epoch,)).fetchone()[0]
    known = [int(str(number)) for number in (noted, kept) if is_sequence(number)]
    return max(known) + FORGOTTEN_AT_MOST if known else None


def keep(database: sqlite3.Connection, epoch: str, sequence: int) -> None:
    """Note both, and that the file is open; of the epoch before, if it was another one, how far it came."""
    if database.execute(_NOTE_END, (_END_OF, epoch)).rowcount:
        database.execute(_FORGET_ENDS, (_END_OF, len(_END_OF) + 1))
    notes = [("epoch", epoch), ("sequence", str(sequence)), (_OPEN_SINCE, boot_id())]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes)


def carry_over(database: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    """Note how far the epochs of a damaged file came, as far as it says so."""
    ends = {str(key): noted for key, noted in meta.items() if str(key).startswith(_END_OF)}
    ends[f"{_END_OF}{meta.get('epoch')}"] = meta.get("sequence", "")
    known = [(key, str(noted)) for key, noted in ends.items() if is_sequence(noted)]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", known)


def leave(database: sqlite3.Connection) -> None:
    """Note that the file is closed in order.

    Raises:
        sqlite3.Error: the disk doesn't take it; the next start of the machine begins a new epoch.
    """
    with database:
        database.execute("DELETE FROM meta WHERE key = ?", (_OPEN_SINCE,))
