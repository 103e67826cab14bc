"""Deletes what is older, or more, than is to be kept: a portion at a time, so that storing goes on in between.

Events of an alert stay: they are its history. What is deleted stays covered: it is no gap, and it is known when it
comes again. From a file it goes event by event, and the file becomes shorter the same way, some pages at a time; on a
server it goes by the month, whose partition is dropped.
"""

import abc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select

from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.worker import Worker
from warehouse.store.aged_rows import AgedRows
from warehouse.store.database import Database, StoreError, read_meta, write_meta
from warehouse.store.labels import IS_LABELLED
from warehouse.store.pictures import PictureStore
from warehouse.store.plausible_time import PlausibleTime
from warehouse.store.sqlite import SqliteDatabase
from warehouse.store.tables import dead_letters, events, pictures, targets

INTERVAL_S = 60.0
"""Between two rounds."""
EVENTS_PER_TRANSACTION = 200
"""So many events are looked at, or deleted, in one transaction ..."""
FREE_PAGES_PER_VACUUM = 200
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
if TYPE_CHECKING:
    from warehouse.store.postgres import PostgresDatabase
log = logging.getLogger("kardus.retention")


@dataclass(frozen=True)
class RetentionLimits:
    """What is kept; an event goes when either limit says so."""

    days: float | None = None
    """Events and dead letters received within so many days."""
    events: int | None = None
    """The newest so many events, and as many dead letters."""
    picture_days: float | None = None
    """Pictures received within so many days, those of alerts too."""
    audit_days: float | None = None
    """What was noted in the audit log within so many days."""


KEEP_ALL = RetentionLimits()


@dataclass
class RetentionCounts:
    """What was deleted since the start."""

    deleted: int = 0
    """Events."""
    held_s: float = 0.0
    """The longest that the file was held for it, in seconds."""


class Retention(Worker):
    """Works in a thread of its own; what it has not done when it stops, it does after the next start."""

    def __init__(
        self, database: Database, keep: RetentionLimits, store: PictureStore, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Prepare; `start` begins.

        Raises:
            StoreError: the database can't be read.
        """
        super().__init__("retention")
        self._keep = keep
        self.counts = RetentionCounts()
        kind = FileRound if isinstance(database, SqliteDatabase) else MonthRound
        self._round = kind(database, keep, store, self.counts, self._stopping.wait)
        self._plausible_time = PlausibleTime(database, clock)
        self._by_age = AgedRows(database, store, keep.picture_days, keep.audit_days)
        self._database = database

    def round(self) -> None:
        """Delete what isn't to be kept, and give back the room. Without limits the time is noted, for later ones.

        Raises:
            StoreError: the disk doesn't take it; what was deleted before stays so.
        """
        now = self._plausible_time.now()
        if self._keep != KEEP_ALL:
            self._delete(now)
        self._plausible_time.note()

    def _delete(self, now: datetime) -> None:
        before_bytes, before = self._database.size_bytes, self.counts.deleted
        self._round.run(now)
        while self._by_age.delete_portion(now) and not self._stopping.wait(PAUSE_S):
            pass
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
            except StoreError as error:
                if not self._stopping.is_set():
                    log.warning("old events can't be deleted now: %s", error)
            self._stopping.wait(INTERVAL_S)


class DeletionRound(abc.ABC):
    """One way to delete what is too old or too much."""

    def __init__(
        self,
        database: Database,
        keep: RetentionLimits,
        store: PictureStore,
        counts: RetentionCounts,
        pause: Callable[[float], bool],
    ) -> None:
        """`pause` waits for so many seconds, and says whether it is time to end."""
        self._database = database
        self._keep = keep
        self._store = store
        self._counts = counts
        self._pause = pause

    @abc.abstractmethod
    def run(self, now: datetime) -> None:
        """Delete what isn't to be kept at that time."""

    def delete_dead_letters(self, now: datetime) -> bool:
        """Delete a portion; whether there may be more."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(dead_letters.c.number, dead_letters.c.received)
                .order_by(dead_letters.c.number)
                .limit(EVENTS_PER_TRANSACTION)
            ).fetchall()
            to = last_to_delete([(n, at) for n, at in rows], largest(connection, dead_letters), self._keep, now)
        if to is None:
            return False
        with self._database.writing() as connection:
            began_s = time.monotonic()
            connection.execute(delete(dead_letters).where(dead_letters.c.number <= to))
        self.held(time.monotonic() - began_s)
        return len(rows) == EVENTS_PER_TRANSACTION and to == rows[-1][0]

    def held(self, seconds: float) -> None:
        """Note how long others had to wait."""
        self._counts.held_s = max(self._counts.held_s, seconds)


class FileRound(DeletionRound):
    """Of a SQLite file, event by event."""

    def __init__(self, *words: Any) -> None:
        """Prepare, as every round."""
        super().__init__(*words)
        self.rewrite_at_s = 0.0
        """When the file is to be written anew, by the monotonic clock, should that be needed."""

    def run(self, now: datetime) -> None:
        """Delete events, dead letters and pages."""
        while self.delete_events(now) and not self._pause(PAUSE_S):
            pass
        while self.delete_dead_letters(now) and not self._pause(PAUSE_S):
            pass
        self._give_back()

    def delete_events(self, now: datetime) -> bool:
        """Delete a portion; whether there may be more."""
        with self._database.reading() as connection:
            after = int(read_meta(connection, _CURSOR) or 0)
            chosen = select(events.c.number, events.c.received).where(events.c.number > after)
            rows = connection.execute(chosen.order_by(events.c.number).limit(EVENTS_PER_TRANSACTION)).fetchall()
            to = last_to_delete([(n, at) for n, at in rows], largest(connection, events), self._keep, now)
            told = delivered_up_to(connection)
        if to is not None and told is not None:
            to = min(to, told)
        if to is None or to <= after:
            return False
        with self._database.writing() as connection:
            began_s = time.monotonic()
            gone = (events.c.number > after, events.c.number <= to, events.c.alert.is_(None))
            of_them = pictures.c.event.in_(select(events.c.id).where(*gone)) & ~IS_LABELLED
            files = [file for (file,) in connection.execute(delete(pictures).where(of_them).returning(pictures.c.file))]
            done = connection.execute(delete(events).where(*gone))
            write_meta(connection, _CURSOR, str(to))
        self.held(time.monotonic() - began_s)
        self._counts.deleted += done.rowcount
        self._store.delete(files)
        return len(rows) == EVENTS_PER_TRANSACTION and to == rows[-1][0]

    def _give_back(self) -> None:
        database = cast("SqliteDatabase", self._database)
        if not self._has_to_give_back():
            return
        if not database.gives_back:
            if time.monotonic() >= self.rewrite_at_s:
                self.rewrite_at_s = time.monotonic() + REWRITE_AGAIN_S
                log.warning("the database was made by an earlier version: it is written anew once, to become shorter")
                self.held(database.rewrite(lambda: self._pause(0)))
            return
        while self._has_to_give_back() and not self._pause(PAUSE_S):
            self.held(database.give_back(FREE_PAGES_PER_VACUUM))

    def _has_to_give_back(self) -> bool:
        database = cast("SqliteDatabase", self._database)
        return database.free_bytes > max(SPARE_BYTES, SPARE_SHARE * database.size_bytes)


class MonthRound(DeletionRound):
    """On a server, by the month: one goes when it is over and nothing in it is to be kept."""

    def run(self, now: datetime) -> None:
        """Drop months, and delete dead letters."""
        while self.drop_month(now) and not self._pause(PAUSE_S):
            pass
        while self.delete_dead_letters(now) and not self._pause(PAUSE_S):
            pass

    def drop_month(self, now: datetime) -> bool:
        """Drop one; whether there may be more."""
        database = cast("PostgresDatabase", self._database)
        with database.reading() as connection:
            database.lift_limits(connection)
            name = next((one for one in database.months(connection) if self._may_go(connection, one, now)), None)
        if name is None:
            return False
        while self._delete_pictures(name):
            if self._pause(PAUSE_S):
                return False
        with database.reading() as connection:  # nothing comes to a month that is over: nobody has to wait for this
            database.lift_limits(connection)
            counted = select(func.count()).select_from(events).where(*_in_month(name))
            count = int(connection.execute(counted).scalar_one())
        with database.writing() as connection:
            began_s = time.monotonic()
            if name not in database.months(connection):
                count = 0  # another receiver has dropped it
            database.drop_month(connection, name)
        self.held(time.monotonic() - began_s)
        self._counts.deleted += count
        return True

    def _may_go(self, connection: Connection, name: str, now: datetime) -> bool:
        end = _end_of(name)
        if end > now or not self._is_delivered(connection, name):
            return False
        if self._keep.days is not None and end <= now - timedelta(days=self._keep.days):
            return True
        if self._keep.events is None:
            return False
        last = connection.execute(select(func.max(events.c.number)).where(*_in_month(name))).scalar() or 0
        return int(last) <= largest(connection, events) - self._keep.events

    def _is_delivered(self, connection: Connection, name: str) -> bool:
        told = delivered_up_to(connection)
        if told is None:
            return True
        last = connection.execute(select(func.max(events.c.number)).where(*_in_month(name))).scalar() or 0
        return int(last) <= told

    def _delete_pictures(self, name: str) -> bool:
        """Delete a portion of a month's pictures; whether there may be more."""
        chosen = select(pictures.c.number).join(events, events.c.id == pictures.c.event)
        with self._database.reading() as connection:  # nobody waits while they are looked for
            self._database.lift_limits(connection)
            found = connection.execute(chosen.where(*_in_month(name), ~IS_LABELLED).limit(EVENTS_PER_TRANSACTION))
            numbers = list(found.scalars())
        if not numbers:
            return False
        with self._database.writing() as connection:
            those = pictures.c.number.in_(numbers) & ~IS_LABELLED
            files = [file for (file,) in connection.execute(delete(pictures).where(those).returning(pictures.c.file))]
        self._store.delete(files)
        return True


def last_to_delete(
    rows: Sequence[tuple[int, datetime]], newest: int, keep: RetentionLimits, now: datetime
) -> int | None:
    """The last number of a portion that isn't to be kept; None: all of it is.

    A time that is still to come was given by a wrong clock, and hides nothing behind it.
    """
    oldest = now - timedelta(days=keep.days) if keep.days is not None else None
    up_to = newest - keep.events if keep.events is not None else 0
    found = None
    for number, received in rows:
        if number <= up_to or (oldest is not None and received < oldest):
            found = number
        elif received <= now:
            break
    return found


def delivered_up_to(connection: Connection) -> int | None:
    """Up to which event every target of `kardus-wms deliver` was told; None: there is no target."""
    found = connection.execute(select(func.min(targets.c.done))).scalar()
    return None if found is None else int(found)


def largest(connection: Connection, of: Table) -> int:
    """The largest number in a table; 0: it is empty."""
    return int(connection.execute(select(func.coalesce(func.max(of.c.number), 0))).scalar_one())


def _in_month(name: str) -> tuple[ColumnElement[bool], ...]:
    """What tells a month's events without an alert: by their table, since a receiver's role may not read partitions."""
    end = _end_of(name)
    began = (end - timedelta(days=1)).replace(day=1)
    return events.c.alert.is_(None), events.c.received >= began, events.c.received < end


def _end_of(name: str) -> datetime:
    """When the month of `events_2026_03` was over."""
    year, month = (int(part) for part in name.removeprefix("events_").split("_"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
