"""What has changed, in the order of storing, for everybody who follows: events, and what else is shown.

    store ── News ──> Feed (one thread reads once for all) ──> a queue for each stream ──> streaming.py

A place in it is two numbers: of the last event, and of the last other change. A stream that can't keep up is ended: its
client comes again and names the last place that it saw, and gets what it lacks from the store.
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic_core import to_json
from sqlalchemy import Connection, func, select

from kardus.support.worker import Worker
from warehouse.console.news import News, news_of
from warehouse.console.shown import EVENTS, event_item
from warehouse.store.database import LAST_NUMBER, Database, StoreError, read_meta
from warehouse.store.tables import changes, events

PORTION = 200
"""Events, and as many other changes, that are read at once."""
QUEUED = 500
"""Changes that wait for a client; one that has more waiting is ended."""
MAX_STREAMS = 500
_KINDS = {"status": "agent", "health": "camera"}
"""What changes are called; the others by the kind that the store has."""
log = logging.getLogger("kardus.console")


@dataclass(frozen=True, order=True)
class FeedPosition:
    """How far something was read."""

    event: int
    change: int

    def __str__(self) -> str:
        """As the stream's `id`."""
        return f"{self.event}.{self.change}"

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Read it; None: it is none."""
        event, _, change = text.partition(".")
        if not (event.isascii() and event.isdigit() and change.isascii() and change.isdigit()):
            return None
        found = cls(int(event), int(change))
        return found if max(found.event, found.change) < 2**63 else None


@dataclass(frozen=True)
class StoredChange:
    """One change."""

    place: FeedPosition
    kind: str
    """`event`, `agent`, `camera`, `coverage`, `state` (it was cleared), `comment`, `task`."""
    data: str
    """JSON in one line."""

    def as_bytes(self) -> bytes:
        """As server-sent events have it."""
        return f"id: {self.place}\nevent: {self.kind}\ndata: {self.data}\n\n".encode()


class ClientFeed:
    """The changes that wait for one client. Made, and read, in the event loop."""

    def __init__(self, feed: "Feed") -> None:
        """Begin to collect."""
        self._loop = asyncio.get_running_loop()
        self._feed = feed
        self._queue: asyncio.Queue[StoredChange | None] = asyncio.Queue(QUEUED + 1)
        self.is_over = False
        """Whether it was ended: the client was too slow, or the server stops."""

    def give(self, found: Sequence[StoredChange] | None) -> None:
        """From any thread; None ends it."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._take, found)

    async def next(self) -> StoredChange | None:
        """The next change; None: it is over."""
        return None if self.is_over else await self._queue.get()

    def close(self) -> None:
        """Nobody reads it any more."""
        self._feed.leave(self)

    def _take(self, found: Sequence[StoredChange] | None) -> None:
        if found is None or self._queue.qsize() + len(found) > QUEUED:
            self.is_over = True
            self._feed.leave(self)
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
        elif not self.is_over:
            for change in found:
                self._queue.put_nowait(change)


class Feed(Worker):
    """Reads what is new while somebody follows."""

    def __init__(self, database: Database) -> None:
        """Prepare; `start` begins."""
        super().__init__("feed")
        self._database = database
        self._news: News = news_of(database)
        self._streams: set[ClientFeed] = set()
        self._changed = threading.Condition()
        self._place: FeedPosition | None = None
        self.is_ended = False
        """Whether the server stops: no stream begins any more."""

    def join(self) -> ClientFeed | None:
        """A new stream, which collects from now on; None: there are too many, or the server stops."""
        with self._changed:
            if len(self._streams) >= MAX_STREAMS or self.is_ended:
                return None
            stream = ClientFeed(self)
            self._streams.add(stream)
            self._changed.notify_all()
        return stream

    def leave(self, stream: ClientFeed) -> None:
        """Give it nothing more."""
        with self._changed:
            self._streams.discard(stream)

    def end_streams(self) -> None:
        """Let every stream end: the server stops."""
        with self._changed:
            self.is_ended = True
            for stream in self._streams:
                stream.give(None)

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
                if not self._streams:
                    self._place = None  # who comes next begins in the store
                    self._changed.wait()
                    continue
            try:
                self._tell()
            except StoreError as error:
                log.warning("changes can't be read now: %s", error)
            self._news.wait(self._stopping)

    def _tell(self) -> None:
        with self._database.reading() as connection:
            if self._place is None:
                self._place = newest(connection)
                return
            found = read_changes(connection, self._place)
        if found:
            with self._changed:
                for stream in self._streams:
                    stream.give(found)
            self._place = found[-1].place


def newest(connection: Connection) -> FeedPosition:
    """The last place that there is."""
    last = connection.execute(select(func.coalesce(func.max(changes.c.number), 0))).scalar_one()
    return FeedPosition(int(read_meta(connection, LAST_NUMBER) or 0), int(last))


def oldest(connection: Connection) -> FeedPosition:
    """Behind this one nothing was deleted."""
    first = connection.execute(select(func.min(changes.c.number))).scalar()
    event = connection.execute(select(func.min(events.c.number)).where(events.c.alert.is_(None))).scalar()
    return FeedPosition((event or 1) - 1, (first or 1) - 1)


def read_changes(connection: Connection, after: FeedPosition) -> list[StoredChange]:
    """A portion of what comes after a place, events first."""
    found = []
    rows = connection.execute(EVENTS.where(events.c.number > after.event).order_by(events.c.number).limit(PORTION))
    for row in rows.all():
        after = FeedPosition(row.number, after.change)
        found.append(StoredChange(after, "event", to_json(event_item(row)).decode()))
    others = select(changes).where(changes.c.number > after.change).order_by(changes.c.number).limit(PORTION)
    for row in connection.execute(others).all():
        after = FeedPosition(after.event, row.number)
        data = json.dumps({"agent": row.agent, "subject": row.subject})
        found.append(StoredChange(after, _KINDS.get(row.kind, row.kind), data))
    return found
