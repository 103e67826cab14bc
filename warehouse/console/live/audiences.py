"""Audiences of live changes: those who look at the same thing in the same way are one, and get the same bytes.

    Audience ── each change as it comes (a rack's tiles, the API's events)
    └── WholeViewAudience ── the whole of it anew where a change concerns it, but not too often (a list)

Equal audiences are one to the feed: what they are told is read and made once. They work in the feed's thread, and in
those that catch somebody up; none keeps anything of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from warehouse.console.live.changes import FeedPosition, StoredChange


class Audience(ABC):
    """Those who are shown each change. Audiences that compare equal share one rendering: each kind needs a hash."""

    @abstractmethod
    def render(self, changes: Sequence[StoredChange]) -> bytes:
        """Server-sent events of these changes; empty: none concerns it."""

    def poll(self, connection: Connection, now: datetime) -> bytes:  # noqa: ARG002 - for those who have something
        """What no change tells of, at a moment that is the same for all audiences of a site; empty: nothing."""
        return b""

    def since(self, mark: str) -> bytes:  # noqa: ARG002 - for those whose polls find something
        """What polls have found since a client was given this mark, which comes with it; empty: nothing."""
        return b""


class WholeViewAudience(Audience):
    """Those who are shown the whole anew."""

    every_s: float
    """No sooner than so long after the last time."""

    @abstractmethod
    def concerns(self, change: StoredChange) -> bool:
        """Whether it may look otherwise after this change."""

    @abstractmethod
    def read(self, connection: Connection) -> Any:
        """What is shown: read, and nothing more, since writers may wait for it."""

    @abstractmethod
    def show(self, read: Any) -> tuple[bytes, Hashable]:
        """The whole as a server-sent event without an id, and what stays the same where it says the same."""

    def render(self, changes: Sequence[StoredChange]) -> bytes:  # noqa: ARG002 - it is shown as a whole
        """Nothing: the feed shows it."""
        return b""


class ApiAudience(Audience):
    """Programs, at the API: they are told everything."""

    def render(self, changes: Sequence[StoredChange]) -> bytes:
        """Each change with its id."""
        return "".join(f"id: {one.place}\nevent: {one.kind}\ndata: {one.data}\n\n" for one in changes).encode()

    def __eq__(self, other: object) -> bool:
        """All programs are one audience."""
        return type(other) is ApiAudience

    def __hash__(self) -> int:
        """The same for all of them."""
        return hash(ApiAudience)


@dataclass(frozen=True)
class StreamChunk:
    """What all streams of one audience are given."""

    after: FeedPosition
    """What lies before this isn't in it."""
    place: FeedPosition
    content: bytes
    changes: Sequence[StoredChange] = ()
    """Those that it tells of; empty: it tells how things stand."""
