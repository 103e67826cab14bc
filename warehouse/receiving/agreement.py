"""Checks whether what a message says of itself agrees with its topic, and its times with the calendar."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, TypeVar, get_args

from pydantic import AwareDatetime

from kardus.contract.base import Record
from kardus.contract.messages import (
    COVERAGE_TYPE,
    EVENT_TYPE,
    HEALTH_TYPE,
    MAX_VALID,
    MODEL_TYPE,
    STATE_TYPE,
    STATUS_TYPE,
    Envelope,
    LocationState,
    source_of,
)
from kardus.contract.receipts import LOST_TYPE
from kardus.contract.topics import Topics

MAX_AHEAD = timedelta(days=1)
"""A clock may be wrong by so much; what claims to be of later is refused."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Where clocks begin that were never set: nothing was ever seen before."""
_TYPES = {
    "events": EVENT_TYPE,
    "state": STATE_TYPE,
    "status": STATUS_TYPE,
    "health": HEALTH_TYPE,
    "coverage": COVERAGE_TYPE,
    "lost": LOST_TYPE,
    "model": MODEL_TYPE,
}
"""By the last level of the topic."""
_AHEAD_BY_NATURE = frozenset({"valid_until"})
"""Bounded by itself: see `MAX_VALID`."""


class OtherAgentError(ValueError):
    """The message says that it is another agent's."""


def require_agreement(topics: Topics, kind: str, subject: str, envelope: Envelope[Any], now: datetime) -> None:
    """Compare a message with its topic: the agent, the kind of message, and its location or camera.

    Raises:
        OtherAgentError: its `source` is another agent.
        ValueError: it is of another kind or subject than its topic, or of a time that is still far off, or that no
            clock shows.
    """
    if envelope.source not in _sources(topics.site, topics.agent):
        raise OtherAgentError(f"source: the message is of '{envelope.source}', its topic of '/{topics.base}'")
    if envelope.type != _TYPES[kind]:
        raise ValueError(f"type: '{envelope.type}' doesn't belong on a topic '{kind}': that is for '{_TYPES[kind]}'")
    told = {envelope.subject or subject, getattr(envelope.data, "location", subject), _camera_of(envelope, subject)}
    if other := sorted(told - {subject}):
        raise ValueError(f"the message is of '{other[0]}', its topic of '{subject}'")
    if isinstance(envelope.data, LocationState) and envelope.data.valid_until > now + MAX_VALID:
        raise ValueError(
            f"valid_until: {envelope.data.valid_until:%Y-%m-%dT%H:%M:%SZ} is more than {MAX_VALID.days} days ahead: "
            "correct the agent's clock"
        )
    latest = now + MAX_AHEAD
    for key, moment in _times(envelope):
        if moment > latest:
            raise ValueError(f"{key}: {moment:%Y-%m-%dT%H:%M:%SZ} is more than a day ahead: correct the agent's clock")
        if moment < EARLIEST:
            raise ValueError(f"{key}: {moment.isoformat()} is before {EARLIEST.year}: correct the agent's clock")


@lru_cache(maxsize=4096)  # few agents say much
def _sources(site: str, agent: str) -> tuple[str, ...]:
    """How an agent names itself; the last two: in earlier versions."""
    topics = Topics(site, agent)
    return source_of(topics), f"/{topics.base}", topics.base


def _camera_of(envelope: Envelope[Any], subject: str) -> str:
    """The camera that a camera's health is of; an event's camera isn't its subject."""
    return str(getattr(envelope.data, "camera", subject)) if envelope.type == HEALTH_TYPE else subject


def _times(record: Record, prefix: str = "") -> Iterator[tuple[str, datetime]]:
    """Every moment in a message that is past by nature, with its key."""
    for name in _may_hold_times(type(record)):
        value = getattr(record, name)
        if isinstance(value, datetime):
            yield f"{prefix}{name}", value
        elif isinstance(value, Record):
            yield from _times(value, f"{prefix}{name}.")
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                if isinstance(item, Record):
                    yield from _times(item, f"{prefix}{name}.{number}.")


@cache
def _may_hold_times(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a record that are, or may hold, a moment that is past by nature: the others aren't looked at."""
    return tuple(
        name
        for name, field in kind.model_fields.items()
        if name not in _AHEAD_BY_NATURE and _may_hold(field.annotation)
    )


def _may_hold(annotation: Any) -> bool:
    if parts := get_args(annotation):
        return any(_may_hold(part) for part in parts)
    if not isinstance(annotation, type):
        return annotation is Any or isinstance(annotation, TypeVar)  # what can't be told is looked at
    if issubclass(annotation, Record):
        return bool(_may_hold_times(annotation))
    return issubclass(annotation, datetime | AwareDatetime)
