"""Reads what has changed, in the order of storing: events, and what else is shown.

A place in it is two numbers: of the last event, and of the last other change.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from pydantic_core import to_json
from sqlalchemy import Connection, func, select

from kardus.support.whole_numbers import whole_number
from warehouse.console.live.later_states import LaterState, later_states, states_now
from warehouse.console.shown import EVENTS, event_item, message_data
from warehouse.store.database import LAST_NUMBER, read_meta
from warehouse.store.tables import changes, events, latest

CHANGES_PER_READ = 200
"""Events, and as many other changes, that are read at once."""
_KINDS = {"status": "agent", "health": "camera"}
"""What changes are called; the others by the kind that the store has."""


@dataclass(frozen=True, order=True)
class FeedPosition:
    """How far something was read."""

    event: int
    change: int

    def __str__(self) -> str:
        """As the stream's `id`."""
        return f"{self.event}.{self.change}"

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Read it; None: it is none."""
        event, change = (whole_number(part, 2**63 - 1) for part in text.partition(".")[::2])
        return None if event is None or change is None else cls(event, change)

    def has(self, other: "FeedPosition") -> bool:
        """Whether whoever has read up to here has read that."""
        return other.event <= self.event and other.change <= self.change


@dataclass(frozen=True)
class StoredChange:
    """One change that was stored: an event, or something else that is shown."""

    place: FeedPosition
    kind: str
    """`event`, `agent`, `camera`, `coverage`, `state` (cleared, or its alert acknowledged), `comment`, `task`."""
    item: dict[str, Any]
    """The event as it is shown, or what the change is of."""
    later: LaterState | None = None
    """Of an event that came late: what its agent has said of the location since then; of a state itself, if it is."""
    others: tuple[dict[str, Any], ...] = ()
    """Of an event or a state: the states of the other agents that watch its location."""

    @cached_property
    def data(self) -> str:
        """JSON in one line."""
        return to_json(self.item).decode()


def newest(connection: Connection) -> FeedPosition:
    """The last place that there is."""
    last = connection.execute(select(func.coalesce(func.max(changes.c.number), 0))).scalar_one()
    return FeedPosition(int(read_meta(connection, LAST_NUMBER) or 0), int(last))


def oldest(connection: Connection) -> FeedPosition:
    """Behind this one nothing was deleted."""
    first = connection.execute(select(func.min(changes.c.number))).scalar()
    event = connection.execute(select(func.min(events.c.number)).where(events.c.alert.is_(None))).scalar()
    before = event - 1 if event is not None else newest(connection).event  # those of alerts are kept for longer
    return FeedPosition(before, (first or 1) - 1)


def read_changes(connection: Connection, after: FeedPosition) -> list[StoredChange]:
    """A portion of what comes after a place, events first."""
    found = []
    rows = connection.execute(
        EVENTS.where(events.c.number > after.event).order_by(events.c.number).limit(CHANGES_PER_READ)
    )
    items = [event_item(row) for row in rows.all()]
    later = later_states(connection, items)
    states = _states_of(connection, {item["event"]["location"] for item in items})
    for item in items:
        after = FeedPosition(item["number"], after.change)
        told = [message_data(row) for row in states[item["event"]["location"]] if row.agent != item["agent"]]
        found.append(StoredChange(after, "event", item, later.get(item["id"]), tuple(told)))
    return found + _others_after(connection, after)


def _others_after(connection: Connection, after: FeedPosition) -> list[StoredChange]:
    """What isn't an event; of a state also what it says now."""
    chosen = select(changes).where(changes.c.number > after.change).order_by(changes.c.number).limit(CHANGES_PER_READ)
    rows, found = connection.execute(chosen).all(), []
    own = {(row.agent, row.subject) for row in rows if row.kind == "state"}
    stated, every = states_now(connection, own), _states_of(connection, {location for _, location in own})
    for row in rows:
        place, item = FeedPosition(after.event, row.number), {"agent": row.agent, "subject": row.subject}
        state = stated.get((row.agent, row.subject)) if row.kind == "state" else None
        others = [message_data(one) for one in every[row.subject] if one.agent != row.agent] if state else ()
        found.append(StoredChange(place, _KINDS.get(row.kind, row.kind), item, state, tuple(others)))
    return found


def _states_of(connection: Connection, locations: set[str]) -> dict[str, list[Any]]:
    """The rows of what every agent says of these locations now."""
    found: dict[str, list[Any]] = {location: [] for location in locations}
    if locations:
        chosen = select(latest).where(latest.c.kind == "state", latest.c.subject.in_(sorted(locations)))
        for row in connection.execute(chosen):
            found[row.subject].append(row)
    return found
