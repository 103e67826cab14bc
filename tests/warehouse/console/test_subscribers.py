"""Whoever joins a list has what has passed by itself since his page was read; nobody gets twice what says the same."""

import asyncio
from collections.abc import Hashable
from datetime import datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection

from warehouse.console.live.audiences import WholeViewAudience
from warehouse.console.live.changes import FeedPosition, StoredChange
from warehouse.console.live.feed import Feed
from warehouse.console.live.streams import Stream
from warehouse.console.live.subscribers import Subscribers
from warehouse.store.database import Database


class Clocked(WholeViewAudience):
    """A list that says something else as time passes, without a change."""

    every_s = 1.0

    def __init__(self) -> None:
        self.words = "fresh"

    def concerns(self, change: StoredChange) -> bool:
        """Nothing does."""
        return change is None

    def read(self, connection: Connection) -> str:  # noqa: ARG002 - nothing is stored
        """What it says by now."""
        return self.words

    def show(self, read: object) -> tuple[bytes, Hashable]:
        """As it is."""
        return str(read).encode(), read


def test_who_joins_after_the_others_were_shown_something_is_shown_it_too(database: Database) -> None:
    audience = Clocked()
    subscribers = Subscribers(audience)

    async def joins() -> None:
        subscribers.add(Stream(audience, subscribers.streams.discard, "somebody"))

    def shown() -> str:
        return subscribers.shown_anew(database.reading).decode().rpartition("\n")[2]

    asyncio.run(joins())
    assert [shown(), shown()] == ["fresh", ""]
    audience.words = "stale"
    assert [shown(), shown()] == ["stale", ""]
    asyncio.run(joins())  # his page was read while it was fresh
    assert [shown(), shown()] == ["stale", ""]


def test_who_has_come_while_a_poll_began_is_told_what_it_has_found(database: Database) -> None:
    """He asked before it what polls had found until then, and wasn't listed as it began."""

    class Polled(Clocked):
        def poll(self, connection: Connection, now: datetime) -> bytes:  # noqa: ARG002 - it is always found
            """Something new."""
            return b"found"

    feed = Feed(database)
    place = FeedPosition(0, 0)

    async def both() -> list[str]:
        for _ in range(2):
            assert feed.join(Polled(), "somebody")
        everybody = list(feed._subscribers.values())
        with database.reading() as connection:
            told = feed._polled(everybody[:1], connection, place)
        return [chunk.content.decode() for _, chunk in told]

    assert asyncio.run(both()) == ["found", "found"]


def test_who_comes_before_a_change_is_read_is_told_of_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """He has read the store before it was there, and wasn't there as the round began."""
    feed, shown = Feed(database), Clocked()
    noted: list[Subscribers] = []

    def note(everybody: list[Subscribers], *_: object) -> list[object]:
        noted.extend(everybody)
        return []

    monkeypatch.setattr("warehouse.console.live.feed._changes_for", note)
    change = SimpleNamespace(place=FeedPosition(1, 0))
    feed._place, feed._next_poll_s = FeedPosition(0, 0), float("inf")

    async def one_comes_meanwhile() -> None:
        def read(*_: object) -> list[object]:
            assert feed.join(shown, "somebody")
            return [change]

        monkeypatch.setattr("warehouse.console.live.feed.read_changes", read)
        feed._round()

    asyncio.run(one_comes_meanwhile())
    assert [one.audience for one in noted] == [shown]
