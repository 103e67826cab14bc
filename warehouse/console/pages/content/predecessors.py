"""Alerts that were followed by another one while they stood: whoever has taken them has taken that one too.

Each agent that sees a location has its own alert there, and they open and close one after another. What people do and
say is of the location, and lasts for as long as one of them stands.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from warehouse.store.portions import portions
from warehouse.store.tables import alerts, events

_later = alerts.alias("later")
_status: Any = alerts.c.status + ""
"""Hides the column from its index: SQLite would begin with every closed alert instead of those of these locations."""
_LAST = (events.c.number == alerts.c.last) & events.c.alert.is_not(None)
_THERE = (alerts.c.location == _later.c.location) & (alerts.c.opened <= _later.c.opened)
_CLOSED = (
    select(alerts.c.id, alerts.c.location, alerts.c.opened)
    .join_from(_later, alerts, _THERE)
    .join(events, _LAST)
    .where(_status == "resolved", alerts.c.agent != _later.c.agent, events.c.captured >= _later.c.opened)
)


def predecessors(connection: Connection, ids: Iterable[str]) -> dict[str, list[str]]:
    """By location the closed alerts that stood when one of these was opened, or one of those; the oldest first."""
    seen: dict[str, Any] = {}
    later = list(ids)
    while later:
        earlier = {row.id: row for row in _before(connection, later) if row.id not in seen}
        seen |= earlier
        later = list(earlier)
    found: dict[str, list[str]] = {}
    for row in sorted(seen.values(), key=lambda one: (one.opened, one.id)):
        found.setdefault(row.location, []).append(row.id)
    return found


def _before(connection: Connection, ids: Sequence[str]) -> list[Any]:
    """Those of other agents, since an agent has one at a time, whose closing picture was taken after these opened."""
    found: list[Any] = []
    for portion in portions(ids):
        chosen = _CLOSED.where(_later.c.id.in_(portion))
        found += connection.execute(chosen).all()
    return found
