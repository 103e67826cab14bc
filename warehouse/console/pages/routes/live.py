"""What browsers hear while a page is open: tiles as HTML that take their places, and lists as they are now.

Those who look at one rack, or at one list, in one language are one audience: see audiences.py. Whoever comes again
names the last place that he saw (`Last-Event-ID`), as at the API, and gets what he missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy import Connection

from warehouse.console.api.streaming import StreamResponse
from warehouse.console.context import Served
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import Visit, visit_of
from warehouse.console.live.audiences import Audience
from warehouse.console.live.changes import FeedPosition, StoredChange
from warehouse.console.pages.access import ViewerVisit, cookie_of
from warehouse.console.pages.content.places import place_of
from warehouse.console.pages.content.tiles import Tile, tile_of_event, tile_of_state
from warehouse.console.pages.list_parts import PartNumber
from warehouse.console.pages.live_lists import AskedList, ListAudience, ListRights
from warehouse.console.pages.rendering import reading_of
from warehouse.console.pages.routes import fleet, racks, work
from warehouse.console.pages.routes.racks import offline_html, tile_html
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.words.languages import N_, LocalFormat
from warehouse.console.problems import ProblemError

router = APIRouter()
LIST_KINDS = {"racks": racks.LIST_KIND, "work": work.LIST_KIND, "fleet": fleet.LIST_KIND}
View = Literal["rack", "location", "racks", "work", "fleet"]
Name = Annotated[str, Query(max_length=200)]
_ANEW = b"event: changed\ndata: 1\n\n"
"""What is shown is to be read anew; it has no place among the changes that are stored."""


@router.get("/live", response_class=Response)
async def follow(
    request: Request,
    console: Served,
    visit: ViewerVisit,
    view: View,
    of: Name = "",
    number: PartNumber = 1,
    after: Annotated[str, Query(max_length=50)] = "",
    mark: Annotated[str, Query(max_length=50)] = "",
    last_event_id: Annotated[str | None, Header(max_length=50)] = None,
) -> Response:
    """Server-sent events: `tile` and `part` with HTML, `changed` (read it anew), and the API's `ready` and `reset`."""
    audience = _audience(request, visit, view, of, number)
    stream = console.feed.join(audience, visit.person.id)
    if stream is None:
        raise ProblemError(503, N_("Too many pages are open: close one, or try again."), {"Retry-After": "5"})
    cookie, role = cookie_of(request), visit.person.role

    def is_welcome() -> bool:
        found = visit_of(console.database, cookie)
        return found is not None and found.person.role == role  # with another role he is shown something else

    seen = FeedPosition.of(last_event_id or after)
    return StreamResponse(console, stream, seen, is_welcome, lambda: audience.since(mark))


def _audience(request: Request, visit: Visit, view: View, of: str, number: int) -> Audience:
    settings: PageSettings = request.app.state.page
    local, role = reading_of(request).local, visit.person.role
    if view == "rack":
        return RackAudience(of, local, role >= Role.SUPERVISOR, settings)
    if view == "location":
        return LocationAudience(of, settings)
    asked = AskedList(visit.person.name if view == "work" and of else of, number)
    return ListAudience(LIST_KINDS[view], local, asked, ListRights.of(role), settings)


def _location_of(change: StoredChange) -> str:
    """Of an event or a state; empty: it is of something else."""
    if change.kind == "event":
        return str(change.item["event"]["location"])
    return change.item["subject"] if change.kind == "state" else ""


def _changed_tile(change: StoredChange) -> Tile | None:
    """What a location's change shows; None: nothing else than before, since the state was cleared or isn't the last."""
    agent, later = change.item["agent"], change.later
    if later is None:
        event = change.item.get("event")
        return tile_of_event(event, agent, change.item["id"], change.others) if event else None
    if change.kind == "state" and any(_seen(other) > _seen(later.state) for other in change.others):
        return None
    return tile_of_state(later.state, agent, datetime.now(UTC), (later.event, bool(later.event)), change.others)


def _anew(change: StoredChange) -> bytes:
    """What is shown is to be read anew."""
    return f"id: {change.place}\n".encode() + _ANEW


def _seen(state: dict[str, Any]) -> str:
    return str(state["last_verified"] or state["since"])


@dataclass(frozen=True)
class RackAudience(Audience):
    """Who looks at a rack in one language, and may do the same in it."""

    rack: str
    local: LocalFormat
    may_teach: bool
    settings: PageSettings = field(compare=False, repr=False)

    def render(self, changes: Sequence[StoredChange]) -> bytes:
        """Tiles of its events, of one that came late as its agent has said since; and of what was acknowledged.

        The rack is to be read anew where an agent has given a location up: its tile goes, or another agent's comes.
        """
        own = [change for change in changes if self._is_own(change)]
        told = b"".join(self._tile_event(change, tile) for change in own if (tile := _changed_tile(change)))
        cleared = [change for change in own if change.kind == "state" and change.later is None]
        return told + (_anew(cleared[-1]) if cleared else b"")

    def poll(self, connection: Connection, now: datetime) -> bytes:
        """Tiles whose agent has said nothing for too long, and those that can be seen again; which agents are away.

        The rack is to be read anew where it has others than before: in which of its parts they are isn't told.
        """
        changes = self.settings.unannounced.changed(connection, now, self.rack, self.settings.patterns)
        found = [self._html(tile) for tile in changes.tiles]
        if changes.offline is not None:
            found.append(offline_html(changes.offline, self.local, live=True))
        told = "".join(f"event: tile\ndata: {html}\n\n" for html in found)
        return told.encode() + (_ANEW if changes.has_others else b"")

    def since(self, mark: str) -> bytes:
        """That the rack is to be read anew, where a poll has found something since the page was read."""
        return _ANEW if self.settings.unannounced.has_changed(self.rack, mark) else b""

    def _is_own(self, change: StoredChange) -> bool:
        location = _location_of(change)
        return bool(location) and place_of(location, self.settings.patterns).rack == self.rack

    def _tile_event(self, change: StoredChange, tile: Tile) -> bytes:
        html = self._html(tile)
        return f"id: {change.place}\nevent: tile\ndata: {html}\n\n".encode()

    def _html(self, tile: Tile) -> str:
        return tile_html(tile, self.local, self.settings, may_teach=self.may_teach, live=True)


@dataclass(frozen=True)
class LocationAudience(Audience):
    """Those who look at one location."""

    location: str
    settings: PageSettings = field(compare=False, repr=False)

    def render(self, changes: Sequence[StoredChange]) -> bytes:
        """That it is to be read anew, where one of the changes is its own."""
        own = [one for one in changes if _location_of(one) == self.location]
        return _anew(own[-1]) if own else b""

    def poll(self, connection: Connection, now: datetime) -> bytes:
        """That its agent has said nothing for too long, is heard again, or that one of its rack went or came back."""
        rack = place_of(self.location, self.settings.patterns).rack
        changes = self.settings.unannounced.changed(connection, now, rack, self.settings.patterns)
        is_otherwise = changes.offline is not None or any(tile.location == self.location for tile in changes.tiles)
        return _ANEW if is_otherwise else b""

    def since(self, mark: str) -> bytes:
        """That it is to be read anew, where a poll has found something of its rack since the page was read."""
        rack = place_of(self.location, self.settings.patterns).rack
        return _ANEW if self.settings.unannounced.has_changed(rack, mark) else b""
