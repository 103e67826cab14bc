"""Stored events, as they are read for a target.

What this version can't read, as of a newer receiver, is set aside, so that it holds up nothing.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, and_, or_, outerjoin, select, update

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.verdicts import ALERTS, UNVERIFIED
from warehouse.connectors.deliver.target import Outgoing
from warehouse.store.epoch_order import latest_first
from warehouse.store.tables import deliveries, epochs, events

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


def read_events(
    connection: Connection, target: str, done: int, rows: Iterable[EventColumns]
) -> tuple[list[Outgoing], list[UnreadableEvent]]:
    """The events that can be read, and the others, for a target that was asked up to the number `done`."""
    found: list[Outgoing] = []
    unreadable: list[UnreadableEvent] = []
    for number, location, agent, received, payload in rows:
        try:
            envelope = _EVENT.model_validate_json(payload)
        except ValidationError as error:
            reason = _reason(error)
            unreadable.append(UnreadableEvent(number, location, agent, received, payload, reason))
            continue
        others = _others(connection, number, done, agent, envelope.data)
        later = next(_asked_before(connection, target, done, number, others.after), None)
        former, overtaken_by = _event(connection, others.former), _event(connection, later)
        found.append(Outgoing(number, agent, received.astimezone(UTC), envelope, payload, former, overtaken_by))
    return found, unreadable


@dataclass(frozen=True)
class _OthersOfAlert:
    """The other stored events of an event's alert, by their numbers."""

    former: int | None = None
    """The last before it that is no doubt, and was stored before it."""
    after: tuple[int, ...] = ()
    """Those that come after it by epoch and sequence, the last first, in whatever order they were stored; no doubts,
    which change nothing."""


def _others(connection: Connection, number: int, done: int, agent: str, event: LocationEvent) -> _OthersOfAlert:
    if event.alert is None:
        return _OthersOfAlert()
    of_alert = select(events.c.number).where(events.c.alert == event.alert.id, events.c.agent == agent)
    another = and_(events.c.number < number, or_(events.c.epoch != event.epoch, events.c.sequence > event.sequence))
    told_again = events.c.number.between(number + 1, done)
    if connection.execute(of_alert.where(or_(another, told_again)).limit(1)).first() is not None:
        return _ordered(connection, number, agent, event.alert.id)
    before = of_alert.where(events.c.number < number, events.c.verdict.in_(ALERTS))  # of most: an alert may have 10,000
    return _OthersOfAlert(connection.execute(before.order_by(events.c.number.desc()).limit(1)).scalar())


def _ordered(connection: Connection, number: int, agent: str, alert: str) -> _OthersOfAlert:
    known = outerjoin(events, epochs, and_(epochs.c.agent == events.c.agent, epochs.c.epoch == events.c.epoch))
    chosen = select(events.c.number, events.c.verdict).select_from(known)
    of_alert = chosen.where(events.c.alert == alert, events.c.agent == agent).order_by(*latest_first())
    latest = [(found, verdict) for found, verdict in connection.execute(of_alert)]
    numbers = [found for found, _ in latest]
    place = numbers.index(number) if number in numbers else len(numbers)  # so old that it is kept no more
    before = (found for found, verdict in latest[place + 1 :] if found < number and verdict in ALERTS)
    after = tuple(found for found, verdict in latest[:place] if not _is_doubt(connection, found, verdict))
    return _OthersOfAlert(next(before, None), after)


def _is_doubt(connection: Connection, number: int, verdict: str) -> bool:
    """Whether an event leaves its alert as it was; an alert may end with such a verdict, as its agent is forgotten."""
    if verdict not in UNVERIFIED:
        return False
    event = _event(connection, number)
    return event is None or event.alert is None or event.alert.status != "resolved"


def _event(connection: Connection, number: int | None) -> LocationEvent | None:
    """A stored event; None where there is none, or it can't be read."""
    if number is None:
        return None
    text = connection.execute(select(events.c.payload).where(events.c.number == number)).scalar()
    try:
        return _EVENT.model_validate_json(text).data if text else None
    except ValidationError:
        return None


def _asked_before(connection: Connection, target: str, done: int, number: int, others: Sequence[int]) -> Iterator[int]:
    """Those of these that the target was asked about before it is asked about this number, in their order."""
    untold = select(deliveries.c.event).where(deliveries.c.target == target, deliveries.c.event.in_(others))
    waiting = set(connection.execute(untold).scalars()) if others else set()
    return (other for other in others if other < number or (other <= done and other not in waiting))


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
