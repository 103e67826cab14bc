"""An example of every message, as it stands in the documentation and in the published contract."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kardus.contract import commands, messages, model_status, receipts
from kardus.contract.base import Record
from kardus.contract.layouts import Layout, PlacedLocation
from kardus.contract.messages import Envelope, source_of
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict

TOPICS = Topics("jakarta-1", "aisle-a")
LOCATION, CAMERA = "A-03-2-05", "a-03"
_NOW = datetime(2026, 3, 2, 7, 30, 12, 250_000, tzinfo=UTC)
_ID = "019cad51-f4aa-7c31-9d0e-5b2f6a3c8e17"
_BOOT = "6f3b2a50-9f9c-4d0e-8a57-0c9d1f6be2a4"
_EPOCH = "019c9f00-12aa-7d10-8c44-3f7a9b1e5d20"
_MODEL = messages.Model(name="cartons", version="1.2.0")
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_EXPECTED = messages.ExpectedStock(sku="TEA-JASMINE-500", revision=1772436000000, age_s=612.5, quantity=24)
_SEEN = messages.Seen(
    sku="TEA-LEMON-500",
    name="tea-lemon-500-front",
    category="tea",
    confidence=0.97,
    top=(
        messages.Candidate(sku="TEA-LEMON-500", likelihood=0.97),
        messages.Candidate(sku="TEA-JASMINE-500", likelihood=0.02),
        messages.Candidate(sku="TEA-GREEN-500", likelihood=0.01),
    ),
)
_LAYOUT = Layout(
    picture_size=(1920, 1080),
    locations=(PlacedLocation(id=LOCATION, facings=(((412, 300), (640.5, 302), (640, 560), (411, 557.5)),)),),
    mask=(((0, 0), (400, 0), (400, 40), (0, 40)),),
)
_ALERT = messages.Alert(id=_ID, status="open", opened=_NOW)


def _event() -> Record:
    return messages.LocationEvent(
        epoch=_EPOCH,
        sequence=4711,
        boot_id=_BOOT,
        captured=_NOW,
        clock_synchronised=True,
        location=LOCATION,
        verdict=Verdict.MISMATCH,
        previous=Verdict.MATCH,
        expected=_EXPECTED,
        seen=_SEEN,
        expected_likelihood=0.02,
        camera=CAMERA,
        model=_MODEL,
        seen_at=("A-03-2-07",),
        alert=_ALERT,
        evidence=True,
    )


def _state() -> Record:
    return messages.LocationState(
        location=LOCATION,
        verdict=Verdict.MISMATCH,
        since=_NOW,
        last_verified=_NOW,
        valid_until=_NOW + timedelta(minutes=5),
        expected=_EXPECTED,
        seen=_SEEN,
        camera=CAMERA,
        model=_MODEL,
        seen_at=("A-03-2-07",),
        alert=_ALERT,
        epoch=_EPOCH,
        sequence=4711,
    )


def _coverage() -> Record:
    verified = messages.Verified(location=LOCATION, verdict=Verdict.MISMATCH, last_verified=_NOW)
    return messages.Coverage(since=_NOW - timedelta(days=1), until=_NOW, total=3, verified=1, locations=(verified,))


def _wrapped(kind: str, subject: str, data: Record) -> Envelope[Any]:
    return Envelope(id=_ID, source=source_of(TOPICS), type=kind, time=_NOW, subject=subject, data=data)


EXAMPLES: dict[str, Record] = {
    "LocationEvent": _wrapped(messages.EVENT_TYPE, LOCATION, _event()),
    "LocationState": _wrapped(messages.STATE_TYPE, LOCATION, _state()),
    "AgentStatus": _wrapped(
        messages.STATUS_TYPE,
        "",
        messages.AgentStatus(
            status="online",
            boot_id=_BOOT,
            version="0.1.0",
            model=_MODEL,
            locations=3,
            epoch=_EPOCH,
            sequence=4711,
            disk_free_mb=11_480,
            waiting=0,
            last_pictures=(messages.LastPicture(camera=CAMERA, captured=_NOW),),
        ),
    ),
    "CameraHealth": _wrapped(
        messages.HEALTH_TYPE,
        CAMERA,
        messages.CameraHealth(camera=CAMERA, status="covered", reason="2 of 32 marks are found again", since=_NOW),
    ),
    "Coverage": _wrapped(messages.COVERAGE_TYPE, "", _coverage()),
    "ModelStatus": _wrapped(
        messages.MODEL_TYPE,
        "",
        model_status.ModelStatus(model=_MODEL, sha256=_SHA256, phase="settled", since=_NOW),
    ),
    "Lost": _wrapped(receipts.LOST_TYPE, "", receipts.Lost(epoch=_EPOCH, ranges=((4001, 4120),))),
    "Ack": receipts.Ack(epoch=_EPOCH, contiguous_to=4705, ranges=((4708, 4711),)),
    "Expected": messages.Expected(revision=1772436000000, sku="TEA-JASMINE-500", quantity=24, location="A-03-2-05"),
    "Capture": commands.Capture(camera=CAMERA),
    "Snapshot": commands.Snapshot(camera=CAMERA),
    "Acknowledge": commands.Acknowledge(location=LOCATION, by="picker 7"),
    "Correct": commands.Correct(
        location=LOCATION, captured=_NOW, truth="product", sku="TEA-JASMINE-500", by="picker 7"
    ),
    "Rebirth": commands.Rebirth(),
    "ReportCoverage": commands.ReportCoverage(),
    "FetchEvidence": commands.FetchEvidence(event=_ID),
    "SetLogLevel": commands.SetLogLevel(level="debug"),
    "Reload": commands.Reload(expires=_NOW + timedelta(minutes=1), response_topic=f"{TOPICS.replies}/me"),
    "ReadLayout": commands.ReadLayout(camera=CAMERA),
    "FindLabels": commands.FindLabels(camera=CAMERA, side="above"),
    "SetLayout": commands.SetLayout(camera=CAMERA, based_on=3, layout=_LAYOUT, by="Wati"),
    "RestoreLayout": commands.RestoreLayout(camera=CAMERA, based_on=4, revision=3, by="Wati"),
    "Resend": commands.Resend(epoch=_EPOCH, first=4706, last=4707),
    "ChangeModel": commands.ChangeModel(
        name="cartons", version="1.3.0", size=5_007_597, sha256=_SHA256, url="https://models.example/cartons.bundle"
    ),
    "Reply": commands.Reply(command="acknowledge", ok=True, correlation="7", result={}),
}
"""By the name of the record; what the agent publishes is in its envelope. Defaults are left out when it is written."""


def example(name: str) -> dict[str, Any]:
    """An example's payload. What a sender may leave out is left out of what is sent to the agent."""
    record = EXAMPLES[name]
    sent_whole = isinstance(record, Envelope | commands.Reply)
    return record.model_dump(mode="json", exclude_defaults=not sent_whole)
