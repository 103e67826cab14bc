"""The API's records; what agents have said stands in them as it came (docs/messages.md)."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from kardus.contract.base import Record
from kardus.contract.messages import (
    AgentStatus,
    CameraHealth,
    Coverage,
    LocationEvent,
    LocationState,
    UtcTime,
)
from kardus.contract.verdicts import Verdict
from kardus.support.spelling import composed

AlertStatus = Literal["open", "acknowledged", "resolved"]
CommentText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")
]
"""What somebody writes."""
PersonName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A person's name."""
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]


class StateItem(Record):
    """A location as one agent sees it."""

    agent: str
    """Whose state it is."""
    received: UtcTime
    """When it was stored."""
    state: LocationState
    """The state as it holds now: `stale` once its time is over."""


class LocationItem(Record):
    """A location, as all the agents see it that watch it."""

    location: str
    """The WMS's code."""
    verdict: Verdict
    """What the most recent of its states says."""
    conflict: bool
    """Whether agents see different things there."""
    states: tuple[StateItem, ...]
    """One for each agent, the most recent first."""


class EventItem(Record):
    """A stored event."""

    number: int
    """Counts the events in the order in which they were stored."""
    id: str
    """Its id."""
    agent: str
    """Whose event it is."""
    received: UtcTime
    """When it was stored."""
    event: LocationEvent
    """The event as it came."""


class AlertItem(Record):
    """An alert, as its last event says."""

    id: str
    """Stays the same from opening to resolution."""
    agent: str
    """Whose alert it is."""
    location: str
    """Where it is."""
    status: AlertStatus
    """Where it is in its life."""
    opened: UtcTime
    """When the first picture of it was taken."""
    event: EventItem
    """Its last event, by the agent's count."""


class Comment(Record):
    """What somebody has said about an alert."""

    id: str
    """Its own, or the one that it was sent with."""
    alert: str
    """What it is about."""
    at: UtcTime
    """When it was stored."""
    by: str
    """Who said it: the token's name, and the person's where one was given."""
    text: str
    """What was said."""


class EvidenceItem(Record):
    """A stored picture: its content is at `/api/v1/evidence/{event}`."""

    event: str
    """The event that rests on it."""
    agent: str | None
    """Whose it is; null in rows of earlier versions."""
    location: str | None
    """What it shows; null in rows of earlier versions."""
    size: int
    """Bytes."""
    received: UtcTime | None
    """When it was stored; null: not known."""


class AgentItem(Record):
    """An agent, as it has said of itself."""

    agent: str
    """Its name."""
    received: UtcTime
    """When this was stored."""
    status: AgentStatus
    """What it, or its last will, said last."""


class CameraItem(Record):
    """A camera, as its agent has said."""

    agent: str
    """Whose it is."""
    camera: str
    """Its name."""
    received: UtcTime
    """When this was stored."""
    health: CameraHealth
    """What its agent said of it last."""


class CoverageItem(Record):
    """Which locations an agent had verified."""

    agent: str
    """Whose."""
    received: UtcTime
    """When this was stored."""
    coverage: Coverage
    """What it said last."""


class AuditEntry(Record):
    """An entry of the audit log: who has done what."""

    number: int
    """Counts the entries."""
    at: UtcTime
    """When."""
    actor: str
    """The token's name and id, or the command."""
    address: str
    """The network address that it came from."""
    action: str
    """`picture`, `acknowledge`, `comment`, `look`, `label`, `make-token`, `revoke-token`."""
    subject: str
    """The event, alert, location or token."""
    detail: str
    """What came of it."""


class Page(Record):
    """A part of a list, and where the next one begins."""

    next: str | None = None
    """The cursor of the next part; null: there is none now."""


class LocationPage(Page):
    """Locations, by their code."""

    items: tuple[LocationItem, ...]
    """At most `limit`."""


class StatePage(Page):
    """States, by location and agent."""

    items: tuple[StateItem, ...]
    """At most `limit`."""


class EventPage(Page):
    """Events, by their number."""

    items: tuple[EventItem, ...]
    """At most `limit`."""


class AlertPage(Page):
    """Alerts, by when they were opened."""

    items: tuple[AlertItem, ...]
    """At most `limit`."""


class CommentPage(Page):
    """Comments, the oldest first."""

    items: tuple[Comment, ...]
    """At most `limit`."""


class EvidencePage(Page):
    """Pictures, the newest first."""

    items: tuple[EvidenceItem, ...]
    """At most `limit`."""


class AgentPage(Page):
    """Agents, by name."""

    items: tuple[AgentItem, ...]
    """At most `limit`."""


class CameraPage(Page):
    """Cameras, by agent and name."""

    items: tuple[CameraItem, ...]
    """At most `limit`."""


class CoveragePage(Page):
    """Coverage, by agent."""

    items: tuple[CoverageItem, ...]
    """At most `limit`."""


class AuditPage(Page):
    """The audit log, the newest first."""

    items: tuple[AuditEntry, ...]
    """At most `limit`."""


class Acknowledging(Record):
    """Says that an alert is known to somebody."""

    by: PersonName = ""
    """The person; without one it is the token's name."""


class Commenting(Record):
    """Writes a comment on an alert."""

    text: CommentText
    """What is said."""
    by: PersonName = ""
    """The person; without one it is the token's name."""
    id: Uuid | None = None
    """A UUID of the sender's: what is sent again under it is stored once."""


class CaptureRequest(Record):
    """Asks for a location to be looked at again."""

    location: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(composed)
    ]
    """The location's code."""


class Asked(Record):
    """What came of a question to an agent."""

    agent: str
    """Which agent."""
    answered: bool
    """Whether it has answered: else it will, or won't within a minute, or was offline."""
    offline: bool = False
    """Whether it is offline, so that it wasn't asked."""
    result: Annotated[dict[str, object], Field(default_factory=dict)]
    """What it answered: see docs/messages.md."""


class AskedAll(Record):
    """What came of a question to the agents that watch a location."""

    items: tuple[Asked, ...]
    """One for each."""
