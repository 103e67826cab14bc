"""What is expected and found at a location, and what is told of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from kardus.contract.messages import Expected, ExpectedStock, Seen
from kardus.contract.verdicts import Verdict

MessageKind = Literal["event", "state", "evidence"]
"""`event`: every one counts. `state`: a later one of the same topic takes its place. `evidence`: pictures."""


@dataclass(frozen=True)
class Expectation:
    """What is expected at a location, and when the agent came to know it, by a clock that never jumps."""

    expected: Expected
    received_s: float
    """Before this run, by what the calendar said at its start."""
    replaced_s: float | None = None
    """When it took the place of another product's; None: it didn't, in this run."""


@dataclass(frozen=True)
class CodeWitness:
    """What the printed code of a carton says."""

    gtin: str
    """The trade item, in 14 digits."""
    sku: str
    """Its product, by the class table."""


@dataclass(frozen=True)
class Finding:
    """A verdict on a location, with everything it rests on."""

    location: str
    verdict: Verdict
    camera: str
    captured: datetime
    expected: ExpectedStock | None = None
    seen: Seen | None = None
    expected_likelihood: float | None = None
    reason: str = ""
    facing: int | None = None
    seen_at: tuple[str, ...] = ()
    corrected: bool = False
    rested_s: float = 0.0
    """For how long the change that has led to it had to rest, in another light, before it could be classified."""


@dataclass(frozen=True)
class Message:
    """Something to publish."""

    kind: MessageKind
    topic: str
    payload: bytes
    retain: bool = False
    location: str = ""
    """Messages of a location are sent in their order, whatever overtakes them; empty: of no location."""
    sequence: int | None = None
    """Which event of the epoch it is; None: it isn't counted."""
    urgent: bool = False
    """It overtakes what isn't, with everything of its location that came before it."""


@dataclass(frozen=True)
class EventPictures:
    """What is kept of an event, and what is published of it."""

    kept: bool = False
    publish: bytes = b""
    """JPEG; empty: nothing."""


NO_PICTURES = EventPictures()
