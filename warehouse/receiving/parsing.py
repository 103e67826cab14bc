"""Parses and validates agents' messages. Never raises: a message that doesn't fit becomes a dead letter."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from kardus.contract.base import Record
from kardus.contract.messages import AgentStatus, CameraHealth, Coverage, Envelope, LocationEvent, LocationState
from kardus.contract.receipts import MAX_SEQUENCE, EpochId, Lost
from kardus.contract.topics import ROOT, Topics, location_code, location_level

MAX_MESSAGE_BYTES = 1_000_000
"""A larger message is rejected; coverage of 10,000 locations has about as many."""
MAX_PICTURE_BYTES = 4_000_000
JPEG_MAGIC = b"\xff\xd8"
"""The first bytes of every JPEG."""
_RETAINED_TYPES: dict[
    str, type[Envelope[LocationState] | Envelope[AgentStatus] | Envelope[CameraHealth] | Envelope[Coverage]]
]
_RETAINED_TYPES = {
    "state": Envelope[LocationState],
    "status": Envelope[AgentStatus],
    "health": Envelope[CameraHealth],
    "coverage": Envelope[Coverage],
}


@dataclass(frozen=True)
class EventMessage:
    """A location event."""

    agent: str
    envelope: Envelope[LocationEvent]
    payload: str


@dataclass(frozen=True)
class RetainedMessage:
    """A retained message, which replaces the one before; an empty payload deletes it."""

    agent: str
    kind: str
    """`state`, `status`, `health` or `coverage`."""
    subject: str
    """The location or camera; empty for the agent itself."""
    payload: str
    status: AgentStatus | None = None
    """Where it is the agent's status."""


@dataclass(frozen=True)
class PictureMessage:
    """The crop on which an event is based."""

    event: str
    jpeg: bytes


@dataclass(frozen=True)
class LostMessage:
    """An agent's announcement of lost events."""

    agent: str
    lost: Lost


@dataclass(frozen=True)
class DeadLetter:
    """A message that doesn't fit the contract, with the reason in one line."""

    topic: str
    payload: bytes
    reason: str
    agent: str = ""
    epoch: str | None = None
    """With `sequence`: the event it should have been, where at least that can be read."""
    sequence: int | None = None


ParsedMessage = EventMessage | RetainedMessage | PictureMessage | LostMessage | DeadLetter | None
"""None: a topic that the receiver doesn't handle."""


class _EventPosition(Record):
    epoch: EpochId
    sequence: Annotated[int, Field(ge=1, le=MAX_SEQUENCE)]


class _PositionEnvelope(Record):
    data: _EventPosition


def parse_message(site: str, topic: str, payload: bytes) -> ParsedMessage:
    """Parse one message of a site's agents."""
    prefix = f"{ROOT}/{site}/agents/"
    agent, *rest = topic.removeprefix(prefix).split("/") if topic.startswith(prefix) else [""]
    try:
        return _parse_topic(Topics(site, agent), rest, payload)
    except (ValueError, RecursionError) as error:
        place = _position(payload) if rest[-1:] == ["events"] else None
        where = (place.epoch, place.sequence) if place else (None, None)
        return DeadLetter(topic, payload, _error_text(error), agent, *where)


def _parse_topic(topics: Topics, rest: list[str], payload: bytes) -> ParsedMessage:
    match rest:
        case ["locations", level, "evidence", event]:
            return PictureMessage(_require_event_id(event, location_code(level)), _checked_jpeg(payload))
        case ["locations", level, "events"]:
            return _parse_event(topics.agent, location_code(level), payload)
        case ["locations", level, "state"] | ["cameras", level, "health"]:
            return _parse_retained(topics, rest[-1], level, payload)
        case ["status" | "coverage" as kind]:
            return _parse_retained(topics, kind, "", payload)
        case ["lost"] if payload:
            return LostMessage(topics.agent, Envelope[Lost].model_validate_json(_checked_size(payload)).data)
        case _:
            return None


def _parse_event(agent: str, location: str, payload: bytes) -> EventMessage:
    envelope = Envelope[LocationEvent].model_validate_json(_checked_size(payload))
    _EventPosition(epoch=envelope.data.epoch, sequence=envelope.data.sequence)
    if envelope.data.location != location:
        raise ValueError(f"the event is of location '{envelope.data.location}', its topic of '{location}'")
    return EventMessage(agent, envelope, payload.decode())


def _parse_retained(topics: Topics, kind: str, level: str, payload: bytes) -> RetainedMessage | None:
    subject = location_code(level) if kind == "state" else level
    if kind == "state" and not payload and location_level(subject) != level:
        return None  # an earlier version's topic, which is cleared
    if not payload:
        return RetainedMessage(topics.agent, kind, subject, "")
    data = _RETAINED_TYPES[kind].model_validate_json(_checked_size(payload)).data
    told = data.location if isinstance(data, LocationState) else data.camera if isinstance(data, CameraHealth) else ""
    if told != subject:
        raise ValueError(f"the message is of '{told}', its topic of '{subject}'")
    status = data if isinstance(data, AgentStatus) else None
    return RetainedMessage(topics.agent, kind, subject, payload.decode(), status)


def _checked_jpeg(payload: bytes) -> bytes:
    if not payload.startswith(JPEG_MAGIC):
        raise ValueError("not a JPEG")
    if len(payload) > MAX_PICTURE_BYTES:
        raise ValueError(f"{len(payload)} bytes are too many for a picture")
    return payload


def _checked_size(payload: bytes) -> bytes:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"{len(payload)} bytes are too many")
    return payload


def _require_event_id(event: str, location: str) -> str:
    if not event or not location:
        raise ValueError("no event in the topic")
    return event


def _position(payload: bytes) -> _EventPosition | None:
    """Which event an invalid message should have been, where that can be read."""
    try:
        return _PositionEnvelope.model_validate_json(payload[:MAX_MESSAGE_BYTES]).data
    except (ValidationError, RecursionError):
        return None


def _error_text(error: ValueError | RecursionError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"{key}: {first['msg']}".removeprefix(": ")
    return str(error) or type(error).__name__
