"""What the recorder stores of findings, and what it clears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.contract.messages import CameraHealth, Model
from edge_agent.contract.topics import Topics
from edge_agent.contract.verdicts import Verdict
from edge_agent.events import Finding, Writer
from edge_agent.outbox import Outbox
from edge_agent.recorder import Recorder

TOPICS = Topics("s", "box")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "o.sqlite")
    yield outbox
    outbox.close()


def _recorder(outbox: Outbox, valid_for_s: float = 300) -> Recorder:
    return Recorder(outbox, Writer(TOPICS, Model(name="m", version="1.0.0"), valid_for_s), valid_for_s)


def _finding(location: str, verdict: Verdict) -> Finding:
    return Finding(location, verdict, "cam", NOW)


def _waiting(outbox: Outbox) -> list[tuple[str, bytes]]:
    return [(stored.message.topic, stored.message.payload) for stored in outbox.pending(100)]


def test_a_change_is_an_event_and_a_state_and_no_change_is_nothing(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    assert recorder.record([_finding("L", Verdict.MATCH), None], historical=False)
    assert not recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    assert recorder.record([_finding("L", Verdict.EMPTY)], historical=True)
    events = [json.loads(payload)["data"] for topic, payload in _waiting(outbox) if topic == TOPICS.events("L")]
    assert [(e["sequence"], e["verdict"], e["previous"], e["historical"]) for e in events] == [
        (1, "match", None, False),
        (2, "empty", "match", True),
    ]
    assert [topic for topic, _ in _waiting(outbox)].count(TOPICS.state("L")) == 1


def test_a_state_is_published_again_before_it_is_void(outbox: Outbox) -> None:
    recorder = _recorder(outbox, valid_for_s=1e-9)
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    outbox.delivered([stored.id for stored in outbox.pending(10)])
    assert recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    assert [topic for topic, _ in _waiting(outbox)] == [TOPICS.state("L")]


def test_a_restart_takes_the_states_up(outbox: Outbox) -> None:
    _recorder(outbox).record([_finding("L", Verdict.MATCH)], historical=False)
    again = _recorder(outbox)
    again.record([_finding("L", Verdict.MATCH)], historical=False)
    assert [topic for topic, _ in _waiting(outbox)].count(TOPICS.events("L")) == 1


def test_topics_of_what_left_the_configuration_are_cleared_once(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L-1", Verdict.EMPTY), _finding("L-2", Verdict.MATCH)], historical=False)
    for camera in ("old", "new"):
        recorder.record_health(CameraHealth(camera=camera, status="ok", since=NOW))
    outbox.delivered([stored.id for stored in outbox.pending(100)])
    later = _recorder(outbox)
    later.forget_others(TOPICS, ["L-2", "L-3"], ["new"])
    assert sorted(_waiting(outbox)) == [(TOPICS.health("old"), b""), (TOPICS.state("L-1"), b"")]
    assert set(outbox.states()) == {"L-2"}
    assert outbox.retained() == {TOPICS.state("L-2"), TOPICS.health("new")}
    outbox.delivered([stored.id for stored in outbox.pending(100)])
    _recorder(outbox).forget_others(TOPICS, ["L-2"], ["new"])
    assert _waiting(outbox) == []
    later.record([_finding("L-1", Verdict.MATCH)], historical=False)  # back again: its history begins anew
    event = next(json.loads(payload)["data"] for topic, payload in _waiting(outbox) if topic.endswith("events"))
    assert (event["previous"], event["sequence"]) == (None, 3)
