"""A location as the pages show it, made of its state, or of an event that is newer than the state."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, select

from kardus.contract.messages import is_void
from kardus.contract.verdicts import Verdict
from warehouse.console.shown import message_data
from warehouse.store.portions import portions
from warehouse.store.tables import agent_beside, events, latest, pictures

DOUBTFUL = ("stale", "uncertain", "obstructed", "unmanaged")
"""Verdicts of an agent that contradict nobody's."""
RECENT = 10
"""Of so many events that were stored last the last by epoch and sequence is shown: some are sent late, or again."""
_recent = (
    select(events.c.number, events.c.epoch, events.c.sequence)
    .where(events.c.location == latest.c.subject, agent_beside == latest.c.agent)
    .order_by(events.c.number.desc())
    .limit(RECENT)
    .correlate(latest)
    .subquery("recent")
)
_last_event: Any = (
    select(_recent.c.number).order_by(_recent.c.epoch.desc(), _recent.c.sequence.desc()).limit(1).scalar_subquery()
)
_STATES = select(latest.c.agent, latest.c.subject, latest.c.payload, _last_event.label("last"))


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
    event: str
    """The event of the look that it rests on; empty: it isn't kept."""
    has_crop: bool
    """Whether a picture of that look is kept, or may come yet."""
    place: str = ""
    """Epoch, sequence and repeat, by which a browser knows what is the later one of an epoch; of the epoch the end."""
    conflict: bool = False
    """Whether another agent sees something else."""

    @property
    def id(self) -> str:
        """For the page's element."""
        return tile_id(self.location)

    @property
    def camera_key(self) -> str:
        """Of its camera, for the page: short, since each of a rack's tiles has it."""
        return camera_key(self.agent, self.camera)

    @property
    def may_be_corrected(self) -> bool:
        """Whether there is a look that claims something."""
        return bool(self.event) and self.verdict != Verdict.STALE


def tile_id(location: str) -> str:
    """The element's id: codes may hold anything."""
    return "t" + hashlib.sha1(location.encode(), usedforsecurity=False).hexdigest()[:10]


@lru_cache(4096)
def camera_key(agent: str, camera: str) -> str:
    """By which a rack's page knows a camera."""
    return hashlib.sha1(f"{agent}/{camera}".encode(), usedforsecurity=False).hexdigest()[:6]


def tiles_of(
    connection: Connection, locations: Sequence[str], now: datetime, shown: Mapping[str, str] | None = None
) -> dict[str, Tile]:
    """The tiles of these locations, in their order; what nobody watches any more is left out.

    Of several agents' states the most recent is shown; `shown`: by location, whose is shown instead.
    """
    shown = shown or {}
    found: dict[str, list[tuple[dict[str, Any], Any]]] = {location: [] for location in locations}
    for portion in portions(locations):
        chosen = _STATES.where(latest.c.kind == "state", latest.c.subject.in_(portion))
        for row in connection.execute(chosen).all():
            found[row.subject].append((message_data(row), row))
    bases = _basis_by_number(connection, [row.last for rows in found.values() for _, row in rows if row.last])
    return {location: _decided(rows, now, bases, shown.get(location, "")) for location, rows in found.items() if rows}


def tile_of_event(data: dict[str, Any], agent: str, event: str, others: Sequence[dict[str, Any]] = ()) -> Tile:
    """What an event says, beside what `others` say of the place; its picture comes with it, or a moment later."""
    captured = datetime.fromisoformat(data["captured"])
    conflict = _contradict([data, *others], datetime.now(UTC))
    return _tile(data, agent, data["verdict"], captured, (event, True), conflict=conflict)


def tile_of_state(
    data: dict[str, Any], agent: str, now: datetime, basis: tuple[str, bool], others: Sequence[dict[str, Any]] = ()
) -> Tile:
    """What a state says, beside what `others` say; `basis`: the event it rests on, and whether that has a picture."""
    verdict = Verdict.STALE.value if _is_void(data, now) else data["verdict"]
    since, until = (datetime.fromisoformat(data[key]) for key in ("since", "valid_until"))
    conflict = _contradict([data, *others], now)
    return _tile(data, agent, verdict, until if until <= now else since, basis, conflict=conflict)


def _basis_by_number(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[str, bool]]:
    """The ids of events by their numbers, and whether each has a picture."""
    found: dict[int, tuple[str, bool]] = {}
    joined = select(events.c.number, events.c.id, pictures.c.event).join_from(
        events, pictures, pictures.c.event == events.c.id, isouter=True
    )
    for portion in portions(numbers):
        rows = connection.execute(joined.where(events.c.number.in_(portion)))
        found |= {number: (event, picture is not None) for number, event, picture in rows}
    return found


def _decided(
    rows: list[tuple[dict[str, Any], Any]], now: datetime, bases: dict[int, tuple[str, bool]], shown: str
) -> Tile:
    """The most recent state decides, or that of the agent that is `shown`."""
    rows.sort(
        key=lambda one: (one[1].agent == shown, one[0]["last_verified"] or one[0]["since"], one[1].agent),
        reverse=True,
    )
    data, row = rows[0]
    others = [one for one, _ in rows[1:]]
    return tile_of_state(data, row.agent, now, bases.get(row.last, ("", False)), others)


def _contradict(told: Sequence[dict[str, Any]], now: datetime) -> bool:
    """Whether those that say something certain say different things; a state that is void says nothing any more."""
    certain = [one for one in told if one["verdict"] not in DOUBTFUL and not _is_void(one, now)]
    return len({(one["verdict"], (one["seen"] or {}).get("sku")) for one in certain}) > 1


def _is_void(data: dict[str, Any], now: datetime) -> bool:
    """An event has no end: what it says holds until the next one."""
    return "valid_until" in data and is_void(datetime.fromisoformat(data["valid_until"]), now)


def _tile(
    data: dict[str, Any], agent: str, verdict: str, since: datetime, basis: tuple[str, bool], *, conflict: bool
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
        event=basis[0],
        has_crop=basis[1],
        place=f"{data['epoch'][-8:]}.{data['sequence']}.{data.get('repeat', 0)}" if data.get("epoch") else "",
        conflict=conflict,
    )
