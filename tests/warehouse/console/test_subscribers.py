"""Whoever joins a list has what has passed by itself since his page was read; nobody gets twice what says the same."""

import asyncio
from collections.abc import Hashable

from sqlalchemy import Connection

from warehouse.console.audiences import WholeViewAudience
from warehouse.console.changes import StoredChange
from warehouse.console.streams import Stream
from warehouse.console.subscribers import Subscribers
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
