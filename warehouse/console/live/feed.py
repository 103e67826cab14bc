"""Reads what has changed once for everybody who follows, and has each audience's words made once.

    store ── ChangeNotifier ──> Feed (one thread) ── Audience.render ──> the same bytes to every Stream ──> streaming.py

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
from warehouse.console.live.audiences import Audience, StreamChunk
from warehouse.console.live.change_notification import ChangeNotifier, change_notifier
from warehouse.console.live.changes import FeedPosition, StoredChange, newest, read_changes
from warehouse.console.live.streams import Stream
from warehouse.console.live.subscribers import OpenReading, Subscribers
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
AddressedChunk = tuple[Subscribers, StreamChunk]
log = logging.getLogger("kardus.console")


class Feed(Worker):
    """Reads what is new while somebody follows."""

    def __init__(self, database: Database) -> None:
        """Prepare; `start` begins."""
        super().__init__("feed")
        self._database = database
        self._notifier: ChangeNotifier = change_notifier(database)
        self._subscribers: dict[Audience, Subscribers] = {}
        self._changed = threading.Condition()
        self._place: FeedPosition | None = None
        self._next_poll_s = 0.0
        self.is_ended = False
        """Whether the server stops: no stream begins any more."""

    @property
    def number(self) -> int:
        """How many streams follow."""
        with self._changed:
            return sum(len(subscribers.streams) for subscribers in self._subscribers.values())

    def join(self, audience: Audience, owner: str) -> Stream | None:
        """A new stream of this person or token, which collects from now on.

        None: there are too many, or too many of this one, or the server stops.
        """
        with self._changed:
            owners = [stream.owner for subscribers in self._subscribers.values() for stream in subscribers.streams]
            if self.is_ended or len(owners) >= MAX_STREAMS or owners.count(owner) >= MAX_OWN:
                return None
            stream = Stream(audience, self.leave, owner)
            self._subscribers.setdefault(audience, Subscribers(audience)).add(stream)
            self._changed.notify_all()
        return stream

    def leave(self, stream: Stream) -> None:
        """Give it nothing more."""
        with self._changed:
            subscribers = self._subscribers.get(stream.audience)
            if subscribers is not None:
                subscribers.streams.discard(stream)
                if not subscribers.streams:
                    del self._subscribers[stream.audience]

    def await_following(self) -> None:
        """Wait until nothing that is stored from now on is left out. In a thread of its own.

        Raises:
            StoreError: the database is away.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._place is not None or self.is_ended, FOLLOWS_S):
                raise StoreError("the database can't be read: changes can't be followed")

    def whole_view(self, stream: Stream) -> bytes:
        """The stream's whole view as it stands; empty: its audience has none. In a thread of its own."""
        with self._changed:
            subscribers = self._subscribers.get(stream.audience) or Subscribers(stream.audience)
        return subscribers.current(self._database.reading)

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
        self._notifier.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                if not self._subscribers:
                    self._place = None  # who comes next begins in the store
                    self._changed.wait()
                    continue
                everybody = list(self._subscribers.values())
            began_s = time.monotonic()
            try:
                self._round()
            except StoreError as error:
                log.warning("changes can't be read now: %s", error)
            except Exception:
                log.exception("changes can't be told: those who follow begin anew")
                self._place = None
                self._end_all()
            soon = self._place is None or any(one.is_waiting for one in everybody)  # None: whoever comes waits for it
            self._notifier.wait(self._stopping, soon=soon)
            self._stopping.wait(max(0.0, began_s + ROUND_S - time.monotonic()))

    def _round(self) -> None:
        with self._database.reading() as connection:
            if self._place is None:
                self._begin(connection, self._everybody())
                return
            after, found = self._place, read_changes(connection, self._place)
        everybody = self._everybody()  # who comes from now on reads these changes for himself
        place = found[-1].place if found else after
        for subscribers, chunk in _changes_for(everybody, after, found) if found else ():
            self._hand_out(subscribers, chunk)
        if time.monotonic() >= self._next_poll_s:
            with self._database.reading() as connection:
                polled = self._polled(everybody, connection, place)
            for subscribers, chunk in polled:
                self._hand_out(subscribers, chunk)
        self._place = place
        for subscribers, chunk in _shown(everybody, self._database.reading, place):
            self._hand_out(subscribers, chunk)

    def _everybody(self) -> list[Subscribers]:
        with self._changed:
            return list(self._subscribers.values())

    def _begin(self, connection: Connection, everybody: list[Subscribers]) -> None:
        place = newest(connection)
        self._polled(everybody, connection, place)  # from here on it is known what is otherwise later
        with self._changed:
            self._place = place
            self._changed.notify_all()

    def _polled(
        self, everybody: list[Subscribers], connection: Connection, place: FeedPosition
    ) -> list[AddressedChunk]:
        """What no change tells of."""
        self._next_poll_s, now = time.monotonic() + POLL_S, datetime.now(UTC)
        told = [(subscribers, subscribers.audience.poll(connection, now)) for subscribers in everybody]
        # Who has come since `everybody` was listed asked before this poll what polls had found.
        late = [one for one in self._everybody() if one not in everybody]
        told += [(subscribers, subscribers.audience.poll(connection, now)) for subscribers in late]
        return [(subscribers, StreamChunk(place, place, words)) for subscribers, words in told if words]

    def _hand_out(self, subscribers: Subscribers, chunk: StreamChunk) -> None:
        """To every stream, with one call for all of them."""
        with self._changed:
            streams = list(subscribers.streams)
        for loop in {stream.loop for stream in streams}:
            _give(loop, [stream for stream in streams if stream.loop is loop], chunk)

    def _end_all(self) -> None:
        with self._changed:
            streams = [stream for subscribers in self._subscribers.values() for stream in subscribers.streams]
        for stream in streams:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                stream.loop.call_soon_threadsafe(stream.end)


def _give(loop: asyncio.AbstractEventLoop, streams: list[Stream], chunk: StreamChunk) -> None:
    def take() -> None:
        for stream in streams:
            stream.take(chunk)

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(take)


def _changes_for(
    everybody: list[Subscribers], after: FeedPosition, changes: list[StoredChange]
) -> Iterator[AddressedChunk]:
    """What each audience is told of these changes."""
    for subscribers in everybody:
        subscribers.note(changes)
        if told := subscribers.audience.render(changes):
            yield subscribers, StreamChunk(after, changes[-1].place, told, changes)


def _shown(everybody: list[Subscribers], reading: OpenReading, place: FeedPosition) -> Iterator[AddressedChunk]:
    """The one whole view that has waited longest: tiles don't wait until all of them are made."""
    due = [subscribers for subscribers in everybody if subscribers.due_s <= time.monotonic()]
    if due:
        subscribers = min(due, key=lambda one: one.due_s)
        if told := subscribers.shown_anew(reading):
            yield subscribers, StreamChunk(place, place, told)
