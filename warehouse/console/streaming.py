"""`GET /api/v1/changes`: server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol

from anyio import to_thread
from fastapi import APIRouter, Header, Response
from starlette.types import Receive, Scope, Send

from warehouse.console.context import Console, Reader, Served
from warehouse.console.feed import MAX_STREAMS, ClientFeed, FeedPosition, StoredChange, newest, oldest, read_changes
from warehouse.console.problems import ProblemError
from warehouse.console.tokens import is_still_good
from warehouse.store.database import StoreError

router = APIRouter()
BEAT_S = 15.0
"""So often something is sent, and the token is looked at again."""
SEND_S = 10.0
"""A client that takes nothing for so long is dropped."""
MAX_BACKLOG = 10_000
"""Whoever missed more gets `reset`: to read everything anew costs both less."""
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Changes as they come"}
}


@router.get("/changes", response_class=Response, responses=_ANSWER, summary="Changes as they come")
async def follow_changes(
    console: Served,
    who: Reader,
    last_event_id: Annotated[str | None, Header(max_length=50, description="The last `id` that was seen.")] = None,
) -> Response:
    """Server-sent events.

    `ready` or `reset` first (read everything anew), then `event` with the event, `agent`, `camera`, `coverage`,
    `comment`, and `state` (it was cleared), with what they are of. With `Last-Event-ID` nothing that was missed is
    left out. The connection ends when the client is too slow, the token is revoked or the server stops.
    """
    seen = FeedPosition.of(last_event_id) if last_event_id else None
    if last_event_id and seen is None:
        raise ProblemError(400, "Last-Event-ID: not one that this stream gave: leave it out")
    stream = console.feed.join()
    if stream is None:
        raise ProblemError(503, f"{MAX_STREAMS} streams are open, or the server stops: try again", {"Retry-After": "5"})
    return Streamed(console, stream, seen, _Api(console, who.id))


class Teller(Protocol):
    """What one kind of client is told."""

    def change(self, change: StoredChange) -> bytes:
        """Of a change; empty: it doesn't concern this client. In the event loop: it mustn't take long."""

    def beat(self) -> bytes | None:
        """After a while without changes; None: the client is welcome no more. In a thread of its own."""


class _Api:
    """Programs are told everything."""

    def __init__(self, console: Console, token: str) -> None:
        self._console, self._token = console, token

    def change(self, change: StoredChange) -> bytes:
        return change.as_bytes()

    def beat(self) -> bytes | None:
        return b": beat\n\n" if is_still_good(self._console.database, self._token) else None


class Streamed(Response):
    """Sends until one side ends it. It closes the connection itself: a client that doesn't read is never waited for."""

    media_type = "text/event-stream"

    def __init__(self, console: Console, stream: ClientFeed, seen: FeedPosition | None, teller: Teller) -> None:
        """To a client who has `seen` everything up to a place."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._console, self._stream, self._seen, self._teller = console, stream, seen, teller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            with contextlib.suppress(TimeoutError):
                async for part in self._parts(gone):
                    await asyncio.wait_for(
                        send({"type": "http.response.body", "body": part, "more_body": True}), SEND_S
                    )
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), SEND_S)
        finally:
            gone.cancel()
            self._stream.close()

    async def _parts(self, gone: "asyncio.Future[None]") -> AsyncIterator[bytes]:
        try:
            place, is_whole = await to_thread.run_sync(self._begin)
        except StoreError:
            return  # the client comes again
        yield f"retry: 3000\nid: {place}\nevent: {'ready' if is_whole else 'reset'}\ndata: {{}}\n\n".encode()
        while not self._stream.is_over and not gone.done():
            missed = await to_thread.run_sync(self._read, place)
            for change in missed:
                if told := self._told(change):
                    yield told
                place = change.place
            if not missed:
                break
        async for part in self._live(place, gone):
            yield part

    async def _live(self, place: FeedPosition, gone: "asyncio.Future[None]") -> AsyncIterator[bytes]:
        """What the feed gives, without what was read from the store before."""
        coming, now_s = asyncio.ensure_future(self._stream.next()), asyncio.get_running_loop().time
        due_s = now_s() + BEAT_S
        try:
            while not gone.done():
                waiting: set[asyncio.Future[Any]] = {coming, gone}
                await asyncio.wait(waiting, timeout=max(0.0, due_s - now_s()), return_when=asyncio.FIRST_COMPLETED)
                if now_s() >= due_s:  # by the clock: where changes never pause, nobody would be looked at again
                    beat = await to_thread.run_sync(self._beat)
                    if beat is None:
                        return
                    yield beat
                    due_s = now_s() + BEAT_S
                if not coming.done():
                    continue
                change = coming.result()
                if change is None:
                    return
                coming = asyncio.ensure_future(self._stream.next())
                is_new = change.place.event > place.event or change.place.change > place.change
                if is_new and (told := self._told(change)):
                    yield told
        finally:
            coming.cancel()

    def _begin(self) -> tuple[FeedPosition, bool]:
        """Where to begin, and whether nothing is lacking there."""
        with self._console.reading() as connection:
            last = newest(connection)
            if self._seen is None:
                return last, True
            kept = oldest(connection)
        missed = (last.event - self._seen.event) + (last.change - self._seen.change)
        is_known = self._seen.event <= last.event and self._seen.change <= last.change
        is_kept = self._seen.event >= kept.event and self._seen.change >= kept.change
        return (self._seen, True) if is_known and is_kept and missed <= MAX_BACKLOG else (last, False)

    def _read(self, place: FeedPosition) -> list[StoredChange]:
        with self._console.reading() as connection:
            return read_changes(connection, place)

    def _told(self, change: StoredChange) -> bytes:
        try:
            return self._teller.change(change)
        except StoreError:
            return b""  # the database is away for a moment

    def _beat(self) -> bytes | None:
        try:
            return self._teller.beat()
        except StoreError:
            return b": beat\n\n"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
