"""Keeps each alert as its last event says, so that open ones are found without reading the events.

The last is so by epoch and sequence, whatever the order of storing. An alert belongs to the agent whose event of it was
stored first: another one that uses its id changes nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, and_, outerjoin, select
from sqlalchemy.dialects import postgresql, sqlite

from kardus.contract.messages import Envelope, LocationEvent
from warehouse.store.epoch_order import latest_first
from warehouse.store.rowsets import given
from warehouse.store.tables import alerts, epochs, events

_CHANGED = ("status", "verdict", "last", "payload")
_EVENT = Envelope[LocationEvent]


def note_alerts(connection: Connection, ids: Sequence[str]) -> None:
    """Take up events, given by their ids, that were stored in this transaction and are an alert's."""
    if not ids:
        return
    wanted = given(connection, {"id": Text}, [(id_,) for id_ in ids])
    new = select(events.c.number, events.c.alert).join(wanted, wanted.c.id == events.c.id)
    told = connection.execute(new.where(events.c.alert.is_not(None))).all()
    known = select(alerts.c.id, alerts.c.agent, alerts.c.last)
    touched = given(connection, {"id": Text}, {(alert,) for _, alert in told})
    standing = {
        id_: (agent, last) for id_, agent, last in connection.execute(known.join(touched, touched.c.id == alerts.c.id))
    }
    numbers = {number for number, _ in told} | {last for _, last in standing.values()}
    owners = {id_: agent for id_, (agent, _) in standing.items()}
    _store(connection, _last_of_each(_events(connection, numbers), owners))


def _events(connection: Connection, numbers: Iterable[int]) -> list[Any]:
    """Number, agent, alert and message, the last of an agent's by epoch and sequence first."""
    wanted = given(connection, {"number": BigInteger}, [(number,) for number in numbers])
    known = outerjoin(events, epochs, and_(epochs.c.agent == events.c.agent, epochs.c.epoch == events.c.epoch))
    chosen = select(events.c.number, events.c.agent, events.c.alert, events.c.payload)
    of_them = chosen.select_from(known.join(wanted, wanted.c.number == events.c.number))
    return list(connection.execute(of_them.where(events.c.alert.is_not(None)).order_by(*latest_first())).all())


def _last_of_each(rows: Sequence[Any], owners: dict[str, str]) -> list[dict[str, Any]]:
    for _, agent, alert, _ in sorted(rows):
        owners.setdefault(alert, agent)
    found: dict[str, dict[str, Any]] = {}
    for number, agent, alert, payload in rows:
        if alert not in found and owners[alert] == agent:
            found[alert] = _row(number, agent, payload)
    return list(found.values())


def _row(number: int, agent: str, payload: str) -> dict[str, Any]:
    event = _EVENT.model_validate_json(payload).data
    assert event.alert is not None  # noqa: S101 - the events of alerts were chosen
    return {
        "id": event.alert.id,
        "agent": agent,
        "location": event.location,
        "status": event.alert.status,
        "verdict": event.verdict.value,
        "opened": event.alert.opened,
        "last": number,
        "payload": payload,
    }


def _store(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        adding = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(alerts)
        changed = {name: adding.excluded[name] for name in _CHANGED}
        connection.execute(adding.on_conflict_do_update(index_elements=["id"], set_=changed), rows)
