"""What an agent's message is: held against the contract, told apart, never raising whatever it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from kardus.contract.base import Record
from kardus.contract.messages import AgentStatus, CameraHealth, Coverage, Envelope, LocationEvent, LocationState
from kardus.contract.receipts import MAX_SEQUENCE, EpochId, Lost
from kardus.contract.topics import ROOT, Topics

MAX_MESSAGE_BYTES = 1_000_000
"""A larger message is none of the contract's; coverage of 10,000 locations has about as many."""
MAX_PICTURE_BYTES = 4_000_000
JPEG = b"\xff\xd8"
"""What every JPEG begins with."""
_LATEST: dict[str, type[Envelope[LocationState] | Envelope[AgentStatus] | Envelope[CameraHealth] | Envelope[Coverage]]]
_LATEST = {
    "state": Envelope[LocationState],
    "status": Envelope[AgentStatus],
    "health": Envelope[CameraHealth],
    "coverage": Envelope[Coverage],
}


@dataclass(frozen=True)
class Event:
    """A change of verdict."""

    agent: str
    envelope: Envelope[LocationEvent]
    payload: str


@dataclass(frozen=True)
class Latest:
    """A retained message, which replaces the one before; without a payload it is forgotten."""

    agent: str
    kind: str
    """`state`, `status`, `health` or `coverage`."""
    subject: str
    """The location or camera; empty for the agent itself."""
    payload: str
    status: AgentStatus | None = None
    """Where it is the agent's status."""


@dataclass(frozen=True)
class Picture:
    """The crop that an event rests on."""

    event: str
    jpeg: bytes


@dataclass(frozen=True)
class NeverComing:
    """Events that are announced as lost."""

    agent: str
    lost: Lost


@dataclass(frozen=True)
class DeadLetter:
    """What doesn't fit the contract, with the reason in one line."""

    topic: str
    payload: bytes
    reason: str
    agent: str = ""
    epoch: str | None = None
    """Where at least this can be read: which event it should have been."""
    sequence: int | None = None


Parsed = Event | Latest | Picture | NeverComing | DeadLetter | None
"""None: a topic that isn't the receiver's concern."""


class _Place(Record):
    epoch: EpochId
    sequence: Annotated[int, Field(ge=1, le=MAX_SEQUENCE)]


class _Envelope(Record):
    data: _Place


def parse(site: str, topic: str, payload: bytes) -> Parsed:
    """What a message is."""
    prefix = f"{ROOT}/{site}/agents/"
    agent, *rest = topic.removeprefix(prefix).split("/") if topic.startswith(prefix) else [""]
    try:
        return _parse(Topics(site, agent), rest, payload)
    except (ValueError, RecursionError) as error:
        place = _place(payload) if rest[-1:] == ["events"] else None
        where = (place.epoch, place.sequence) if place else (None, None)
        return DeadLetter(topic, payload, _reason(error), agent, *where)


def _parse(topics: Topics, rest: list[str], payload: bytes) -> Parsed:
    match rest:
        case ["locations", location, "evidence", event]:
            return Picture(_require(event, location), _jpeg(payload))
        case ["locations", location, "events"]:
            return _event(topics.agent, location, payload)
        case ["locations", subject, "state"] | ["cameras", subject, "health"]:
            return _latest(topics, rest[-1], subject, payload)
        case ["status" | "coverage" as kind]:
            return _latest(topics, kind, "", payload)
        case ["lost"] if payload:
            return NeverComing(topics.agent, Envelope[Lost].model_validate_json(_limited(payload)).data)
        case _:
            return None


def _event(agent: str, location: str, payload: bytes) -> Event:
    envelope = Envelope[LocationEvent].model_validate_json(_limited(payload))
    _Place(epoch=envelope.data.epoch, sequence=envelope.data.sequence)
    if envelope.data.location != location:
        raise ValueError(f"the event is of location '{envelope.data.location}', its topic of '{location}'")
    return Event(agent, envelope, payload.decode())


def _latest(topics: Topics, kind: str, subject: str, payload: bytes) -> Latest:
    if not payload:
        return Latest(topics.agent, kind, subject, "")
    data = _LATEST[kind].model_validate_json(_limited(payload)).data
    told = data.location if isinstance(data, LocationState) else data.camera if isinstance(data, CameraHealth) else ""
    if told != subject:
        raise ValueError(f"the message is of '{told}', its topic of '{subject}'")
    status = data if isinstance(data, AgentStatus) else None
    return Latest(topics.agent, kind, subject, payload.decode(), status)


def _jpeg(payload: bytes) -> bytes:
    if not payload.startswith(JPEG):
        raise ValueError("not a JPEG")
    if len(payload) > MAX_PICTURE_BYTES:
        raise ValueError(f"{len(payload)} bytes are too many for a picture")
    return payload


def _limited(payload: bytes) -> bytes:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"{len(payload)} bytes are too many")
    return payload


def _require(event: str, location: str) -> str:
    if not event or not location:
        raise ValueError("no event in the topic")
    return event


def _place(payload: bytes) -> _Place | None:
    """Which event it should have been, whatever else is wrong with it."""
    try:
        return _Envelope.model_validate_json(payload[:MAX_MESSAGE_BYTES]).data
    except (ValidationError, RecursionError):
        return None


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"{key}: {first['msg']}".removeprefix(": ")
    return str(error) or type(error).__name__
