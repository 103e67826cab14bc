"""Connections of clients: one over which no whole request comes is ended, so that nobody keeps others out by waiting.

The server itself ends what is idle after an answer; not what has never asked anything, nor what sends its request a
byte at a time (slowloris). An answer is over for the server when it has handed it on: over a slow link most of it is
still to be sent by then, and isn't thrown away.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 15.0
"""A request comes as a whole within so long, or twice as long at most: its body has 64 KB at most."""
UNREAD_S = 600.0
"""So long a client may leave part of what it is sent unread, without a moment when it has everything."""


class TimedConnection(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it."""

    _timer: asyncio.TimerHandle | None = None
    _awaited: object = None
    _unread_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the timer."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(REQUEST_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        is_unread = self._is_unread()
        self._unread_s = self._unread_s + REQUEST_S if is_unread else 0.0
        awaited = None if is_unread or self.transport.is_closing() else self._unfinished()
        if self._unread_s > UNREAD_S or (awaited is not None and awaited is self._awaited):
            self.transport.abort()
            return
        self._awaited = awaited
        self._timer = self.loop.call_later(REQUEST_S, self._check)

    def timeout_keep_alive_handler(self) -> None:
        """End what is idle after an answer: not before the client has it, since TLS has 30 s at most to end."""
        if self._is_unread():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def _is_unread(self) -> bool:
        """Whether the system hasn't taken everything yet; with TLS, the transport under it holds what is encrypted."""
        under: Any = getattr(getattr(self.transport, "_ssl_protocol", None), "_transport", None)
        return any(one.get_write_buffer_size() for one in (self.transport, under) if one is not None)

    def _unfinished(self) -> object | None:
        """What stands for the request that isn't here as a whole; None: one is being answered."""
        cycle: Any = self.cycle
        if cycle is None:
            return self
        return cycle if cycle.response_complete or cycle.more_body else None
