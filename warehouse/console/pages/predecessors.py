"""Alerts that were followed by another one while they stood: whoever has taken them has taken that one too.

Each agent that sees a location has its own alert there, and they open and close one after another. What people do and
say is of the location, and lasts for as long as one of them stands.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Text, select

from warehouse.store.rowsets import given
from warehouse.store.tables import alerts, events

_later = alerts.alias("later")
_LAST = (events.c.number == alerts.c.last) & events.c.alert.is_not(None)
_CLOSED = select(alerts.c.id, alerts.c.location, alerts.c.opened).join_from(alerts, events, _LAST)
_OVERLAPPING = (alerts.c.opened <= _later.c.opened) & (events.c.captured >= _later.c.opened)


def predecessors(connection: Connection, ids: Iterable[str]) -> dict[str, list[str]]:
    """By location the closed alerts that stood when one of these was opened, or one of those; the oldest first."""
    seen: dict[str, Any] = {}
    later = set(ids)
    while later:
        earlier = {row.id: row for row in _before(connection, later) if row.id not in seen}
        seen |= earlier
        later = set(earlier)
    found: dict[str, list[str]] = {}
    for row in sorted(seen.values(), key=lambda one: (one.opened, one.id)):
        found.setdefault(row.location, []).append(row.id)
    return found


def _before(connection: Connection, ids: set[str]) -> list[Any]:
    """Those of other agents, since an agent has one at a time, whose closing picture was taken after these opened."""
    wanted = given(connection, {"id": Text}, [(id_,) for id_ in ids])
    same = (alerts.c.location == _later.c.location) & (alerts.c.agent != _later.c.agent)
    chosen = _CLOSED.join(_later, same).join(wanted, wanted.c.id == _later.c.id)
    return list(connection.execute(chosen.where(alerts.c.status == "resolved", _OVERLAPPING)).all())
