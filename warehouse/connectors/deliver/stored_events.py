"""Stored events, as they are read for a target.

What this version can't read, as of a newer receiver, is set aside, so that it holds up nothing.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, and_, select, update

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.verdicts import ALERTS
from warehouse.connectors.deliver.target import Outgoing
from warehouse.store.tables import deliveries, events

EventColumns = tuple[int, str, str, datetime, str]
"""Number, location, agent, when it was received, text."""
_EVENT = Envelope[LocationEvent]
log = logging.getLogger("kardus.deliver")


@dataclass(frozen=True)
class UnreadableEvent:
    """A row that is no event to this version."""

    number: int
    location: str
    agent: str
    received: datetime
    payload: str
    reason: str


def read_events(connection: Connection, rows: Iterable[EventColumns]) -> tuple[list[Outgoing], list[UnreadableEvent]]:
    """The events that can be read, and the others."""
    found: list[Outgoing] = []
    unreadable: list[UnreadableEvent] = []
    for number, location, agent, received, payload in rows:
        try:
            envelope = _EVENT.model_validate_json(payload)
        except ValidationError as error:
            reason = _reason(error)
            unreadable.append(UnreadableEvent(number, location, agent, received, payload, reason))
            continue
        former = _former(connection, number, envelope.data)
        found.append(Outgoing(number, agent, received.astimezone(UTC), envelope, payload, former))
    return found, unreadable


def _former(connection: Connection, number: int, event: LocationEvent) -> LocationEvent | None:
    """The last event before that told of the same discrepancy; None where there is none, or it can't be read."""
    if event.alert is None:
        return None
    of_alert = select(events.c.payload).where(events.c.alert == event.alert.id, events.c.number < number)
    of_alert = of_alert.where(events.c.verdict.in_(ALERTS))
    text = connection.execute(of_alert.order_by(events.c.number.desc()).limit(1)).scalar()
    try:
        return _EVENT.model_validate_json(text).data if text else None
    except ValidationError:
        return None


def set_aside(connection: Connection, target: str, found: Sequence[UnreadableEvent]) -> None:
    """Note them as refused for good, once each, in a writing transaction."""
    d = deliveries.c
    for one in found:
        this = and_(d.target == target, d.event == one.number)
        waits = connection.execute(select(d.aside).where(this)).scalar()
        if waits == 1:
            continue
        log.error("%s: event %d of %s is set aside: %s", target, one.number, one.location, one.reason)
        if waits is not None:
            connection.execute(update(deliveries).where(this).values(aside=1, reason=one.reason))
        else:
            connection.execute(deliveries.insert().values(_row(target, one)))


def _row(target: str, one: UnreadableEvent) -> dict[str, Any]:
    return {
        "target": target,
        "event": one.number,
        "location": one.location,
        "tries": 0,
        "due": time.time(),
        "aside": 1,
        "reason": one.reason,
        "agent": one.agent,
        "received": one.received,
        "payload": one.payload,
    }


def _reason(error: ValidationError) -> str:
    """Why, and what to do."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"this version can't read it ({where}: {first['msg']}): update it, then send it again"
