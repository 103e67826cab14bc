"""One client's stream: what waits to be sent to it."""

import asyncio
from collections.abc import Callable

from warehouse.console.live.audiences import Audience, StreamChunk, WholeViewAudience

QUEUED = 500
"""Changes that wait for a client; one that has more waiting is ended."""


class Stream:
    """What waits for one client. Made, and read, in the event loop."""

    def __init__(self, audience: Audience, leave: Callable[["Stream"], None], owner: str) -> None:
        """Begin to collect, for this person or token; `leave` is told when it is over."""
        self.loop = asyncio.get_running_loop()
        self.audience = audience
        self.owner = owner
        self._leave = leave
        self._waiting: list[StreamChunk] = []
        self._is_something = asyncio.Event()
        self.is_over = False
        """Whether it was ended: the client went or was too slow, or the server stops."""

    async def next(self) -> list[StreamChunk]:
        """What has come; empty: it is over."""
        await self._is_something.wait()
        self._is_something.clear()
        found, self._waiting = self._waiting, []
        return [] if self.is_over else found

    def take(self, chunk: StreamChunk) -> None:
        """One more, in the event loop. Of an audience that is shown the whole view the last one counts."""
        if self.is_over:
            return
        if isinstance(self.audience, WholeViewAudience):
            self._waiting.clear()
        self._waiting.append(chunk)
        if sum(max(1, len(one.changes)) for one in self._waiting) > QUEUED:
            self.end()
        self._is_something.set()

    def end(self) -> None:
        """Nothing more comes. In the event loop."""
        self.is_over = True
        self._leave(self)
        self._is_something.set()
