"""Commands to the agent and its replies: plain JSON in both directions, as any MQTT client can write and read.

The topic names the command. Under MQTT 5 the reply goes to the request's response topic with its correlation data;
without one (or under 3.1.1) to `response_topic` in the payload, with `correlation` in the reply.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from kardus.contract.base import Flag, Record
from kardus.contract.layouts import Layout, Revision
from kardus.contract.manifest import NAME_PATTERN, VERSION_PATTERN, Sha256
from kardus.contract.messages import UtcTime
from kardus.contract.mqtt_text import MqttTopic
from kardus.contract.receipts import MAX_SEQUENCE, EpochId
from kardus.contract.topics import Id, LocationCode

MAX_COMMAND_BYTES = 65_536


class Command(Record):
    """What every command may say."""

    expires: UtcTime | None = None
    """From then on it is refused; null: never (MQTT 5's message expiry counts as well)."""
    response_topic: MqttTopic = ""
    """Where the reply goes, for clients that can't set MQTT 5's response topic."""
    correlation: Annotated[str, Field(max_length=1000)] = ""
    """Comes back in the reply."""


class Capture(Command):
    """`capture`: look at every location again, now."""

    camera: Id | None = None
    """Which camera; null: all."""


class Snapshot(Command):
    """`snapshot`: the last good picture of a camera: `captured`, `jpeg`, and by location its `corners` in pixels."""

    camera: Id
    """Which camera."""
    newest: Flag = False
    """The newest picture in place of the last good one, also where the camera was moved or has no locations yet: to lay
    it out anew. Without `corners`."""


class Acknowledge(Command):
    """`acknowledge`: an alert is known to somebody."""

    location: LocationCode
    """Whose alert."""
    by: Annotated[str, Field(max_length=200)] = ""
    """Who knows of it."""


class Correct(Command):
    """`correct`: somebody has looked at a picture of a location, and says what stands there.

    It counts for what stands there now: until that changes, is out of sight, or the model says something else.
    """

    location: LocationCode
    """Of what."""
    captured: UtcTime
    """When the picture was taken that was looked at (`captured` of its event)."""
    truth: Literal["product", "empty", "foreign", "withdrawn"]
    """`product`: `sku`; `empty`: nothing; `foreign`: none of our products; `withdrawn`: what was said doesn't hold."""
    sku: Annotated[str, Field(max_length=200)] = ""
    """The product, where `truth` is `product`."""
    by: Annotated[str, Field(max_length=200)] = ""
    """Who says so."""

    @model_validator(mode="after")
    def _names_a_product(self) -> Self:
        if (self.truth == "product") != bool(self.sku):
            raise ValueError("sku: name a product where `truth` is `product`, and only there")
        return self


class Rebirth(Command):
    """`rebirth`: publish the status, every camera's health and every state again."""


class ReportCoverage(Command):
    """`coverage`: publish which locations were verified today."""


class FetchEvidence(Command):
    """`evidence`: the pictures of an event."""

    event: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    """The event's id."""


class SetLogLevel(Command):
    """`log-level`: how much the agent logs, until it is started again."""

    level: Literal["debug", "info", "warning", "error"]
    """The least grave message that is logged."""


class Reload(Command):
    """`reload`: read the configuration file again, as on SIGHUP; refused with the reason where it can't be used."""


class ReadLayout(Command):
    """`layout`: what is laid out in a camera's picture, by whom, and what it can expect.

    Its result has `revision`, `layout` (null: nothing yet), `writable` (the configuration names a `layout` file),
    `history` (`revision`, `by`, `at`, `restored`, and the codes `added`, `removed` and `moved`, and `mask` where that
    changed), `prospects` (`location`, `facing`, `side_px`, `accuracy`, `advice`) and `curve` (pixels, accuracy).
    """

    camera: Id
    """Which camera."""


class FindLabels(Command):
    """`find-labels`: read the rack's labels in the newest picture; takes seconds.

    Its result has `captured`, `picture_size`, `proposals` (`id`, null: unread; `corners`) and `remarks`.
    """

    camera: Id
    """Which camera."""
    side: Literal["below", "above"] = "below"
    """Where a label sticks: below the opening of its location, or above."""


class SetLayout(Command):
    """`set-layout`: lay a camera out anew, and go over to it; refused with the reason where it can't be used.

    Its result is that of `layout`.
    """

    camera: Id
    """Which camera; its configuration names a `layout` file."""
    based_on: Revision
    """The revision that was changed: refused where another one holds meanwhile."""
    layout: Layout
    """What is to hold."""
    keep_view: Flag = True
    """Keep the newest picture as the camera's commissioning picture (`reference`)."""
    by: Annotated[str, Field(max_length=200)] = ""
    """Who does it."""


class RestoreLayout(Command):
    """`restore-layout`: an earlier revision holds again, as a new one. Its result is that of `layout`."""

    camera: Id
    """Which camera."""
    based_on: Revision
    """The revision that holds: refused where it is another one meanwhile."""
    revision: Revision
    """Which one to go back to."""
    by: Annotated[str, Field(max_length=200)] = ""
    """Who does it."""


class ChangeModel(Command):
    """`model`: fetch a bundle, try it beside the model in use, and go over to it; see `.../model` for what comes of it.

    Only its address travels over MQTT, never its bytes.
    """

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """The bundle's name, as its manifest has it."""
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    """The bundle's version."""
    size: Annotated[PositiveInt, Field(le=1_000_000_000, strict=True)]
    """The file's length in bytes."""
    sha256: Sha256
    """The file's SHA-256."""
    url: Annotated[str, Field(max_length=2000, pattern=r"^https://[^\s@]+$")]
    """Where it is fetched from: HTTPS, without a user name or password."""
    force: Flag = False
    """Take it though it is older than the model in use, lacks a product that is expected, or was refused before."""


class Resend(Command):
    """`resend`: publish events again that the WMS side lacks; those that are gone are announced as `lost`."""

    epoch: EpochId
    """The outbox whose events they are."""
    first: Annotated[int, Field(ge=1, le=MAX_SEQUENCE, strict=True)]
    """The first sequence that is lacking."""
    last: Annotated[int, Field(ge=1, le=MAX_SEQUENCE, strict=True)]
    """The last sequence that is lacking."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("first is beyond last")
        return self


COMMANDS: dict[str, type[Command]] = {
    "capture": Capture,
    "snapshot": Snapshot,
    "acknowledge": Acknowledge,
    "correct": Correct,
    "rebirth": Rebirth,
    "coverage": ReportCoverage,
    "evidence": FetchEvidence,
    "log-level": SetLogLevel,
    "reload": Reload,
    "layout": ReadLayout,
    "find-labels": FindLabels,
    "set-layout": SetLayout,
    "restore-layout": RestoreLayout,
    "model": ChangeModel,
    "resend": Resend,
}
"""Every command by the name in its topic."""


class Reply(Record):
    """What came of a command."""

    command: str
    """Its name."""
    ok: Flag
    """Whether it was carried out."""
    error: str = ""
    """Why not, in one line, with the remedy."""
    correlation: str = ""
    """As the command gave it."""
    result: Annotated[dict[str, Any], Field(default_factory=dict)]
    """What it gives: see each command. Pictures are JPEG in base64."""
