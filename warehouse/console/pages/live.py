"""What browsers hear while a page is open: tiles as HTML that take their places, and that a list has changed.

A tile is made once for all who look at its rack in one language. Whoever comes again names the last place that he saw
(`Last-Event-ID`), as at the API, and gets what he missed.
"""

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic_core import from_json

from warehouse.console.context import Console, Served
from warehouse.console.feed import FeedPosition, StoredChange
from warehouse.console.pages.access import ViewerVisit, cookie_of
from warehouse.console.pages.languages import N_, Local
from warehouse.console.pages.places import place_of
from warehouse.console.pages.racks import tile_html
from warehouse.console.pages.rendering import reading_of
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.tiles import tile_of_event, tiles_of
from warehouse.console.problems import ProblemError
from warehouse.console.sessions import visit_of
from warehouse.console.streaming import Streamed

router = APIRouter()
CHANGED = b"event: changed\ndata: 1\n\n"
LISTS = ("event", "comment", "task", "state", "agent")
"""Changes that a list may have to be read anew for."""
MAX_MADE = 2000
View = Literal["rack", "list"]


@router.get("/live", response_class=Response)
async def follow(
    request: Request,
    console: Served,
    _: ViewerVisit,
    view: View = "list",
    rack: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str, Query(max_length=50)] = "",
    last_event_id: Annotated[str | None, Header(max_length=50)] = None,
) -> Response:
    """Server-sent events: `tile` with HTML, `changed`, and the API's `ready` and `reset`."""
    stream = console.feed.join()
    if stream is None:
        raise ProblemError(503, N_("Too many pages are open: close one, or try again."), {"Retry-After": "5"})
    settings: PageSettings = request.app.state.page
    local = reading_of(request).local
    if view == "rack":
        teller: _List | _Rack = _Rack(console, settings, cookie_of(request), local, rack)
    else:
        teller = _List(console, cookie_of(request))
    return Streamed(console, stream, FeedPosition.of(last_event_id or after), teller)


class _List:
    """Hears that something has changed."""

    def __init__(self, console: Console, cookie: str) -> None:
        self._console, self._cookie = console, cookie

    def change(self, change: StoredChange) -> bytes:
        return f"id: {change.place}\n".encode() + CHANGED if change.kind in LISTS else b""

    def beat(self) -> bytes | None:
        return None if visit_of(self._console.database, self._cookie) is None else b": beat\n\n"


class _Rack(_List):
    """Hears of the tiles of a rack."""

    def __init__(self, console: Console, settings: PageSettings, cookie: str, local: Local, rack: str) -> None:
        super().__init__(console, cookie)
        self._settings, self._local, self._rack = settings, local, rack
        self._stale: frozenset[str] | None = None

    def change(self, change: StoredChange) -> bytes:
        if change.kind != "event":
            return b""
        item = self._parsed(change)
        if place_of(item["event"]["location"], self._settings.rack).rack != self._rack:
            return b""
        made, key = self._settings.made, (change.place.event, self._local.language)
        if key not in made:
            tile = tile_of_event(item["event"], item["agent"], item["id"])
            _remember(made, key, tile_html(tile, self._local, self._settings, live=True))
        html = made[key]
        return f"id: {change.place}\nevent: tile\ndata: {html}\n\n".encode()

    def beat(self) -> bytes | None:
        """Tiles whose agent has said nothing for too long, and those that can be seen again: no event tells of them."""
        if visit_of(self._console.database, self._cookie) is None:
            return None
        with self._console.reading() as connection:
            codes = self._settings.codes.of_rack(connection, self._rack, self._settings.rack)
            found = tiles_of(connection, codes, datetime.now(UTC))
        stale = frozenset(location for location, tile in found.items() if tile.verdict == "stale")
        changed = stale ^ (self._stale if self._stale is not None else stale)
        self._stale = stale
        tiles = [tile_html(found[one], self._local, self._settings, live=True) for one in changed if one in found]
        return "".join(f"event: tile\ndata: {html}\n\n" for html in tiles).encode() or b": beat\n\n"

    def _parsed(self, change: StoredChange) -> dict[str, Any]:
        """What an event says, read once for all who follow. In the event loop alone."""
        parsed = self._settings.parsed
        if change.place.event not in parsed:
            _remember(parsed, change.place.event, from_json(change.data, cache_strings="keys"))
        return parsed[change.place.event]


def _remember(made: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    made[key] = value
    while len(made) > MAX_MADE:
        made.popitem(last=False)
