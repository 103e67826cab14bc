"""What was decided is written down as the contract's messages, and only a real change is told."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import differs
from edge_agent.deciding.verdict import seen_of
from edge_agent.records import Finding
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.contract.messages import (
    CameraHealth,
    Candidate,
    Envelope,
    ExpectedStock,
    LocationEvent,
    LocationState,
    Model,
    Seen,
)
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, interpret
from kardus.support.identifiers import boot_id

NOON = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
CLASSES = (
    ClassInfo(name="A", category="X", sku="A"),
    ClassInfo(name="A-Side", category="X", sku="A", face="side"),
    ClassInfo(name="B", category="X", sku="B"),
    ClassInfo(name="C", category="Y", sku="C"),
    ClassInfo(name="empty", category="empty", sku="empty"),
)
FINDING = Finding(
    location="A-1",
    verdict=Verdict.MISMATCH,
    camera="left",
    captured=NOON,
    expected=ExpectedStock(sku="A", revision=4, age_s=9.5, quantity=2),
    seen=Seen(sku="B", name="B", category="X", confidence=0.9, top=(Candidate(sku="B", likelihood=0.9),)),
    expected_likelihood=0.05,
)
MODEL = Model(name="carton", version="1.2.0")


def _writer() -> MessageWriter:
    return MessageWriter(Topics("hall", "box"), MODEL, valid_for_s=300)


def _look(*likelihoods: float, known: bool = True) -> Classification:
    logits = np.log(np.array([likelihoods], dtype=np.float32) + 1e-9)
    calibration = Calibration(rejection_threshold=-1e9 if known else 1e9)
    return interpret(logits, CLASSES, calibration, logits.max(axis=1))[0]


def _data(payload: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(payload)
    return parsed


def test_an_event_says_what_was_found_and_what_before() -> None:
    writer = _writer()
    previous = writer.state(replace(FINDING, verdict=Verdict.MATCH), NOON, NOON)
    topic, payload = writer.event(FINDING, previous, "epoch", 7, historical=True)
    assert topic == "kardus/v1/hall/agents/box/locations/A-1/events"
    envelope = Envelope[LocationEvent].model_validate_json(payload)
    assert (envelope.type, envelope.source, envelope.subject) == (
        "kardus.location.event.v1",
        "/kardus/v1/hall/agents/box",
        "A-1",
    )
    event = envelope.data
    assert (event.epoch, event.sequence, event.historical) == ("epoch", 7, True)
    assert (event.verdict, event.previous) == (Verdict.MISMATCH, Verdict.MATCH)
    assert (event.expected, event.seen, event.expected_likelihood) == (FINDING.expected, FINDING.seen, 0.05)
    assert (event.camera, event.model, event.captured) == ("left", MODEL, NOON)
    assert event.boot_id == boot_id()


def test_the_first_event_of_a_location_has_no_previous_verdict() -> None:
    _, payload = _writer().event(FINDING, None, "epoch", 1, historical=False)
    assert _data(payload)["data"]["previous"] is None
    assert _data(payload)["time"] == "2025-03-01T12:00:00.000Z"


def test_no_two_messages_have_one_id() -> None:
    writer = _writer()
    state = writer.state(FINDING, NOON, NOON)
    messages = [writer.event(FINDING, None, "e", 1, historical=False) for _ in range(20)]
    messages += [writer.state_message(state) for _ in range(20)]
    assert len({_data(payload)["id"] for _, payload in messages}) == 40


def test_a_state_is_void_after_its_time() -> None:
    state = _writer().state(FINDING, NOON - timedelta(hours=1), NOON)
    assert state.since == NOON - timedelta(hours=1)
    assert state.last_verified == NOON
    assert state.valid_until == NOON + timedelta(seconds=300)


def test_a_state_is_sent_as_it_is() -> None:
    writer = _writer()
    state = writer.state(replace(FINDING, reason="because"), NOON, NOON)
    topic, payload = writer.state_message(state)
    assert topic == "kardus/v1/hall/agents/box/locations/A-1/state"
    envelope = Envelope[LocationState].model_validate_json(payload)
    assert (envelope.type, envelope.subject, envelope.data) == ("kardus.location.state.v1", "A-1", state)


def test_online_and_offline_say_why_and_what_runs() -> None:
    topic, payload = _writer().online(15, "0.1.0", NOON)
    assert topic == "kardus/v1/hall/agents/box/status"
    assert _data(payload)["type"] == "kardus.agent.status.v1"
    online = _data(payload)["data"]
    assert (online["status"], online["locations"], online["version"], online["model"]["name"]) == (
        "online",
        15,
        "0.1.0",
        "carton",
    )
    topic, payload = _writer().offline("stopped", NOON)
    assert topic == "kardus/v1/hall/agents/box/status"
    assert (_data(payload)["data"]["status"], _data(payload)["data"]["reason"]) == ("offline", "stopped")


def test_a_camera_s_health_has_a_topic_of_its_own() -> None:
    topic, payload = _writer().health(CameraHealth(camera="left", status="lost", reason="dark", since=NOON))
    assert topic == "kardus/v1/hall/agents/box/cameras/left/health"
    assert (_data(payload)["type"], _data(payload)["subject"]) == ("kardus.camera.health.v1", "left")
    assert _data(payload)["data"]["reason"] == "dark"


CHANGES: list[tuple[dict[str, Any], bool]] = [
    ({}, False),
    (
        {"captured": NOON + timedelta(hours=1), "camera": "right", "reason": "another", "expected_likelihood": 0.01},
        False,
    ),
    ({"seen": Seen(sku="B", name="B-Side", confidence=0.7)}, False),
    ({"expected": ExpectedStock(sku="A", revision=5, age_s=0)}, False),
    ({"verdict": Verdict.UNCERTAIN}, True),
    ({"seen": Seen(sku="C")}, True),
    ({"seen": None}, True),
    ({"expected": ExpectedStock(sku="C", revision=5, age_s=0)}, True),
    ({"expected": None}, True),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_only_another_verdict_product_or_expectation_is_told(change: dict[str, Any], told: bool) -> None:  # noqa: FBT001
    state = _writer().state(FINDING, NOON, NOON)
    assert differs(replace(FINDING, **change), state) == told


def test_a_sure_product_is_seen_with_its_class_and_likelihood() -> None:
    seen = seen_of(_look(0.05, 0, 0.9, 0.03, 0.02), "B", "X")
    assert (seen.sku, seen.name, seen.category) == ("B", "B", "X")
    assert seen.confidence == pytest.approx(0.9, abs=1e-3)
    assert [candidate.sku for candidate in seen.top] == ["B", "A", "C"]


def test_an_unsure_variant_is_seen_as_its_category() -> None:
    seen = seen_of(_look(0.4, 0.05, 0.5, 0.03, 0.02), None, "X")
    assert (seen.sku, seen.name, seen.category) == (None, None, "X")
    assert seen.confidence == pytest.approx(0.95, abs=1e-3)


def test_an_unknown_carton_is_no_product_of_ours() -> None:
    seen = seen_of(_look(0.9, 0.05, 0.05, 0, 0, known=False), None, None)
    assert (seen.sku, seen.name, seen.category) == (None, None, None)


def test_what_is_hardly_like_any_product_is_not_named() -> None:
    doubted = replace(_look(0.9, 0.05, 0.05, 0, 0), doubted=True)
    assert seen_of(doubted, None, None) == seen_of(replace(doubted, known=False), None, None)
    assert seen_of(replace(_look(0, 0, 0, 0, 0.9), doubted=True), None, None).name == "empty"


def test_the_family_of_an_unknown_product_is_told_where_it_is_sure() -> None:
    doubted = replace(_look(0.5, 0.05, 0.45, 0, 0), doubted=True)
    seen = seen_of(doubted, None, "X")
    assert (seen.sku, seen.name, seen.category) == (None, None, "X")
    assert seen.confidence == pytest.approx(doubted.category_confidence)


def test_an_empty_location_is_seen_as_empty() -> None:
    seen = seen_of(_look(0.01, 0, 0, 0.01, 0.98), None, None)
    assert (seen.sku, seen.name, seen.category) == (None, "empty", None)


def test_the_class_that_is_named_is_a_face_of_the_product_that_is_seen() -> None:
    """Two faces of one product together may be likelier than the likeliest class."""
    seen = seen_of(_look(0.31, 0.3, 0.39, 0, 0), "A", "X")
    assert (seen.sku, seen.name) == ("A", "A")


@given(st.lists(st.floats(-30, 30, width=32), min_size=5, max_size=5), st.booleans())
def test_whatever_the_model_says_can_be_written(logits: list[float], known: bool) -> None:  # noqa: FBT001
    threshold = Calibration(rejection_threshold=-1e9 if known else 1e9)
    rows = np.array([logits], dtype=np.float32)
    (look,) = interpret(rows, CLASSES, threshold, rows.max(axis=1))
    for sku, category in ((look.sku, look.category), (None, look.category), (None, None)):
        seen = seen_of(look, sku, category)
        _writer().event(replace(FINDING, seen=seen), None, "e", 1, historical=False)
        assert len(seen.top) == 3
