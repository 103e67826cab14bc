"""`GET /api/v1/changes`: server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Response
from starlette.types import Receive, Scope, Send

from warehouse.console.context import Console, Reader, Served
from warehouse.console.identity.tokens import is_still_good
from warehouse.console.live.audiences import ApiAudience, StreamChunk, WholeViewAudience
from warehouse.console.live.changes import FeedPosition, StoredChange, newest, oldest, read_changes
from warehouse.console.live.feed import MAX_OWN, MAX_STREAMS
from warehouse.console.live.streams import Stream
from warehouse.console.problems import ProblemError
from warehouse.store.database import StoreError

router = APIRouter()
BEAT_S = 15.0
"""So often something is sent, and it is looked whether who reads may still do so."""
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
    `comment`, and `state` (it was cleared, or its alert acknowledged), with what they are of. With `Last-Event-ID`
    nothing that was missed is left out. The connection ends when the client is too slow, the token is revoked or the
    server stops.
    """
    seen = FeedPosition.of(last_event_id) if last_event_id else None
    if last_event_id and seen is None:
        raise ProblemError(400, "Last-Event-ID: not one that this stream gave: leave it out")
    stream = console.feed.join(ApiAudience(), who.id)
    if stream is None:
        said = f"{MAX_STREAMS} streams are open, or {MAX_OWN} of this token, or the server stops: try again"
        raise ProblemError(503, said, {"Retry-After": "5"})
    return StreamResponse(console, stream, seen, lambda: is_still_good(console.database, who.id))


class StreamResponse(Response):
    """Sends until one side ends it. It closes the connection itself: a client that doesn't read is never waited for."""

    media_type = "text/event-stream"

    def __init__(
        self,
        console: Console,
        stream: Stream,
        seen: FeedPosition | None,
        is_welcome: Callable[[], bool],
        polled: Callable[[], bytes] = bytes,
    ) -> None:
        """To a client who has `seen` everything up to a place.

        `is_welcome` is asked again and again, in a thread. `polled`: what was told to others of no change, since the
        client read what it shows; it is asked once, in a thread, when
        nothing is left out any more.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._console, self._stream, self._seen, self._is_welcome = console, stream, seen, is_welcome
        self._polled = polled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's
        gone = asyncio.ensure_future(self._until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            with contextlib.suppress(TimeoutError):
                async for part in self._parts():
                    async with asyncio.timeout(SEND_S):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self._stream.end()

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._stream.end()

    async def _parts(self) -> AsyncIterator[bytes]:
        try:
            place, is_whole = await to_thread.run_sync(self._begin)
            yield f"retry: 3000\nid: {place}\nevent: {'ready' if is_whole else 'reset'}\ndata: {{}}\n\n".encode()
            is_stale = not is_whole
            while not self._stream.is_over:
                place, is_more, told, is_touched = await to_thread.run_sync(self._missed, place)
                is_stale = is_stale or is_touched
                if told:
                    yield told
                if not is_more:
                    break
            if polled := await to_thread.run_sync(self._polled):
                yield polled
            if is_stale and (whole_view := await to_thread.run_sync(self._whole_view)):
                yield whole_view
        except StoreError:
            return  # the client comes again
        async for part in self._live(place):
            yield part

    async def _live(self, place: FeedPosition) -> AsyncIterator[bytes]:
        """What the feed gives, without what was read from the store before."""
        due_s = self._stream.loop.time() + BEAT_S
        while True:
            found = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    found = await self._stream.next()
            if found is not None and not found:
                return
            if self._stream.loop.time() >= due_s:  # by the clock: where changes never pause, nobody would be looked at
                if not await to_thread.run_sync(self._may_go_on):
                    return
                yield b": beat\n\n"
                due_s = self._stream.loop.time() + BEAT_S
            if told := b"".join(self._new(chunk, place) for chunk in found or ()):
                yield told

    def _begin(self) -> tuple[FeedPosition, bool]:
        """Where to begin, and whether nothing is lacking there."""
        self._console.feed.await_following()
        with self._console.reading() as connection:
            last = newest(connection)
            if self._seen is None:
                return last, True
            kept = oldest(connection)
        missed = (last.event - self._seen.event) + (last.change - self._seen.change)
        is_known, is_kept = last.has(self._seen), self._seen.has(kept)
        return (self._seen, True) if is_known and is_kept and missed <= MAX_BACKLOG else (last, False)

    def _missed(self, place: FeedPosition) -> tuple[FeedPosition, bool, bytes, bool]:
        """Some of what is stored: up to where, whether there may be more, its words, whether the whole view changes."""
        audience = self._stream.audience
        with self._console.reading() as connection:
            found = read_changes(connection, place)
        is_touched = isinstance(audience, WholeViewAudience) and any(map(audience.concerns, found))
        return (found[-1].place if found else place), bool(found), audience.render(found) if found else b"", is_touched

    def _whole_view(self) -> bytes:
        return self._console.feed.whole_view(self._stream)

    def _new(self, chunk: StreamChunk, place: FeedPosition) -> bytes:
        """What of a chunk was not read from the store before."""
        if not chunk.changes or chunk.after.has(place):
            return chunk.content
        lacking: list[StoredChange] = [one for one in chunk.changes if not place.has(one.place)]
        return self._stream.audience.render(lacking) if lacking else b""

    def _may_go_on(self) -> bool:
        try:
            return self._is_welcome()
        except StoreError:
            return True  # the database is away for a moment
