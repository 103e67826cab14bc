"""Limits of requests: their size, and how many there may be a second; and the headers that every answer has."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from warehouse.console.problems import problem

MAX_BODY_BYTES = 65_536
MAX_URL_BYTES = 4096
"""Path and query."""
KNOWN_CLIENTS = 10_000
"""So many are remembered; of more, those that asked longest ago are forgotten."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with `no-referrer` browsers send our own forms with `Origin: null`
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Of every answer; the page replaces the content policy by its own."""
TRANSPORT = "max-age=31536000"


class RateLimit:
    """So many requests a second for each client, and a few seconds' worth at once (a token bucket)."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`rate` requests a second, at most `burst` at once."""
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, client: str, cost: float = 1.0) -> float:
        """Take a request's cost; 0, or for how many seconds the client has to wait instead."""
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(client, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._rate)
            allowed = left >= cost
            self._left[client] = (left - cost if allowed else left, now)
            while len(self._left) > KNOWN_CLIENTS:
                self._left.popitem(last=False)
        return 0.0 if allowed else (cost - left) / self._rate


class RequestGuard:
    """Refuses what is too long before anything reads it, and adds the headers (ASGI middleware)."""

    def __init__(self, app: ASGIApp, *, encrypted: bool) -> None:
        """`encrypted`: clients reach the server by TLS alone."""
        self._app = app
        self._headers = {**HEADERS, "Strict-Transport-Security": TRANSPORT} if encrypted else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, if it keeps to the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        measured = _Measured(receive)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        url = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if url > MAX_URL_BYTES:
            refusal = problem(414, f"the address has {url} bytes: at most {MAX_URL_BYTES} are read")
        elif (length := _length(scope)) is not None and length > MAX_BODY_BYTES:
            refusal = problem(413, f"the body has {length} bytes: at most {MAX_BODY_BYTES} are read")
        else:
            await self._app(scope, measured, with_headers)
            return
        await refusal(scope, receive, with_headers)


_MAX_DIGITS = 18
"""Of a length; so many are too long whatever follows."""


class _Measured:
    """Counts a body's bytes as they come."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._bytes = receive, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body has more than {MAX_BODY_BYTES} bytes")  # FastAPI lets these through
        return message


def _length(scope: Scope) -> int | None:
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(given.lstrip(b"0")[:_MAX_DIGITS] or b"0") if given.isdigit() else None
