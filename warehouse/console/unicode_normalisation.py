"""Brings addresses into NFC: who asks for `Café` in NFD, as a Mac writes it, means the one that is stored in NFC."""

from urllib.parse import quote_plus, unquote_plus

from starlette.types import ASGIApp, Receive, Scope, Send

from kardus.support.spelling import composed


class UnicodeNormalisation:
    """Composes the path and the query of every request before anything reads them (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        """`app` takes the normalised requests."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Normalise one request, and pass it on."""
        if scope["type"] == "http":
            scope["path"] = composed(scope["path"])
            scope["query_string"] = composed_query(scope["query_string"])
        await self._app(scope, receive, send)


def composed_query(query: bytes) -> bytes:
    """A query whose values are in NFC; one that has nothing but ASCII, or isn't UTF-8, as it is."""
    if query.isascii() and b"%" not in query:
        return query
    try:
        parts = [[unquote_plus(part, errors="strict") for part in pair.split("=", 1)] for pair in _pairs(query)]
    except UnicodeDecodeError:
        return query
    return "&".join("=".join(quote_plus(composed(part)) for part in pair) for pair in parts).encode()


def _pairs(query: bytes) -> list[str]:
    return query.decode("utf-8").split("&")
