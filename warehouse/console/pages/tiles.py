"""A location as the pages show it, made of its state, or of an event that is newer than the state."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal_column, select

from kardus.contract.verdicts import ALERTS
from warehouse.console.shown import said
from warehouse.store.tables import events, latest, pictures

PORTION = 500
DOUBTFUL = ("stale", "uncertain", "obstructed", "unmanaged")
"""Verdicts of an agent that contradict nobody's."""
_agent: Any = events.c.agent + ""
"""Hides the column from its index: SQLite would go through all of an agent's events instead of the location's."""
RECENT = 10
"""Of so many events that were stored last the last by epoch and sequence is shown: some are sent late, or again."""
_recent = (
    select(events.c.number, events.c.epoch, events.c.sequence)
    .where(events.c.location == latest.c.subject, _agent == latest.c.agent)
    .order_by(events.c.number.desc())
    .limit(RECENT)
    .correlate(latest)
    .subquery("recent")
)
_last_event: Any = (
    select(_recent.c.number).order_by(_recent.c.epoch.desc(), _recent.c.sequence.desc()).limit(1).scalar_subquery()
)
_STATES = select(latest.c.agent, latest.c.subject, latest.c.payload, _last_event.label("last"))
_verdict: ColumnElement[str] = literal_column("latest.verdict")


@dataclass(frozen=True)
class Tile:
    """What is known of a location now."""

    location: str
    agent: str
    camera: str
    verdict: str
    expected: str | None
    """The product; empty: nothing should stand there; None: the WMS has said nothing."""
    seen: str
    """The product, or what is known of it; empty: nothing can be said."""
    seen_family: str
    confidence: float | None
    """Of what was seen."""
    since: datetime
    reason: str
    alert: str
    """The alert's id; empty: none stands."""
    alert_status: str
    alert_by: str
    """Who has acknowledged it; empty: nobody, or it isn't said."""
    crop: str
    """The event whose picture shows this; empty: there is none."""
    place: str = ""
    """Epoch, sequence and repeat, by which a browser knows what is the later one of an epoch; of the epoch the end."""
    conflict: bool = False
    """Whether another agent sees something else."""

    @property
    def id(self) -> str:
        """For the page's element."""
        return tile_id(self.location)


def tile_id(location: str) -> str:
    """The element's id: codes may hold anything."""
    return "t" + hashlib.sha1(location.encode(), usedforsecurity=False).hexdigest()[:10]


def tiles_of(
    connection: Connection, locations: Sequence[str], now: datetime, *, worst: bool = False
) -> dict[str, Tile]:
    """The tiles of these locations, in their order; what nobody watches any more is left out.

    Of several agents' states the most recent is shown; `worst`: of those the most recent that calls for somebody.
    """
    found: dict[str, list[tuple[dict[str, Any], Any]]] = {location: [] for location in locations}
    for start in range(0, len(locations), PORTION):
        chosen = _STATES.where(latest.c.kind == "state", latest.c.subject.in_(locations[start : start + PORTION]))
        for row in connection.execute(chosen).all():
            found[row.subject].append((said(row), row))
    shown = _with_pictures(connection, [row.last for rows in found.values() for _, row in rows if row.last])
    return {location: _decided(rows, now, shown, worst=worst) for location, rows in found.items() if rows}


def tile_of_event(data: dict[str, Any], agent: str, event: str) -> Tile:
    """What an event says: its picture comes with it, or a moment later."""
    return _tile(data, agent, data["verdict"], datetime.fromisoformat(data["captured"]), event)


def tile_of_state(data: dict[str, Any], agent: str, now: datetime, event: str, *, conflict: bool = False) -> Tile:
    """What a state says; `event` is whose picture shows it, empty: none does."""
    is_void = datetime.fromisoformat(data["valid_until"]) <= now
    verdict, since = ("stale", data["valid_until"]) if is_void else (data["verdict"], data["since"])
    return _tile(data, agent, verdict, datetime.fromisoformat(since), event, conflict=conflict)


def locations_with(connection: Connection, verdicts: Iterable[str]) -> list[str]:
    """Where a state says one of these verdicts."""
    chosen = select(latest.c.subject).distinct().where(latest.c.kind == "state", _verdict.in_(list(verdicts)))
    return [code for (code,) in connection.execute(chosen)]


def _with_pictures(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """The ids of those events, by their numbers, that have a picture."""
    found: dict[int, str] = {}
    for start in range(0, len(numbers), PORTION):
        chosen = select(events.c.number, events.c.id).join_from(events, pictures, pictures.c.event == events.c.id)
        rows = connection.execute(chosen.where(events.c.number.in_(numbers[start : start + PORTION])))
        found |= {number: event for number, event in rows.all()}  # noqa: C416 - rows are no pairs to mypy
    return found


def _decided(rows: list[tuple[dict[str, Any], Any]], now: datetime, shown: dict[int, str], *, worst: bool) -> Tile:
    """The most recent state decides; those that say nothing certain contradict nobody."""
    rows.sort(
        key=lambda one: (worst and _calls(one[0]), one[0]["last_verified"] or one[0]["since"], one[1].agent),
        reverse=True,
    )
    data, row = rows[0]
    certain = {(one["verdict"], (one["seen"] or {}).get("sku")) for one, _ in rows if one["verdict"] not in DOUBTFUL}
    return tile_of_state(data, row.agent, now, shown.get(row.last, ""), conflict=len(certain) > 1)


def _calls(data: dict[str, Any]) -> bool:
    """Whether a state calls for somebody."""
    return data["verdict"] in ALERTS or (data.get("alert") or {}).get("status") in ("open", "acknowledged")


def _tile(
    data: dict[str, Any], agent: str, verdict: str, since: datetime, crop: str, *, conflict: bool = False
) -> Tile:
    expected, seen, alert = data["expected"], data["seen"] or {}, data.get("alert") or {}
    stands = alert.get("status") in ("open", "acknowledged")
    return Tile(
        location=data["location"],
        agent=agent,
        camera=data["camera"],
        verdict=verdict,
        expected=None if expected is None else expected["sku"] or "",
        seen=seen.get("sku") or (f"{seen['category']}?" if seen.get("category") else ""),
        seen_family=seen.get("category") or "",
        confidence=seen.get("confidence"),
        since=since,
        reason=data.get("reason", ""),
        alert=alert["id"] if stands else "",
        alert_status=alert["status"] if stands else "",
        alert_by=alert.get("by") or "" if stands else "",
        crop=crop,
        place=f"{data['epoch'][-8:]}.{data['sequence']}.{data.get('repeat', 0)}" if data.get("epoch") else "",
        conflict=conflict,
    )
