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

from edge_agent.reporting.outbox.schema import meta_of
from kardus.support.identifiers import boot_id, uuid7

_OPEN_SINCE = "open_since_boot"
"""The machine's start in which an event was stored, as long as the file hasn't been closed since."""
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


def last_of(database: sqlite3.Connection, epoch: str) -> int | None:
    """The sequence of an epoch's last event; None where the file doesn't know: of an earlier epoch."""
    meta = meta_of(database)
    return int(meta["sequence"]) if meta["epoch"] == epoch else None


def keep(database: sqlite3.Connection, epoch: str, sequence: int) -> None:
    """Note both, and that the file is open."""
    notes = [("epoch", epoch), ("sequence", str(sequence)), (_OPEN_SINCE, boot_id())]
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes)


def leave(database: sqlite3.Connection) -> None:
    """Note that the file is closed in order.

    Raises:
        sqlite3.Error: the disk doesn't take it; the next start of the machine begins a new epoch.
    """
    with database:
        database.execute("DELETE FROM meta WHERE key = ?", (_OPEN_SINCE,))
