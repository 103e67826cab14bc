"""The queue of one target, in the database: how far it was told, and what waits; a restart goes on where a kill ended.

A target has a place (`done`) in the order of stored events. What it refused stands in `deliveries`, and behind it what
came later from the same location; so everything else goes on, and no location's order changes.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from kardus.support.backoff import backoff_s
from warehouse.connectors.deliver.holder import has_ended, own_holder
from warehouse.connectors.deliver.stored_events import UnreadableEvent, read_events, set_aside
from warehouse.connectors.deliver.target import Outgoing, Refusals
from warehouse.store.database import Database, StoreError
from warehouse.store.events import last_event_number
from warehouse.store.json_texts import without_nul_text
from warehouse.store.tables import deliveries, events, targets
from warehouse.store.waits import MAX_PAUSE_S, MAX_WAIT_S, is_over, waits

TARGET_LEASE_S = 180.0
"""A deliverer elsewhere that hasn't renewed for so long, by the clock of whoever waits for it, is taken over from."""
RENEW_S = 90.0
CLOCKS_APART_S = 86_400.0
"""Machines' clocks differ by less, even in the wrong time zone: a lease that ends further off counts as over."""
WAITS_FOR_EARLIER = "waits for an earlier event of its location"


@dataclass(frozen=True)
class EventSetAside:
    """An event that was refused for good, until somebody sends it again."""

    target: str
    number: int
    id: str
    location: str
    received: datetime
    tries: int
    reason: str


@dataclass(frozen=True)
class DeliveryBacklog:
    """How much of the stored events a target lacks."""

    done: int
    """The number up to which it was asked."""
    behind: int
    """Numbers of stored events after that."""
    waiting: int
    aside: int


class ForgottenError(StoreError):
    """The target was forgotten while it was delivered to."""

    def __init__(self) -> None:
        """One line, with what to do."""
        super().__init__(
            "it was forgotten by `deliver --forget`: take it out of the file, or begin it anew: "
            "start `kardus-wms deliver` again"
        )


class DeliveryQueue:
    """The events that one target is still to be told of."""

    def __init__(self, database: Database, target: str, *, refusals: int, from_beginning: bool) -> None:
        """Take note of the target; one that is new begins with the next event, or with the first.

        Raises:
            StoreError: the database can't be written.
        """
        self._database, self._target, self._refusals = database, target, refusals
        self._held_until_s = 0.0
        self._other: tuple[str, float] = ("", 0.0)
        """Who else holds it until when, as was read last ..."""
        self._other_since_s = 0.0
        """... and has since then, by the monotonic clock."""
        with database.writing() as connection:
            if connection.execute(select(targets.c.name).where(targets.c.name == target)).first() is None:
                last = 0 if from_beginning else last_event_number(connection)
                connection.execute(targets.insert().values(name=target, done=last, holder="", held_until=0.0))

    def hold(self) -> str:
        """Make sure that nobody else delivers to it; empty, or who does.

        Raises:
            ForgottenError: it is no more.
            StoreError: the database can't be used; or somebody else had it meanwhile: what was read before is void.
        """
        now = time.time()
        with self._database.reading() as connection:
            is_own = self._held(connection)[0] == own_holder()
        if self._held_until_s and not is_own:
            self._held_until_s = 0.0
            raise StoreError("another one has delivered to it meanwhile: it goes on from there")
        if is_own and self._lasts(now):
            return ""
        with self._database.writing() as connection:
            holder, until_unix_s = self._held(connection)
            if holder != own_holder() and self._is_held_by(holder, until_unix_s, now):
                return holder
            row = targets.c.name == self._target
            connection.execute(update(targets).where(row).values(holder=own_holder(), held_until=now + TARGET_LEASE_S))
        self._held_until_s = now + TARGET_LEASE_S
        return ""

    def renew(self) -> None:
        """Keep it, where it is held and not taken over: from any thread, while another one tells the target.

        Raises:
            StoreError: the database can't be written.
        """
        now = time.time()
        if not self._held_until_s or self._lasts(now):
            return
        own = and_(targets.c.name == self._target, targets.c.holder == own_holder(), targets.c.held_until > 0)
        with self._database.writing() as connection:
            renewed = connection.execute(update(targets).where(own).values(held_until=now + TARGET_LEASE_S)).rowcount
        if renewed:
            self._held_until_s = now + TARGET_LEASE_S

    def release(self) -> None:
        """Let another one deliver to it.

        Raises:
            StoreError: the database can't be written.
        """
        own = and_(targets.c.name == self._target, targets.c.holder == own_holder())
        with self._database.writing() as connection:
            connection.execute(update(targets).where(own).values(held_until=0.0))

    def fresh(self, limit: int) -> list[Outgoing]:
        """Events that the target wasn't asked about yet, in order, at most so many. What can't be read is set aside.

        Raises:
            StoreError: the database can't be read, or something can't be set aside.
        """
        e = events.c
        chosen = select(e.number, e.location, e.agent, e.received, e.payload).order_by(e.number).limit(limit)
        with self._database.reading() as connection:
            done = self._done(connection)
            rows = connection.execute(chosen.where(e.number > done)).all()
            found, unreadable = read_events(connection, self._target, done, rows)
        if unreadable:
            self._set_aside(unreadable, done=0 if found else unreadable[-1].number)
        return found

    def held_up(self) -> frozenset[str]:
        """Locations of which something waits already.

        Raises:
            StoreError: the database can't be read.
        """
        with self._database.reading() as connection:
            found = connection.execute(select(deliveries.c.location).where(*self._waiting()).distinct())
            return frozenset(found.scalars())

    def due(self, limit: int) -> tuple[Outgoing, ...]:
        """What is to be tried again: of each location the first that waits, where its time has come.

        Raises:
            StoreError: the database can't be read.
        """
        d = deliveries.c
        firsts = select(func.min(d.event)).where(*self._waiting()).group_by(d.location)
        columns = (d.event, d.location, d.agent, d.received, d.payload)
        chosen = select(*columns).where(*self._waiting(), d.event.in_(firsts))
        with self._database.reading() as connection:
            is_due = is_over(d.due, time.time(), MAX_WAIT_S)
            rows = connection.execute(chosen.where(is_due).order_by(d.event).limit(limit)).all()
            found, unreadable = read_events(connection, self._target, self._done(connection), rows)
        if unreadable:
            self._set_aside(unreadable)
        return tuple(found)

    def note(self, done: int, refused: Refusals, taken_up: Sequence[Outgoing], behind: Collection[int]) -> int:
        """Note what became of fresh events up to a number, in one transaction; how many were set aside.

        Args:
            done: the last number.
            refused: why some weren't taken.
            taken_up: the events themselves.
            behind: the numbers of those that wait behind another one.

        Raises:
            StoreError: the database can't be written, or somebody else delivers by now: they are sent again.
        """
        rows = [self._row(one, 1, refused[one.number]) for one in taken_up if one.number in refused]
        rows += [self._row(one, 0, WAITS_FOR_EARLIER) for one in taken_up if one.number in behind]
        with self._database.writing() as connection:
            self._require_own(connection)
            connection.execute(update(targets).where(targets.c.name == self._target).values(done=done))
            if rows:
                connection.execute(deliveries.insert(), rows)
        return sum(row["aside"] for row in rows)

    def note_again(self, tried: Sequence[Outgoing], refused: Refusals) -> int:
        """Note what became of events that waited; how many were set aside.

        Raises:
            StoreError: the database can't be written, or somebody else delivers by now: they are sent again.
        """
        aside, d = 0, deliveries.c
        with self._database.writing() as connection:
            self._require_own(connection)
            for one in tried:
                this = and_(d.target == self._target, d.event == one.number)
                if one.number not in refused:
                    connection.execute(delete(deliveries).where(this))
                    continue
                before = connection.execute(select(d.tries).where(this)).scalar()
                if before is None:
                    continue  # it was forgotten meanwhile, and begun anew
                new = self._row(one, 1 + int(before), refused[one.number])
                aside += new["aside"]
                connection.execute(update(deliveries).where(this).values(new))
        return aside

    def standing(self) -> DeliveryBacklog:
        """How much the target lacks.

        Raises:
            StoreError: the database can't be read.
        """
        d = deliveries.c
        with self._database.reading() as connection:
            done = self._done(connection)
            counted = select(d.aside, func.count()).where(d.target == self._target).group_by(d.aside)
            counts = {int(aside): int(number) for aside, number in connection.execute(counted)}
            return DeliveryBacklog(
                done, max(0, last_event_number(connection) - done), counts.get(0, 0), counts.get(1, 0)
            )

    def _set_aside(self, unreadable: Sequence[UnreadableEvent], done: int = 0) -> None:
        """Note them, and where nothing else was read, that they were looked at."""
        with self._database.writing() as connection:
            self._require_own(connection)
            set_aside(connection, self._target, unreadable)
            if done:
                connection.execute(update(targets).where(targets.c.name == self._target).values(done=done))

    def _row(self, one: Outgoing, tries: int, reason: str) -> dict[str, Any]:
        pause_s = backoff_s(tries, first_s=1, cap_s=MAX_PAUSE_S) if tries else 0.0
        return {
            "target": self._target,
            "event": one.number,
            "location": one.location,
            "tries": tries,
            "due": time.time() + pause_s,
            "aside": int(tries >= self._refusals),
            "reason": without_nul_text(reason),  # a server's own words
            "agent": one.agent,
            "received": one.received,
            "payload": one.payload,
        }

    def _lasts(self, now_unix_s: float) -> bool:
        """Whether it is too early to renew."""
        return RENEW_S < self._held_until_s - now_unix_s <= TARGET_LEASE_S

    def _done(self, connection: Connection) -> int:
        found = connection.execute(select(targets.c.done).where(targets.c.name == self._target)).scalar()
        if found is None:
            raise ForgottenError  # to begin with the first event would tell it everything
        return int(found)

    def _held(self, connection: Connection) -> tuple[str, float]:
        """Who holds it, and until when."""
        t = targets.c
        found = connection.execute(select(t.holder, t.held_until).where(t.name == self._target)).one_or_none()
        if found is None:
            raise ForgottenError
        return str(found.holder), float(found.held_until)

    def _require_own(self, connection: Connection) -> None:
        if self._held(connection)[0] != own_holder():
            raise StoreError("another one delivers to it by now")

    def _is_held_by(self, holder: str, until_unix_s: float, now_unix_s: float) -> bool:
        """Whether somebody else still holds it.

        His clock isn't ours, so that only a lease far from now says by itself that it is over. Any other is, when he
        hasn't renewed it for so long by our own clock.
        """
        longest_s = TARGET_LEASE_S + 2 * CLOCKS_APART_S
        if not waits(until_unix_s, now_unix_s - CLOCKS_APART_S, longest_s) or has_ended(holder):
            return False
        if self._other != (holder, until_unix_s):
            self._other, self._other_since_s = (holder, until_unix_s), time.monotonic()
        return time.monotonic() - self._other_since_s < TARGET_LEASE_S

    def _waiting(self) -> tuple[ColumnElement[bool], ...]:
        return (deliveries.c.target == self._target, deliveries.c.aside == 0)
