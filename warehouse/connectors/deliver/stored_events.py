"""Stored events, as they are read for a target.

What this version can't read, as of a newer receiver, is set aside, so that it holds up nothing.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, and_, exists, or_, outerjoin, select, update

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
        others = _others(connection, _Asked(target, done), number, envelope.data, agent)
        former, overtaken_by = _event(connection, others.former), _event(connection, others.later)
        is_late = others.later is not None and others.later < number
        found.append(
            Outgoing(number, agent, received.astimezone(UTC), envelope, payload, former, overtaken_by, is_late)
        )
    return found, unreadable


class _Asked(NamedTuple):
    """A target, and up to which number it was asked."""

    target: str
    done: int


@dataclass(frozen=True)
class _OthersOfAlert:
    """The other stored events of an event's alert that matter to it, by their numbers; no doubts."""

    former: int | None = None
    """The last before it, in whatever order they were stored."""
    later: int | None = None
    """The last of all that comes after it by epoch and sequence, and that the target was asked about before."""


def _others(connection: Connection, asked: _Asked, number: int, event: LocationEvent, agent: str) -> _OthersOfAlert:
    """Most are in order, which an index tells: an alert may have thousands of events."""
    if event.alert is None:
        return _OthersOfAlert()
    e, d = events.c, deliveries.c
    of_alert = select(e.number).where(e.alert == event.alert.id, e.agent == agent)
    before = and_(e.number < number, or_(e.epoch != event.epoch, e.sequence > event.sequence))
    waits = exists().where(d.target == asked.target, d.event == e.number)
    again = and_(e.number.between(number + 1, asked.done), ~waits)
    if any(connection.execute(of_alert.where(one).limit(1)).first() for one in (before, again)):
        return _ordered(connection, asked, number, event, agent)
    # those before it needn't be in order among themselves, and what was overtaken has drafted nothing
    told = of_alert.where(e.number < number, e.epoch == event.epoch, e.verdict.in_(ALERTS))
    former = told.order_by(e.sequence.desc(), e.number.desc()).limit(1)
    return _OthersOfAlert(connection.execute(former).scalar())


def _ordered(connection: Connection, asked: _Asked, number: int, event: LocationEvent, agent: str) -> _OthersOfAlert:
    assert event.alert is not None  # noqa: S101 - the caller has looked
    e, d = events.c, deliveries.c
    known = outerjoin(events, epochs, and_(epochs.c.agent == e.agent, epochs.c.epoch == e.epoch))
    chosen = select(e.number, e.verdict).select_from(known).where(e.alert == event.alert.id, e.agent == agent)
    latest = [(found, verdict) for found, verdict in connection.execute(chosen.order_by(*latest_first()))]
    numbers = [found for found, _ in latest]
    place = numbers.index(number) if number in numbers else len(numbers)  # so old that it is kept no more
    waiting = set(
        connection.execute(select(d.event).where(d.target == asked.target, d.location == event.location)).scalars()
    )
    told = ((n, verdict) for n, verdict in latest[:place] if n < number or (n <= asked.done and n not in waiting))
    before = (found for found, verdict in latest[place + 1 :] if found < number and verdict in ALERTS)
    later = (found for found, verdict in told if not _is_doubt(connection, found, verdict))
    return _OthersOfAlert(next(before, None), next(later, None))


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
