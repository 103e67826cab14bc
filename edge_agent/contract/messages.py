"""The messages, as pydantic models. Fields are only ever added, with defaults.

What the agent publishes travels in CloudEvents 1.0 structured JSON (https://cloudevents.io); what the WMS side
publishes as expected stock is plain JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, Field, NonNegativeInt, PlainSerializer

from edge_agent.contract.base import Record
from edge_agent.contract.topics import Id
from edge_agent.contract.verdicts import Verdict


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


UtcTime = Annotated[AwareDatetime, PlainSerializer(_utc_text, return_type=str, when_used="json")]
Share = Annotated[float, Field(ge=0, le=1)]
MAX_REVISION = 2**63 - 1


class Expected(Record):
    """What the WMS expects at a location. The highest revision wins."""

    revision: Annotated[int, Field(ge=0, le=MAX_REVISION, strict=True)]
    sku: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """None: the location must be empty."""
    managed: bool = True
    """False: the WMS has given the location up."""
    quantity: Annotated[int, Field(ge=0)] | None = None
    """Passed on, not counted."""
    valid_from: UtcTime | None = None


class ExpectedStock(Record):
    """The expectation that a verdict was judged against."""

    sku: str | None
    revision: int
    age_s: Annotated[float, Field(ge=0)]
    """Seconds since the agent received it."""
    quantity: int | None = None


class Candidate(Record):
    """A product that may be standing there."""

    sku: str
    likelihood: Share


class Seen(Record):
    """What the camera saw."""

    sku: str | None
    """None when the variant is unsure, nothing stands there, or it is none of the known products."""
    name: str | None = None
    """The class (a face of the product)."""
    category: str | None = None
    confidence: Share = 0.0
    top: tuple[Candidate, ...] = ()
    """The three most likely products."""


class Model(Record):
    """The model that judged."""

    name: str
    version: str


class LocationEvent(Record):
    """A change of verdict at a location."""

    epoch: str
    """Identifies the outbox; a new one begins a new count."""
    sequence: Annotated[int, Field(ge=1)]
    """Counts events of an epoch, without gaps."""
    boot_id: str
    captured: UtcTime
    clock_synchronised: bool
    location: Id
    verdict: Verdict
    previous: Verdict | None
    expected: ExpectedStock | None
    seen: Seen | None
    expected_likelihood: Share | None
    camera: Id
    model: Model
    reason: str = ""
    """Why the verdict is a doubt."""
    historical: bool = False
    """Sent late, after the broker was away."""


class LocationState(Record):
    """The current verdict at a location (retained). Void after `valid_until`."""

    location: Id
    verdict: Verdict
    since: UtcTime
    last_verified: UtcTime
    valid_until: UtcTime
    expected: ExpectedStock | None
    seen: Seen | None
    camera: Id
    model: Model
    reason: str = ""


class AgentStatus(Record):
    """Whether an agent is connected (retained; `offline` is its last will)."""

    status: Literal["online", "offline"]
    boot_id: str
    reason: str = ""
    version: str = ""
    model: Model | None = None
    locations: NonNegativeInt = 0


class CameraHealth(Record):
    """Whether a camera delivers pictures (retained)."""

    camera: Id
    status: Literal["ok", "lost", "ended"]
    reason: str = ""
    since: UtcTime


Data = TypeVar("Data", bound=Record)


class Envelope(Record, Generic[Data]):
    """CloudEvents 1.0, structured mode."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    time: UtcTime
    subject: str = ""
    datacontenttype: Literal["application/json"] = "application/json"
    data: Data

    def encode(self) -> bytes:
        """The payload as JSON in UTF-8."""
        return self.model_dump_json().encode()


EVENT_TYPE = "kardus.location.event.v1"
STATE_TYPE = "kardus.location.state.v1"
STATUS_TYPE = "kardus.agent.status.v1"
HEALTH_TYPE = "kardus.camera.health.v1"
