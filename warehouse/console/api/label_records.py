"""The API's records of labels, of the queue to label and of precision (docs/teaching.md)."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from kardus.contract.base import Record
from kardus.contract.messages import UtcTime
from kardus.contract.verdicts import Verdict
from warehouse.console.api.records import Page, PersonName, Uuid
from warehouse.store.labels import StatedTruth


class PictureLabel(Record):
    """What somebody has said that a picture shows. The last one of an event counts."""

    number: int
    """Counts the labels."""
    id: str
    """Its own, or the one that it was sent with."""
    event: str
    """The event whose picture it is about."""
    alert: str | None
    """The event's alert; null: it had none."""
    agent: str
    """Whose event it is."""
    location: str
    """The location."""
    camera: str
    """The camera."""
    captured: UtcTime
    """When the picture was taken."""
    verdict: Verdict
    """What the agent had found."""
    corrected: Verdict | None
    """What it should have found; null: what was said doesn't tell."""
    expected: str | None
    """The product that the WMS expected; empty: nothing; null: it had said nothing."""
    seen: str | None
    """The product that the model named; empty: nothing stands there; null: none."""
    truth: StatedTruth
    """What somebody says."""
    sku: str
    """The product, where `truth` is `product`."""
    name: str
    """Its class, where one was named."""
    note: str
    """What was noted."""
    by: str
    """Who said it."""
    at: UtcTime
    """When it was stored."""


class CorrectionOutcome(Record):
    """What came of telling the agent that it was wrong."""

    outcome: Literal["told", "refused", "no answer", "not told"]
    """`refused`: something else may stand there by now; `no answer`: the agent was asked, and will know if it comes."""
    reason: str
    """Why, where it isn't `told`."""


class LabelWithOutcome(PictureLabel):
    """A label, and what came of sending the correction to the agent."""

    told: CorrectionOutcome
    """What came of telling it."""


class LabelPage(Page):
    """Labels, the newest first."""

    items: tuple[PictureLabel, ...]
    """At most `limit`."""


class PrecisionItem(Record):
    """How often one claim was right, of the events that people judged."""

    claim: Literal["alert", "match", "product"]
    """`alert`: that something is wrong; `match`: that all is well, of drawn locations; `product`: which one it is."""
    by: Literal["all", "camera", "product"]
    """What it is counted by."""
    key: str
    """The camera (`AGENT/CAMERA`) or the product (`empty`: nothing); empty for `all`."""
    right: int
    """Claims that were right."""
    judged: int
    """Claims that somebody judged."""
    low: float
    """The lower end of the 95 % Wilson interval of their share."""
    high: float
    """The upper end."""


class Precisions(Record):
    """What people said of the cameras' claims."""

    items: tuple[PrecisionItem, ...]
    """By claim, and what it is counted by."""


class DrawnItem(Record):
    """A location that chance has drawn today, at which all is said to be well."""

    agent: str
    """Whose state it is."""
    location: str
    """Where somebody is to look."""
    expected: str | None
    """The product that is said to stand there; null: nothing."""
    event: str
    """What is to be labelled."""


class Drawn(Record):
    """Locations to walk by today, and to label, so that `match` is counted of what chance has chosen."""

    items: tuple[DrawnItem, ...]
    """By their code, without those that were labelled today."""


class QueueItem(Record):
    """A picture that nobody has labelled."""

    event: str
    """What is to be labelled; its picture is at `/api/v1/evidence/{event}`."""
    agent: str
    """Whose event it is."""
    location: str
    """What it shows."""
    verdict: Verdict
    """What the agent found."""
    expected: str | None
    """The expected product; empty: nothing; null: the WMS had said nothing."""
    choices: tuple[str, ...]
    """Likely products: the expected one, then as the model ranks them."""


class Queue(Record):
    """What to ask people about."""

    items: tuple[QueueItem, ...]
    """What teaches most comes first, and of every carton one before any comes again."""


class Labelling(Record):
    """Says what an event's picture shows."""

    truth: StatedTruth
    """`product`, `empty`, `foreign` (none of our products), `unusable` (it doesn't tell), `withdrawn`."""
    sku: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    """The product, where `truth` is `product`."""
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    """Its class, where the product has several faces."""
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")] = ""
    """A note."""
    by: PersonName = ""
    """The person; without one it is the token's name."""
    id: Uuid | None = None
    """A UUID of the sender's: what is sent again under it is stored once."""
