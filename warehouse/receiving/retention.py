"""Deletes what is older, or more, than is to be kept: a portion at a time, so that storing goes on in between.

Events of an alert stay: they are its history. What is deleted stays covered: it is no gap, and it is known when it
comes again. The file becomes shorter the same way, some pages at a time.
"""

import logging
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kardus.support.worker import Worker
from warehouse.receiving.database import Database

INTERVAL_S = 60.0
"""Between two rounds."""
PORTION = 200
"""So many events are looked at, or deleted, in one transaction ..."""
PAGES = 200
"""... and so many pages are given back at a time ..."""
PAUSE_S = 0.02
"""... with so long in between for everybody else."""
REWRITE_AGAIN_S = 3600.0
"""After an attempt that the disk, or another program, prevented."""
SPARE_BYTES = 1_000_000
SPARE_SHARE = 0.05
"""So much, or this share of the file, stays free for what comes next."""
_CURSOR = "kept_from"
"""Up to this number there are only events that stay."""
log = logging.getLogger("kardus.retention")


@dataclass(frozen=True)
class Keep:
    """What is kept; an event goes when either limit says so."""

    days: float | None = None
    """Events and dead letters received within so many days."""
    events: int | None = None
    """The newest so many events, and as many dead letters."""


KEEP_ALL = Keep()


@dataclass
class RetentionCounts:
    """What was deleted since the start."""

    deleted: int = 0
    """Events."""
    held_s: float = 0.0
    """The longest that the file was held for it, in seconds."""


class Retention(Worker):
    """Works in a thread of its own; what it has not done when it stops, it does after the next start."""

    def __init__(self, database: Database, keep: Keep) -> None:
        """Prepare; `start` begins."""
        super().__init__("retention")
        self._database = database
        self._keep = keep
        self._rewrite_at_s = 0.0
        """When the file is to be written anew, by the monotonic clock, should that be needed."""
        self.counts = RetentionCounts()

    def round(self) -> None:
        """Delete what isn't to be kept, and give back the room.

        Raises:
            sqlite3.Error: the disk doesn't take it; what was deleted before stays so.
        """
        before_bytes, before = self._database.size_bytes, self.counts.deleted
        while self._delete_events() and not self._stopping.wait(PAUSE_S):
            pass
        while self._delete_dead_letters() and not self._stopping.wait(PAUSE_S):
            pass
        self._give_back()
        if self.counts.deleted > before:
            log.info(
                "%d events deleted: the database had %d bytes and has %d; it was held for %.0f ms at most",
                self.counts.deleted - before,
                before_bytes,
                self._database.size_bytes,
                1000 * self.counts.held_s,
            )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except sqlite3.Error as error:
                log.warning("old events can't be deleted now: %s", error)
            self._stopping.wait(INTERVAL_S)

    def _delete_events(self) -> bool:
        """Delete a portion; whether there may be more."""
        with self._database.reading() as connection:
            after = _cursor(connection)
            rows = connection.execute(
                "SELECT number, received FROM events WHERE number > ? ORDER BY number LIMIT ?", (after, PORTION)
            ).fetchall()
            to = self._last_to_delete(rows, _largest(connection, "events"))
        if to is None:
            return False
        with self._database.writing() as connection:
            began_s = time.monotonic()
            chosen = "number > ? AND number <= ? AND alert IS NULL"
            connection.execute(
                f"DELETE FROM pictures WHERE event IN (SELECT id FROM events WHERE {chosen})",  # noqa: S608 - above
                (after, to),
            )
            done = connection.execute(f"DELETE FROM events WHERE {chosen}", (after, to))  # noqa: S608 - above
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_CURSOR, str(to)))
        self._held(time.monotonic() - began_s)
        self.counts.deleted += done.rowcount
        return len(rows) == PORTION and to == rows[-1][0]

    def _delete_dead_letters(self) -> bool:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT number, received FROM dead_letters ORDER BY number LIMIT ?", (PORTION,)
            ).fetchall()
            to = self._last_to_delete(rows, _largest(connection, "dead_letters"))
        if to is None:
            return False
        with self._database.writing() as connection:
            began_s = time.monotonic()
            connection.execute("DELETE FROM dead_letters WHERE number <= ?", (to,))
        self._held(time.monotonic() - began_s)
        return len(rows) == PORTION and to == rows[-1][0]

    def _last_to_delete(self, rows: list[tuple[int, str]], largest: int) -> int | None:
        """The last number of a portion that isn't to be kept; None: all of it is.

        A time that is still to come was given by a wrong clock, and hides nothing behind it.
        """
        now = datetime.now(UTC)
        oldest = _text(now - timedelta(days=self._keep.days)) if self._keep.days is not None else ""
        up_to = largest - self._keep.events if self._keep.events is not None else 0
        found = None
        for number, received in rows:
            if number <= up_to or received < oldest:
                found = number
            elif received <= _text(now):
                break
        return found

    def _give_back(self) -> None:
        if not self._has_to_give_back():
            return
        if not self._database.gives_back:
            if time.monotonic() >= self._rewrite_at_s:
                self._rewrite_at_s = time.monotonic() + REWRITE_AGAIN_S
                log.warning("the database was made by an earlier version: it is written anew once, to become shorter")
                self._held(self._database.rewrite())
            return
        while self._has_to_give_back() and not self._stopping.wait(PAUSE_S):
            self._held(self._database.give_back(PAGES))

    def _has_to_give_back(self) -> bool:
        return self._database.free_bytes > max(SPARE_BYTES, SPARE_SHARE * self._database.size_bytes)

    def _held(self, seconds: float) -> None:
        self.counts.held_s = max(self.counts.held_s, seconds)


def _cursor(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_CURSOR,)).fetchone()
    return int(row[0]) if row else 0


def _largest(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0])  # noqa: S608 - ours


def _text(moment: datetime) -> str:
    """As `received` is written, so that texts are in the order of time."""
    return moment.isoformat(timespec="milliseconds")
