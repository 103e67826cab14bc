"""Reads what has changed once for everybody who follows, and has each audience's words made once.

    store ── News ──> Feed (one thread) ── Audience.tell ──> the same bytes to every Stream ──> streaming.py

A stream that can't keep up is ended: its client comes again and names the last place that it saw, and gets what it
lacks from the store.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from kardus.support.worker import Worker
from warehouse.console.audiences import Audience, Portion
from warehouse.console.changes import FeedPosition, StoredChange, newest, read_changes
from warehouse.console.groups import Group, OpenReading
from warehouse.console.news import News, news_of
from warehouse.console.streams import Stream
from warehouse.store.database import Database, StoreError

MAX_STREAMS = 500
MAX_OWN = MAX_STREAMS // 2
"""So many of one person, or of one token: nobody alone keeps all others out."""
ROUND_S = 0.25
"""Changes that come closer together are told together."""
POLL_S = 15.0
"""So often it is polled for what no change tells of."""
FOLLOWS_S = 5.0
"""So long it may take until the feed follows; then the database is away."""
GroupPortion = tuple[Group, Portion]
log = logging.getLogger("kardus.console")


class Feed(Worker):
    """Reads what is new while somebody follows."""

    def __init__(self, database: Database) -> None:
        """Prepare; `start` begins."""
        super().__init__("feed")
        self._database = database
        self._news: News = news_of(database)
        self._groups: dict[Audience, Group] = {}
        self._changed = threading.Condition()
        self._place: FeedPosition | None = None
        self._next_poll_s = 0.0
        self.is_ended = False
        """Whether the server stops: no stream begins any more."""

    @property
    def number(self) -> int:
        """How many follow."""
        with self._changed:
            return sum(len(group.streams) for group in self._groups.values())

    def join(self, audience: Audience, owner: str) -> Stream | None:
        """A new stream of this person or token, which collects from now on.

        None: there are too many, or too many of this one, or the server stops.
        """
        with self._changed:
            owners = [stream.owner for group in self._groups.values() for stream in group.streams]
            if self.is_ended or len(owners) >= MAX_STREAMS or owners.count(owner) >= MAX_OWN:
                return None
            stream = Stream(audience, self.leave, owner)
            self._groups.setdefault(audience, Group(audience)).streams.add(stream)
            self._changed.notify_all()
        return stream

    def leave(self, stream: Stream) -> None:
        """Give it nothing more."""
        with self._changed:
            group = self._groups.get(stream.audience)
            if group is not None:
                group.streams.discard(stream)
                if not group.streams:
                    del self._groups[stream.audience]

    def await_following(self) -> None:
        """Wait until nothing that is stored from now on is left out. In a thread of its own.

        Raises:
            StoreError: the database is away.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._place is not None or self.is_ended, FOLLOWS_S):
                raise StoreError("the database can't be read: changes can't be followed")

    def board(self, stream: Stream) -> bytes:
        """How the stream's board stands; empty: its audience has none. In a thread of its own."""
        with self._changed:
            group = self._groups.get(stream.audience) or Group(stream.audience)
        return group.current(self._database.reading)

    def end_streams(self) -> None:
        """Let every stream end: the server stops."""
        with self._changed:
            self.is_ended = True
            self._changed.notify_all()
        self._end_all()

    def stop(self, timeout_s: float | None = None) -> None:
        """End, and close what is open."""
        self.end_streams()
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        super().stop(timeout_s)
        self._news.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                if not self._groups:
                    self._place = None  # who comes next begins in the store
                    self._changed.wait()
                    continue
                groups = list(self._groups.values())
            began_s = time.monotonic()
            try:
                self._round(groups)
            except StoreError as error:
                log.warning("changes can't be read now: %s", error)
            except Exception:
                log.exception("changes can't be told: those who follow begin anew")
                self._place = None
                self._end_all()
            soon = self._place is None or any(group.is_waiting for group in groups)  # None: whoever comes waits for it
            self._news.wait(self._stopping, soon=soon)
            self._stopping.wait(max(0.0, began_s + ROUND_S - time.monotonic()))

    def _round(self, groups: list[Group]) -> None:
        with self._database.reading() as connection:
            if self._place is None:
                self._begin(connection, groups)
                return
            after, found = self._place, read_changes(connection, self._place)
        place = found[-1].place if found else after
        for group, portion in _told(groups, after, found) if found else ():
            self._hand_out(group, portion)
        if time.monotonic() >= self._next_poll_s:
            with self._database.reading() as connection:
                polled = self._polled(groups, connection, place)
            for group, portion in polled:
                self._hand_out(group, portion)
        self._place = place
        for group, portion in _shown(groups, self._database.reading, place):
            self._hand_out(group, portion)

    def _begin(self, connection: Connection, groups: list[Group]) -> None:
        place = newest(connection)
        self._polled(groups, connection, place)  # from here on it is known what is otherwise later
        with self._changed:
            self._place = place
            self._changed.notify_all()

    def _polled(self, groups: list[Group], connection: Connection, place: FeedPosition) -> list[GroupPortion]:
        """What no change tells of."""
        self._next_poll_s, now = time.monotonic() + POLL_S, datetime.now(UTC)
        told = [(group, group.audience.poll(connection, now)) for group in groups]
        return [(group, Portion(place, place, words)) for group, words in told if words]

    def _hand_out(self, group: Group, portion: Portion) -> None:
        """To every stream, with one call for all of them."""
        with self._changed:
            streams = list(group.streams)
        for loop in {stream.loop for stream in streams}:
            _give(loop, [stream for stream in streams if stream.loop is loop], portion)

    def _end_all(self) -> None:
        with self._changed:
            streams = [stream for group in self._groups.values() for stream in group.streams]
        for stream in streams:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                stream.loop.call_soon_threadsafe(stream.end)


def _give(loop: asyncio.AbstractEventLoop, streams: list[Stream], portion: Portion) -> None:
    def take() -> None:
        for stream in streams:
            stream.take(portion)

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(take)


def _told(groups: list[Group], after: FeedPosition, changes: list[StoredChange]) -> Iterator[GroupPortion]:
    """What each audience is told of these changes."""
    for group in groups:
        group.note(changes)
        if told := group.audience.tell(changes):
            yield group, Portion(after, changes[-1].place, told, changes)


def _shown(groups: list[Group], reading: OpenReading, place: FeedPosition) -> Iterator[GroupPortion]:
    """The one board that has waited longest: tiles don't wait until all of them are made."""
    due = [group for group in groups if group.due_s <= time.monotonic()]
    if due:
        group = min(due, key=lambda one: one.due_s)
        if told := group.shown_anew(reading):
            yield group, Portion(place, place, told)
