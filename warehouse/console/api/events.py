"""The API's routes that list stored events."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import ColumnElement, Connection, select

from kardus.contract.verdicts import Verdict
from warehouse.console.api.locations import AgentFilter, LocationFilter
from warehouse.console.api.records import EventItem, EventPage
from warehouse.console.context import Cursor, Limit, Moment, Reader, Served, json_answer
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.live.changes import newest
from warehouse.console.problems import ProblemError
from warehouse.console.shown import EVENTS, event_item
from warehouse.store.tables import agent_beside, events

router = APIRouter()
EventId = Annotated[str, Path(max_length=200, description="The event's id.")]
MAX_NUMBER = 2**63 - 1


@router.get("/events", response_model=EventPage, summary="Events")
def list_events(
    request: Request,
    console: Served,
    _: Reader,
    location: LocationFilter = None,
    agent: AgentFilter = None,
    verdict: Annotated[Verdict | None, Query(description="Only changes to this verdict.")] = None,
    alert: Annotated[str | None, Query(max_length=200, description="Only those of this alert.")] = None,
    since: Annotated[Moment | None, Query(description="From the first that was stored then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Up to before the first that was stored then or later.")] = None,
    after: Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="Only those with a higher number.")] = None,
    order: Annotated[Literal["newest", "oldest"], Query(description="Which comes first.")] = "newest",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """In the order of storing.

    A program that keeps the last number, and asks with `after` and `order=oldest`, misses none and sees none twice.
    409: no event has had that number, since an older backup was restored; the detail says where to go on.
    """
    key = key_from_cursor(f"events-{order}", cursor, (int,))
    number = events.c.number
    of_agent = agent_beside if location is not None or alert is not None else events.c.agent
    equal = {events.c.location: location, of_agent: agent, events.c.alert: alert}
    chosen = [column == wanted for column, wanted in equal.items() if wanted is not None]
    chosen += [events.c.verdict == verdict.value] if verdict else []
    chosen += [number > after] if after is not None else []
    if key:
        chosen.append(number > key[0] if order == "oldest" else number < key[0])
    with console.reading() as connection:
        bounds = _bounds(connection, since, until)
        if bounds is None:
            return json_answer(request, {"items": [], "next": None})
        ordered = number.asc() if order == "oldest" else number.desc()
        statement = EVENTS.where(*chosen, *bounds).order_by(ordered).limit(limit + 1)
        rows = connection.execute(statement).all()
        if after is not None and not rows:
            _require_given(connection, after)
    items = [event_item(row) for row in rows[:limit]]
    following = cursor_of(f"events-{order}", [rows[limit - 1].number]) if len(rows) > limit else None
    return json_answer(request, {"items": items, "next": following})


@router.get("/events/{event}", response_model=EventItem, summary="One event")
def get_event(request: Request, console: Served, _: Reader, event: EventId) -> Response:
    """One stored event, by its id."""
    with console.reading() as connection:
        row = connection.execute(EVENTS.where(events.c.id == event)).first()
    if row is None:
        raise ProblemError(404, "there is no event with this id, or it was deleted")
    return json_answer(request, event_item(row))


def _require_given(connection: Connection, after: int) -> None:
    """A number that was never given is of a database that this one is an older copy of: its next events have it too."""
    last = newest(connection).event
    if after > last:
        said = f"after: the last event is number {last}: an older backup was restored: go on with after={last}"
        raise ProblemError(409, said)


def _bounds(connection: Connection, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]] | None:
    """The times as numbers, so that pages go on by number alone; None: nothing was stored since then."""
    found: list[ColumnElement[bool]] = []
    if since is not None:
        first = _first_at(connection, since)
        if first is None:
            return None
        found.append(events.c.number >= first)
    if until is not None and (end := _first_at(connection, until)) is not None:
        found.append(events.c.number < end)
    return found


def _first_at(connection: Connection, moment: datetime) -> int | None:
    later = select(events.c.number).where(events.c.received >= moment)
    return connection.execute(later.order_by(events.c.received, events.c.number).limit(1)).scalar()
