"""The messages, as pydantic models. Fields are only ever added, with defaults.

What the agent publishes is CloudEvents 1.0 structured JSON (https://cloudevents.io); expected stock is plain JSON.
"""

import operator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, Field, GetCoreSchemaHandler, PlainSerializer, SerializeAsAny, StringConstraints
from pydantic_core import CoreSchema, core_schema

from kardus.contract.base import MAX_INTEGER, AgentCount, Flag, Integer, NfcText, Record
from kardus.contract.topics import Id, LocationCode, Topics
from kardus.contract.verdicts import Verdict


def in_utc(moment: datetime) -> datetime:
    """A moment in UTC.

    Raises:
        ValueError: it lies outside the calendar there.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the first and last day of the calendar have no UTC in every zone
        raise ValueError("lies outside the calendar in UTC") from error


@lru_cache(maxsize=64)  # what one picture shows has the same few times at all locations
def utc_text(moment: datetime) -> str:
    """A moment as every message writes it: in UTC, with milliseconds and a `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _require_written_out(moment: Any) -> Any:
    """Numbers, and dates without hyphens, would be taken for seconds since 1970."""
    if not isinstance(moment, str) or moment.strip().lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("write the time as RFC 3339 does, such as 2026-03-02T07:30:12Z")
    return moment


class _ParsedInUtc:
    """Moments that come as JSON are texts (RFC 3339), and are brought to UTC; our own are UTC already."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        own = handler(source)
        written = core_schema.no_info_before_validator_function(_require_written_out, own)
        parsed = core_schema.no_info_after_validator_function(in_utc, written)
        return core_schema.json_or_python_schema(json_schema=parsed, python_schema=own)


UtcTime = Annotated[AwareDatetime, _ParsedInUtc, PlainSerializer(utc_text, return_type=str, when_used="json")]
Proportion = Annotated[float, Field(ge=0, le=1)]
MAX_REVISION = MAX_INTEGER
MAX_SKU = 200
MAX_AGENT_LOCATIONS = 1_000_000
"""Of one agent."""
MAX_REASON = 200
MAX_VALID = timedelta(days=2)
"""From now: agents are set to a day at most, and their clocks may be a day ahead."""

Status = Literal[
    "ok",
    "lost",
    "frozen",
    "dark",
    "over-exposed",
    "blurred",
    "covered",
    "moved",
    "no colour",
    "colour cast",
    "other rack",
    "ended",
]
"""How a camera's pictures are."""


def _left_out(schema: dict[str, Any]) -> None:
    """CloudEvents know no empty text: what isn't said is left out."""
    del schema["default"]
    schema["minLength"] = 1


class Expected(Record):
    """What the WMS expects at a location. The highest revision wins."""

    revision: Integer
    """Grows with every change for the location."""
    sku: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_SKU), NfcText] | None = (
        None
    )
    """None: the location must be empty. It has to be said of a location that is managed."""
    managed: Flag = True
    """False: the WMS has given the location up."""
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""
    """Why it isn't managed, for people."""
    quantity: Integer | None = None
    """0: the location must be empty, whatever `sku` says. Other quantities are passed on, not counted."""
    valid_from: UtcTime | None = None
    """When the expectation begins to hold; passed on."""
    location: LocationCode | None = None
    """The location's code, as it is; its topic has it escaped. Null: what the topic says."""


class ExpectedStock(Record):
    """The expectation that a verdict was judged against."""

    sku: str | None
    """The product; null: the location must be empty."""
    revision: Integer
    """The WMS's revision that the verdict rests on."""
    age_s: Annotated[float, Field(ge=0)]
    """Seconds since the agent received it."""
    quantity: Integer | None = None
    """As the WMS gave it."""


class Candidate(Record):
    """A product that may be standing there."""

    sku: str
    """The product."""
    likelihood: Proportion
    """How likely it is, calibrated."""


class Seen(Record):
    """What the camera saw."""

    sku: str | None
    """None when the variant is unsure, nothing stands there, or it is none of the known products."""
    name: str | None = None
    """The class (a face of the product)."""
    category: str | None = None
    """The product's category, which may be sure while the variant is not, or while the product is `unknown`."""
    confidence: Proportion = 0.0
    """Likelihood of `sku`, or of the category where `sku` is null."""
    top: tuple[Candidate, ...] = ()
    """The three most likely products."""


class Model(Record):
    """The model that judged."""

    name: str
    """The bundle's name."""
    version: str
    """The bundle's version."""


class Alert(Record):
    """What somebody has to walk to a location for, from its first verdict to the one that all is well."""

    id: str
    """Stays the same while the verdict changes from one alert to another."""
    status: Literal["open", "acknowledged", "resolved"]
    """Where it is in its life."""
    opened: UtcTime
    """When the first picture of it was taken."""
    acknowledged: UtcTime | None = None
    """When somebody said that it is known."""
    by: str = ""
    """Who said so."""
    resolved: UtcTime | None = None
    """When the picture was taken that showed that all is well."""
    duration_s: Annotated[float, Field(ge=0)] | None = None
    """Seconds from opening to resolution; null while it stands."""
    reason: Annotated[str, Field(exclude_if=operator.not_, json_schema_extra=_left_out)] = ""
    """Why it was resolved: `corrected` where somebody said that it was wrong; left out where a picture showed it."""


class LocationVerdict(Record):
    """What an event and a state say alike of a location."""

    location: LocationCode
    """The WMS's code of the storage location."""
    verdict: Verdict
    """What is found now."""
    expected: ExpectedStock | None
    """What the WMS expects; null where it has said nothing."""
    seen: Seen | None
    """What the camera saw; null where the view can't be trusted."""
    camera: Id
    """The camera."""
    model: Model
    """The model that judged."""
    reason: str = ""
    """Why the verdict is a doubt, or why the view can't be trusted."""
    facing: AgentCount | None = None
    """Which of a location's facings the verdict is about, from 1; null where it has one, or all of them agree."""
    seen_at: tuple[LocationCode, ...] = ()
    """Where the expected product is seen instead: at most five locations of this agent."""
    corrected: Annotated[Flag, Field(exclude_if=operator.not_)] = False
    """Whether a person has said it in place of the model; left out where it isn't."""
    alert: Alert | None = None
    """The location's alert; null where there is none."""


class LocationEvent(LocationVerdict):
    """A change of verdict at a location."""

    epoch: str
    """Identifies a count of events: of an outbox's file, until the machine stops without closing it. A UUID (version 7)
    that is higher than the agent's earlier ones."""
    sequence: Annotated[AgentCount, Field(ge=1)]
    """Counts events of an epoch, without gaps."""
    boot_id: str
    """Identifies the machine's start."""
    captured: UtcTime
    """When the picture was taken."""
    clock_synchronised: Flag
    """Whether the kernel says that its clock is kept right."""
    previous: Verdict | None
    """What was found before; null at the first event of the location."""
    expected_likelihood: Proportion | None
    """How likely the expected product is."""
    evidence: Flag = False
    """Whether the agent keeps pictures of it: see `commands/evidence`."""
    historical: Flag = False
    """Sent late, after the broker was away."""


def is_void(valid_until: datetime, moment: datetime) -> bool:
    """Whether what holds until then says nothing at a moment: its time is over, or further ahead than any state's."""
    return not moment < valid_until <= moment + MAX_VALID


class LocationState(LocationVerdict):
    """The current verdict at a location (retained). Void after `valid_until`."""

    since: UtcTime
    """Since when."""
    last_verified: UtcTime | None
    """When a picture of the location was last good enough to say what stands there; null: never."""
    valid_until: UtcTime
    """From then on the state says nothing any more."""
    epoch: Annotated[str, Field(max_length=100)] = ""
    """The epoch in which this was said; empty: not said, by an earlier version."""
    sequence: AgentCount = 0
    """The last event of that epoch when this was said: of two states the higher one holds, not the later to arrive."""
    repeat: AgentCount = 0
    """Counts the location's states of one epoch and sequence, from 0: of these too the highest holds."""

    def at(self, moment: datetime) -> "LocationState":
        """The state as it is to be read at a moment: `stale` once it is void, so that a dead agent leaves no match.

        What says that it holds longer than any state does says nothing: it would stand for years.
        """
        if not is_void(self.valid_until, moment):
            return self
        void = "no word from the agent since" if self.valid_until <= moment else "the agent's clock is far ahead"
        reason = self.reason if self.verdict == Verdict.STALE else void
        return self.model_copy(update={"verdict": Verdict.STALE, "reason": reason})


class Verified(Record):
    """When a location was last verified."""

    location: LocationCode
    """The WMS's code of the storage location."""
    verdict: Verdict
    """What was found last."""
    last_verified: UtcTime | None
    """When a picture of it was last good enough to say so; null: never."""
    reason: str = ""
    """Why the verdict is a doubt, or why the view can't be trusted."""


class Coverage(Record):
    """Which locations are verified: published when a day (UTC) is over, and on request (retained).

    A location is verified while its verdict says what stands there, by a picture that was taken since the day began.
    """

    since: UtcTime
    """From when on a location counts as verified."""
    until: UtcTime
    """When this was said."""
    total: AgentCount
    """How many locations the agent watches."""
    verified: AgentCount
    """How many of them are verified when this is said: not those whose view can't be trusted by now."""
    locations: tuple[Verified, ...]
    """Each location."""


class LastPicture(Record):
    """When a camera's last good picture was taken."""

    camera: Id
    """The camera."""
    captured: UtcTime
    """When."""


class AgentStatus(Record):
    """Whether an agent is connected (retained; `offline` is its last will, over MQTT 5 after 5 s)."""

    status: Literal["online", "offline"]
    """Whether the agent is connected."""
    boot_id: str
    """Identifies the machine's start."""
    reason: str = ""
    """Why it is offline: `stopped`, `connection lost` (its last will); online: no storage, or its name used twice."""
    version: str = ""
    """The agent's version."""
    model: Model | None = None
    """The model in use."""
    runs_on: str = ""
    """What the model was seen to run on (execution provider, device, arithmetic), and why not on what is preferred."""
    locations: Annotated[AgentCount, Field(le=MAX_AGENT_LOCATIONS)] = 0
    """How many locations it watches."""
    epoch: str = ""
    """Identifies its outbox; empty: not said."""
    sequence: AgentCount = 0
    """The last event of that epoch when this was said, so that a receiver sees what it lacks."""
    disk_free_mb: AgentCount | None = None
    """Room on the disk with its outbox, in MB (10^6 bytes), at most five minutes ago; null: not said."""
    waiting: AgentCount | None = None
    """How many messages of its outbox the broker didn't have then; null: not said."""
    last_pictures: tuple[LastPicture, ...] = ()
    """Of each camera that has given a good picture since the agent's start, the last one then."""


class CameraHealth(Record):
    """Whether a camera delivers pictures that can be trusted (retained)."""

    camera: Id
    """The camera."""
    status: Status
    """`lost`: no picture; `ended`: a folder, video or script has no more; the others but `ok`: no good picture."""
    reason: str = ""
    """Why, and what to do."""
    since: UtcTime
    """Since when."""


Data = TypeVar("Data", bound=Record)


def source_of(topics: Topics) -> str:
    """An agent as the `source` of its messages."""
    return quote(f"/{topics.base}", safe="/!$&'()*+,;=:@~")


def _as_choice(schema: dict[str, Any]) -> None:
    """A choice of one: generators that write wrong code for a constant (modelina) understand it."""
    schema["enum"] = [schema.pop("const")]


_ONE_VALUE = Field(json_schema_extra=_as_choice)


class Envelope(Record, Generic[Data]):
    """CloudEvents 1.0, structured mode."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The title of its schema, which others name their classes by."""
        return f"{params[0].__name__}Message"

    specversion: Annotated[Literal["1.0"], _ONE_VALUE] = "1.0"
    """The version of CloudEvents."""
    id: str
    """Unique; a receiver stores each id once (UUID version 7)."""
    source: str
    """The agent: `/` and its base topic, as a URI reference (a space in a name is `%20`)."""
    type: str
    """Which kind of message."""
    time: UtcTime
    """When what it tells of happened."""
    subject: Annotated[str, Field(exclude_if=operator.not_, json_schema_extra=_left_out)] = ""
    """The location or camera; left out where the message is of the agent itself."""
    datacontenttype: Annotated[Literal["application/json"], _ONE_VALUE] = "application/json"
    """How `data` is written."""
    data: SerializeAsAny[Data]
    """The message itself."""


EVENT_TYPE = "kardus.location.event.v1"
STATE_TYPE = "kardus.location.state.v1"
STATUS_TYPE = "kardus.agent.status.v1"
HEALTH_TYPE = "kardus.camera.health.v1"
COVERAGE_TYPE = "kardus.agent.coverage.v1"
MODEL_TYPE = "kardus.agent.model.v1"
