"""The records that are stored: agents' messages, parsed and validated."""

from dataclasses import dataclass
from datetime import datetime

from kardus.contract.messages import AgentStatus, Envelope, LocationEvent
from kardus.contract.receipts import Lost


@dataclass(frozen=True)
class EventMessage:
    """A location event."""

    topic: str
    agent: str
    envelope: Envelope[LocationEvent]
    payload: str


@dataclass(frozen=True)
class StatePlace:
    """A state's place among those of its location."""

    epoch: str
    sequence: int
    repeat: int


@dataclass(frozen=True)
class RetainedMessage:
    """A retained message, which replaces the one before; an empty payload deletes it."""

    agent: str
    kind: str
    """`state`, `status`, `health`, `coverage` or `model`."""
    subject: str
    """The location or camera; empty for the agent itself."""
    payload: str
    status: AgentStatus | None = None
    """Where it is the agent's status."""
    place: StatePlace | None = None
    """Where it is a state that says in which order it was said."""
    time: datetime | None = None
    """When it was said."""


@dataclass(frozen=True)
class PictureMessage:
    """The crop on which an event is based."""

    topic: str
    agent: str
    location: str
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
