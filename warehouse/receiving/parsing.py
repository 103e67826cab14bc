"""Parses and validates agents' messages. Never raises: a message that doesn't fit becomes a dead letter."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import Field, ValidationError

from kardus.contract.base import MAX_COUNT, AgentCount, Record
from kardus.contract.messages import AgentStatus, CameraHealth, Coverage, Envelope, LocationEvent, LocationState
from kardus.contract.model_status import ModelStatus
from kardus.contract.receipts import MAX_EPOCH, EpochId, Lost
from kardus.contract.topics import ROOT, Topics, is_id, location_code, location_level
from warehouse.receiving.agreement import OtherAgentError, require_agreement
from warehouse.store.json_texts import once_written, plain_text, without_nul
from warehouse.store.records import (
    DeadLetter,
    EventMessage,
    LostMessage,
    ParsedMessage,
    PictureMessage,
    RetainedMessage,
    StatePlace,
)

MAX_MESSAGE_BYTES = 1_000_000
"""A larger message is rejected; coverage of 10,000 locations has about as many."""
MAX_PICTURE_BYTES = 4_000_000
JPEG_MAGIC = b"\xff\xd8"
"""The first bytes of every JPEG."""
_EVENT = Envelope[LocationEvent]
_RETAINED_TYPES: dict[
    str,
    type[
        Envelope[LocationState]
        | Envelope[AgentStatus]
        | Envelope[CameraHealth]
        | Envelope[Coverage]
        | Envelope[ModelStatus]
    ],
]
_RETAINED_TYPES = {
    "state": Envelope[LocationState],
    "status": Envelope[AgentStatus],
    "health": Envelope[CameraHealth],
    "coverage": Envelope[Coverage],
    "model": Envelope[ModelStatus],
}


class _EventPosition(Record):
    epoch: EpochId
    sequence: Annotated[AgentCount, Field(ge=1)]


class _PositionEnvelope(Record):
    data: _EventPosition


def parse_message(site: str, topic: str, payload: bytes, now: datetime | None = None) -> ParsedMessage:
    """Parse one message of a site's agents; `now` is what its times are compared with, by default the clock's time."""
    prefix = f"{ROOT}/{site}/agents/"
    agent, *rest = topic.removeprefix(prefix).split("/") if topic.startswith(prefix) else [""]
    try:
        text = payload if rest[2:3] == ["evidence"] else without_nul(payload)  # a picture is no text
        return _parse_topic(Topics(site, agent), rest, text, now or datetime.now(UTC))
    except OtherAgentError as error:  # it isn't that agent's event, and must not be acknowledged as one
        return DeadLetter(topic, payload, str(error), agent)
    except (ValueError, RecursionError) as error:
        place = _position(without_nul(payload)) if rest[-1:] == ["events"] else None
        where = (place.epoch, place.sequence) if place else (None, None)
        return DeadLetter(topic, payload, _error_text(error), agent, *where)


def _parse_topic(topics: Topics, rest: list[str], payload: bytes, now: datetime) -> ParsedMessage:
    if rest:
        _require_name(topics.agent)
    match rest:
        case ["locations", level, "evidence", event]:
            location = location_code(level)
            event = _require_event_id(event, location)
            topic = topics.evidence(location, event)
            return PictureMessage(topic, topics.agent, location, event, _checked_jpeg(payload))
        case ["locations", level, "events"]:
            return _parse_event(topics, location_code(level), payload, now)
        case ["locations", level, "state"] | ["cameras", level, "health"]:
            return _parse_retained(topics, rest[-1], level, payload, now)
        case ["status" | "coverage" | "model" as kind]:
            return _parse_retained(topics, kind, "", payload, now)
        case ["lost"] if payload:
            return _parse_lost(topics, payload, now)
        case _:
            return None


def _parse_event(topics: Topics, location: str, payload: bytes, now: datetime) -> EventMessage:
    envelope = _EVENT.model_validate_json(_checked_size(payload))
    if not 0 < len(envelope.data.epoch) <= MAX_EPOCH:  # all else is as an event has it: to look costs a tenth of that
        _EventPosition(epoch=envelope.data.epoch, sequence=envelope.data.sequence)
    require_agreement(topics, "events", location, envelope, now)
    return EventMessage(topics.events(location), topics.agent, envelope, plain_text(payload))


def _parse_retained(topics: Topics, kind: str, level: str, payload: bytes, now: datetime) -> RetainedMessage | None:
    subject = location_code(level) if kind == "state" else level
    if kind == "state" and not payload and location_level(subject) != level:
        return None  # an earlier version's topic, which is cleared
    if not payload:
        return RetainedMessage(topics.agent, kind, subject, "")
    envelope = _RETAINED_TYPES[kind].model_validate_json(_checked_size(payload))
    require_agreement(topics, kind, subject, envelope, now)
    data = envelope.data
    status = data if isinstance(data, AgentStatus) else None
    place = _place_of(data) if isinstance(data, LocationState) else None
    text = once_written(payload)  # the databases look into what is retained
    return RetainedMessage(topics.agent, kind, subject, text, status, place, envelope.time)


def _place_of(state: LocationState) -> StatePlace | None:
    return StatePlace(state.epoch, state.sequence, state.repeat) if state.epoch else None


def _parse_lost(topics: Topics, payload: bytes, now: datetime) -> LostMessage:
    envelope = Envelope[Lost].model_validate_json(_checked_size(payload))
    require_agreement(topics, "lost", "", envelope, now)
    if any(last > MAX_COUNT for _, last in envelope.data.ranges):
        raise ValueError(f"ranges: no agent counts beyond {MAX_COUNT}")
    return LostMessage(topics.agent, envelope.data)


@lru_cache(maxsize=4096)  # few agents say much
def _require_name(agent: str) -> None:
    if not is_id(agent):
        raise ValueError(f"'{agent}' in the topic is no agent's name")


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
