"""The API's routes that list locations and states."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, or_, select, tuple_

from kardus.contract.messages import MAX_VALID
from kardus.contract.verdicts import Verdict
from warehouse.console.api.records import LocationPage, StatePage
from warehouse.console.context import Console, Cursor, Limit, Reader, Served, json_answer
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.shown import ShownRow, state_item
from warehouse.store.tables import latest, latest_verdict

router = APIRouter()
_DOUBTS = frozenset({Verdict.STALE, Verdict.UNCERTAIN, Verdict.OBSTRUCTED, Verdict.UNMANAGED})
_void_at: ColumnElement[float] = literal_column("latest.void_at")
"""Until when the verdict holds, in Julian days: a column that the database makes of the message."""
_UNIX_EPOCH_JD = 2440587.5
_COLUMNS = select(latest.c.agent, latest.c.subject, latest.c.received, latest.c.payload)


LocationFilter = Annotated[str | None, Query(max_length=100, description="Only this location.")]
AgentFilter = Annotated[str | None, Query(max_length=100, description="Only this agent's.")]


@dataclass(frozen=True)
class PlaceFilters:
    """The filters of a request for states."""

    location: LocationFilter = None
    prefix: Annotated[str | None, Query(max_length=100, description="Only locations whose code begins so.")] = None
    agent: AgentFilter = None
    verdict: Annotated[Verdict | None, Query(description="Only where a state says this now.")] = None


Filters = Annotated[PlaceFilters, Depends()]


@router.get("/locations", response_model=LocationPage, summary="Locations with what every agent says of them")
def list_locations(
    request: Request,
    console: Served,
    _: Reader,
    wanted: Filters,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """By their code. A location matches where one of its states does; all its states are shown."""
    now, after = datetime.now(UTC), key_from_cursor("locations", cursor, (str,))
    chosen = select(latest.c.subject).distinct().where(_is_state(console, wanted.verdict))
    chosen = chosen.where(*_filters(console, wanted, now))
    if after:
        chosen = chosen.where(latest.c.subject > after[0])
    with console.reading() as connection:
        codes = [code for (code,) in connection.execute(chosen.order_by(latest.c.subject).limit(limit + 1))]
        items = _items(connection, codes[:limit], now)
    following = cursor_of("locations", [codes[limit - 1]]) if len(codes) > limit else None
    return json_answer(request, {"items": items, "next": following})


@router.get("/states", response_model=StatePage, summary="States: each location as each agent sees it")
def list_states(
    request: Request,
    console: Served,
    _: Reader,
    wanted: Filters,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """By location and agent. A state whose time is over is `stale`."""
    now, after = datetime.now(UTC), key_from_cursor("states", cursor, (str, str))
    chosen = _COLUMNS.where(_is_state(console, wanted.verdict), *_filters(console, wanted, now))
    if after:
        chosen = chosen.where(tuple_(latest.c.subject, latest.c.agent) > tuple_(*after))
    with console.reading() as connection:
        rows = connection.execute(chosen.order_by(latest.c.subject, latest.c.agent).limit(limit + 1)).all()
    items = [state_item(row, now) for row in rows[:limit]]
    following = cursor_of("states", [rows[limit - 1].subject, rows[limit - 1].agent]) if len(rows) > limit else None
    return json_answer(request, {"items": items, "next": following})


def _filters(console: Console, wanted: PlaceFilters, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.location is not None:
        found.append(latest.c.subject == wanted.location)
    if prefix := wanted.prefix:
        found.append(func.substr(latest.c.subject, 1, len(prefix)) == prefix)
        if console.database.engine.dialect.name == "sqlite":  # whose order is that of bytes: the index finds it
            found.append(latest.c.subject.between(prefix, prefix + chr(0x10FFFF)))
    if wanted.agent is not None:
        found.append(latest.c.agent == wanted.agent)
    if wanted.verdict is not None:
        found.append(_has_verdict(wanted.verdict, now))
    return found


def _is_state(console: Console, verdict: Verdict | None) -> ColumnElement[bool]:
    """For `stale` SQLite has to be kept from reading all states in order: `+` hides a column from its indexes."""
    if verdict == Verdict.STALE and console.database.engine.dialect.name == "sqlite":
        kind: ColumnElement[str] = literal_column("+latest.kind")
        return kind == "state"
    return latest.c.kind == "state"


def when_void(now: datetime) -> list[ColumnElement[bool]]:
    """The contract's `is_void` as conditions of SQL, to be joined by OR: each by itself can use an index."""
    day = now.timestamp() / 86_400 + _UNIX_EPOCH_JD
    return [_void_at <= day, _void_at > day + MAX_VALID / timedelta(days=1)]


def _has_verdict(verdict: Verdict, now: datetime) -> ColumnElement[bool]:
    """What a state says at a moment: a dead agent's are stale."""
    void = when_void(now)
    if verdict == Verdict.STALE:
        return or_(*(and_(latest.c.kind == "state", one) for one in (latest_verdict == verdict.value, *void)))
    return and_(latest_verdict == verdict.value, or_(_void_at.is_(None), ~or_(*void)))


def _items(connection: Connection, codes: Sequence[str], now: datetime) -> list[ShownRow]:
    found: dict[str, list[ShownRow]] = {code: [] for code in codes}
    for row in connection.execute(_COLUMNS.where(latest.c.kind == "state", latest.c.subject.in_(codes))).all():
        found[row.subject].append(state_item(row, now))
    return [_location(code, states) for code, states in found.items()]


def _location(code: str, items: list[ShownRow]) -> ShownRow:
    """The most recent state decides; those that say nothing certain contradict nobody."""
    items.sort(key=lambda item: (_recent(item["state"]), item["agent"]), reverse=True)
    states = [item["state"] for item in items]
    seen = {(one["verdict"], one["seen"] and one["seen"]["sku"]) for one in states if one["verdict"] not in _DOUBTS}
    return {"location": code, "verdict": states[0]["verdict"], "conflict": len(seen) > 1, "states": items}


def _recent(state: ShownRow) -> datetime:
    return datetime.fromisoformat(state["last_verified"] or state["since"])
