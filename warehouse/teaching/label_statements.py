"""Stores what people say that an event's picture shows. Nothing is changed: the last statement on an event counts."""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from kardus.contract.manifest import EMPTY_CLASS, class_name
from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.verdicts import Verdict
from kardus.support.errors import UsageError
from kardus.support.identifiers import uuid7
from warehouse.store.labels import StatedTruth
from warehouse.store.tables import events, labels, present


@dataclass(frozen=True)
class LabelStatement:
    """What somebody says of an event's picture."""

    event: str
    truth: StatedTruth
    sku: str = ""
    """The product, where `truth` is one."""
    name: str = ""
    """Its class, where the product has several faces; empty: not said."""
    note: str = ""
    by: str = ""
    id: str = field(default_factory=uuid7)
    """A UUID: what is said again under it is stored once."""


class NoSuchEventError(UsageError):
    """There is no such event, or it was deleted."""


def add_label(connection: Connection, said: LabelStatement) -> tuple[Row[Any], bool]:
    """Store what somebody says, in the caller's transaction; the row, and whether it is new.

    Raises:
        NoSuchEventError: there is no such event.
        UsageError: a product isn't named, or one is where none stands; or the id is another label's.
    """
    said = replace(said, sku=class_name(said.sku), name=class_name(said.name))
    if said.sku == EMPTY_CLASS:
        raise UsageError("sku: 'empty' is no product: say `truth` 'empty'")
    if (said.truth == StatedTruth.PRODUCT) != bool(said.sku) or (said.name and not said.sku):
        raise UsageError("sku: name a product where `truth` is 'product', and only there")
    known = connection.execute(select(labels).where(labels.c.id == said.id)).first()
    if known is not None:
        if (known.event, known.truth, known.sku, known.name, known.note) != _key(said):
            raise UsageError("id: another label has it: send a new one")
        return known, False
    payload = connection.execute(select(events.c.payload).where(events.c.id == said.event)).scalar()
    if payload is None:
        raise NoSuchEventError("there is no event with this id, or it was deleted")
    envelope = Envelope[LocationEvent].model_validate_json(payload)
    agent = connection.execute(select(events.c.agent).where(events.c.id == said.event)).scalar_one()
    row = {**_of_event(envelope.data), "agent": agent, **vars(said), "truth": said.truth.value, "at": present()}
    connection.execute(insert(labels).values(**row))
    return connection.execute(select(labels).where(labels.c.id == said.id)).one(), True


def verdict_of(truth: StatedTruth, sku: str, expected: str | None) -> Verdict | None:
    """The verdict that a look should have had; None: what was said doesn't tell.

    Args:
        truth: what stands there.
        sku: which product, where it is one.
        expected: the product that the WMS expected; empty: nothing; None: it had said nothing.
    """
    if truth in (StatedTruth.UNUSABLE, StatedTruth.WITHDRAWN):
        return None
    if expected is None:
        return Verdict.UNMANAGED
    if truth == StatedTruth.EMPTY:
        return Verdict.EMPTY if expected else Verdict.MATCH
    if not expected:
        return Verdict.UNEXPECTED
    if truth == StatedTruth.FOREIGN:
        return Verdict.UNKNOWN
    return Verdict.MATCH if sku == expected else Verdict.MISMATCH


def _key(said: LabelStatement) -> tuple[str, ...]:
    return said.event, said.truth.value, said.sku, said.name, said.note


def _of_event(event: LocationEvent) -> dict[str, Any]:
    """What a label keeps of its event, which may be deleted."""
    seen = event.seen
    return {
        "alert": event.alert.id if event.alert else None,
        "location": event.location,
        "camera": event.camera,
        "captured": event.captured,
        "verdict": event.verdict.value,
        "expected": None if event.expected is None else event.expected.sku or "",
        "seen": seen_sku(event),
        "confidence": seen.confidence if seen else None,
    }


def seen_sku(event: LocationEvent) -> str | None:
    """The product that the model named; empty: it saw that nothing stands there; None: it named none."""
    if event.seen is None:
        return None
    return "" if event.seen.name == EMPTY_CLASS else event.seen.sku
