"""The streams of one audience, and when its whole view is to be shown again."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from warehouse.console.live.audiences import Audience, WholeViewAudience
from warehouse.console.live.changes import FeedPosition, StoredChange, newest
from warehouse.console.live.streams import Stream

OpenReading = Callable[[], AbstractContextManager[Connection]]
OLD_S = 60.0
"""A whole view is shown anew after so long whatever has changed: moments pass on it."""


class Subscribers:
    """All streams of one audience."""

    def __init__(self, audience: Audience) -> None:
        """Nobody is in it yet."""
        self.audience = audience
        self.streams: set[Stream] = set()
        self._joined = 0
        self.is_waiting = False
        """Whether something has changed that its whole view doesn't show yet."""
        self._shown_s = time.monotonic()
        self._lock = threading.Lock()
        self._made: tuple[FeedPosition, bytes, Hashable] | None = None
        self._sent: tuple[Hashable, int] | None = None
        """What the view said that was sent last, and how many had joined until then."""

    def add(self, stream: Stream) -> None:
        """One more. What has passed by itself between its page and now was sent to the others: it is sent again."""
        self.streams.add(stream)
        self._joined += 1

    @property
    def due_s(self) -> float:
        """When its whole view is to be shown next, by the monotonic clock; infinite: it has none."""
        if not isinstance(self.audience, WholeViewAudience):
            return float("inf")
        return self._shown_s + (self.audience.every_s if self.is_waiting else OLD_S)

    def note(self, changes: Sequence[StoredChange]) -> None:
        """Take note of changes that have come."""
        audience = self.audience
        is_concerned = isinstance(audience, WholeViewAudience) and any(map(audience.concerns, changes))
        self.is_waiting = self.is_waiting or is_concerned

    def shown_anew(self, reading: OpenReading) -> bytes:
        """The whole view, for all its streams; empty: it says what they have. In the feed's thread."""
        is_old, joined = not self.is_waiting, self._joined
        self._shown_s, self.is_waiting = time.monotonic(), False
        _, told, same = self._current(reading, anew=is_old)
        if (same, joined) == self._sent:
            return b""
        self._sent = same, joined
        return told

    def current(self, reading: OpenReading) -> bytes:
        """The whole view as it stands, for one stream; made once for all who ask at a time. Empty: it has none."""
        return self._current(reading, anew=False)[1] if isinstance(self.audience, WholeViewAudience) else b""

    def _current(self, reading: OpenReading, *, anew: bool) -> tuple[FeedPosition, bytes, Hashable]:
        assert isinstance(self.audience, WholeViewAudience)  # noqa: S101 - for mypy
        with self._lock:
            with reading() as connection:
                place = newest(connection)
                if not anew and self._made is not None and self._made[0] == place:
                    return self._made
                read = self.audience.read(connection)
            told, same = self.audience.show(read)
            self._made = place, f"id: {place}\n".encode() + told, same
            return self._made
