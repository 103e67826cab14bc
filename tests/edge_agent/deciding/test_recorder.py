"""What the recorder stores of findings, and what it clears."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import FINDINGS_PER_HEARTBEAT, Recorder, coverage_since
from edge_agent.records import EventPictures, Finding, Message
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.messages import CameraHealth, ExpectedStock, Model, Seen
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.support.clock import SetClock
from kardus.support.errors import StorageError

TOPICS = Topics("s", "box")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "o.sqlite")
    yield outbox
    outbox.close()


def _recorder(outbox: Outbox, valid_for_s: float = 300) -> Recorder:
    return Recorder(outbox, MessageWriter(TOPICS, Model(name="m", version="1.0.0"), valid_for_s), valid_for_s)


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


def test_many_findings_give_signs_of_life_that_say_how_far_it_is(outbox: Outbox) -> None:
    told: list[str] = []
    many = [_finding(f"L-{number}", Verdict.MATCH) for number in range(2 * FINDINGS_PER_HEARTBEAT + 1)]
    _recorder(outbox).record([None, *many], historical=False, beat=told.append)
    assert told == [
        f"{done} of {len(many)} findings are written down"
        for done in (FINDINGS_PER_HEARTBEAT, 2 * FINDINGS_PER_HEARTBEAT)
    ]


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


def test_a_location_that_was_configured_in_nfd_keeps_its_history_under_its_name_in_nfc(outbox: Outbox) -> None:
    before, now = "Ku\u0308hl-1", "K\u00fchl-1"
    recorder = _recorder(outbox)
    recorder.record([_finding(now, Verdict.EMPTY)], historical=False)
    former = json.loads(outbox.states()[now]) | {"location": before}
    outbox.append(
        [Message("state", TOPICS.state(before), b"{}", retain=True)], {before: json.dumps(former), now: None}, 1
    )
    outbox.delivered([stored.id for stored in outbox.pending(100)])
    later = _recorder(outbox)
    later.forget_others(TOPICS, [now], [])
    assert (set(later.states), set(outbox.states())) == ({now}, {now})
    assert later.states[now].location == now
    assert (TOPICS.state(before), b"") in _waiting(outbox)


def _events(outbox: Outbox, location: str) -> list[dict[str, Any]]:
    topic = TOPICS.events(location)
    return [json.loads(payload)["data"] for at, payload in _waiting(outbox) if at == topic]


def _state(outbox: Outbox, location: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(outbox.states()[location])
    return state


def test_an_alert_lives_through_events_and_a_restart(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MISMATCH)], historical=False)
    opened = _events(outbox, "L")[-1]["alert"]
    assert opened["status"] == "open"
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.STALE)], historical=False)
    assert _events(outbox, "L")[-1]["alert"] == opened
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    resolved = _events(outbox, "L")[-1]["alert"]
    assert (resolved["id"], resolved["status"]) == (opened["id"], "resolved")
    assert resolved["duration_s"] >= 0
    recorder.record([_finding("L", Verdict.UNCERTAIN)], historical=False)
    assert _events(outbox, "L")[-1]["alert"] is None


def test_an_acknowledgement_is_kept_and_published(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    assert recorder.acknowledge("L", "picker", NOW) is None
    recorder.record([_finding("L", Verdict.EMPTY), _finding("M", Verdict.MATCH)], historical=False)
    assert recorder.acknowledge("M", "picker", NOW) is None
    alert = recorder.acknowledge("L", "picker", NOW)
    assert alert
    assert _state(outbox, "L")["alert"]["by"] == "picker"
    _recorder(outbox).record([_finding("L", Verdict.EMPTY)], historical=False)
    assert _state(outbox, "L")["alert"]["status"] == "acknowledged"


def test_a_location_that_cannot_be_seen_was_verified_before(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MATCH), _finding("M", Verdict.STALE)], historical=False)
    later = NOW + timedelta(hours=2)
    for verdict in (Verdict.STALE, Verdict.OBSTRUCTED, Verdict.UNCERTAIN):
        recorder.record([Finding("L", verdict, "cam", later)], historical=False)
        assert _state(outbox, "L")["last_verified"] == "2026-01-02T00:00:00.000Z"
    assert _state(outbox, "M")["last_verified"] is None
    recorder.record([Finding("L", Verdict.MATCH, "cam", later)], historical=False)
    assert _state(outbox, "L")["last_verified"] == "2026-01-02T02:00:00.000Z"


def test_coverage_counts_what_was_verified_since(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MATCH), _finding("M", Verdict.STALE)], historical=False)
    assert coverage_since(recorder.states, ["L", "M", "N"], NOW, NOW).verified == 1
    assert coverage_since(recorder.states, ["L", "M", "N"], NOW + timedelta(seconds=1), NOW).verified == 0
    report = recorder.record_coverage(["L", "M", "N"], NOW)
    topic, payload = _waiting(outbox)[-1]
    assert topic == TOPICS.coverage
    data = json.loads(payload)["data"]
    assert (data["total"], data["verified"], report.verified) == (3, 1, 1)
    assert [(row["location"], row["verdict"], row["last_verified"] is None) for row in data["locations"]] == [
        ("L", "match", False),
        ("M", "stale", True),
        ("N", "stale", True),
    ]


def test_a_camera_that_was_moved_takes_its_locations_out_of_the_coverage_and_says_why(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding(name, Verdict.MATCH) for name in "LM"], historical=False)
    moved = [Finding(name, Verdict.STALE, "cam", NOW, reason="moved by 300 pixels") for name in "LM"]
    recorder.record(moved, historical=False)
    report = recorder.record_coverage(["L", "M"], NOW)
    assert (report.total, report.verified) == (2, 0)
    assert {(row.verdict, row.reason) for row in report.locations} == {(Verdict.STALE, "moved by 300 pixels")}
    assert all(row.last_verified == NOW for row in report.locations)


def test_a_restart_keeps_the_coverage_topic(outbox: Outbox) -> None:
    _recorder(outbox).record_coverage(["L"], NOW)
    outbox.delivered([stored.id for stored in outbox.pending(100)])
    _recorder(outbox).forget_others(TOPICS, ["L"], [])
    assert _waiting(outbox) == []


def test_the_second_of_a_swapped_pair_tells_the_first(outbox: Outbox) -> None:
    def mismatch(location: str, expected: str, seen: str) -> Finding:
        stock = ExpectedStock(sku=expected, revision=1, age_s=0)
        return Finding(location, Verdict.MISMATCH, "cam", NOW, expected=stock, seen=Seen(sku=seen))

    recorder = _recorder(outbox)
    left, right = mismatch("L", "A", "B"), mismatch("R", "B", "A")
    recorder.record([left], historical=False)
    assert recorder.affected_locations([right]) == {"L"}
    recorder.record([right, left], historical=False)
    assert _state(outbox, "L")["seen_at"] == ["R"]
    assert _state(outbox, "R")["seen_at"] == ["L"]
    assert [event["seen_at"] for event in _events(outbox, "L")] == [[], ["R"]]


def test_everything_is_published_again_on_request(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MATCH), _finding("M", Verdict.EMPTY)], historical=False)
    outbox.delivered([stored.id for stored in outbox.pending(100)])
    recorder.publish_again()
    assert [topic for topic, _ in _waiting(outbox)] == [TOPICS.state("L"), TOPICS.state("M")]


def test_where_nothing_has_left_nothing_is_stored(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(outbox, "append", refuse)
    recorder.forget_others(TOPICS, ["L"], [])
    assert set(recorder.states) == {"L"}


def test_a_location_that_has_left_is_not_due_any_more(outbox: Outbox) -> None:
    clock = SetClock(NOW, monotonic_s=1000)
    writer = MessageWriter(TOPICS, Model(name="m", version="1.0.0"), 300, clock)
    recorder = Recorder(outbox, writer, 300, clock=clock)
    recorder.record([_finding("L", Verdict.MATCH), _finding("M", Verdict.MATCH)], historical=False)
    recorder.forget_others(TOPICS, ["L"], [])
    clock.set(NOW, 1100)
    assert recorder.due() == {"L"}


def test_states_of_the_run_before_are_due_at_once_however_lately_the_machine_has_started(outbox: Outbox) -> None:
    _recorder(outbox).record([_finding("L", Verdict.MATCH)], historical=False)
    clock = SetClock(NOW, monotonic_s=3)
    later = Recorder(outbox, MessageWriter(TOPICS, Model(name="m", version="1.0.0"), 300, clock), 300, clock=clock)
    assert later.due() == {"L"}


def test_a_state_says_since_when_its_verdict_stands(outbox: Outbox) -> None:
    recorder = _recorder(outbox, valid_for_s=1e-9)
    later = NOW + timedelta(minutes=5)
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    recorder.record([Finding("L", Verdict.MATCH, "cam", later)], historical=False)
    assert recorder.states["L"].since == NOW
    recorder.record([Finding("L", Verdict.EMPTY, "cam", later)], historical=False)
    assert recorder.states["L"].since == later


@pytest.mark.parametrize("pictures", [EventPictures(), EventPictures(kept=True), EventPictures(True, b"jpeg")])
def test_an_event_says_whether_its_pictures_are_kept_and_brings_the_one_that_is_published(
    outbox: Outbox, pictures: EventPictures
) -> None:
    told: list[str] = []

    def on_event(event_id: str, _: Finding) -> EventPictures:
        told.append(event_id)
        return pictures

    writer = MessageWriter(TOPICS, Model(name="m", version="1.0.0"), 300)
    Recorder(outbox, writer, 300, on_event).record([_finding("L", Verdict.EMPTY)], historical=False)
    assert [event["evidence"] for event in _events(outbox, "L")] == [pictures.kept]
    topic = TOPICS.evidence("L", told[0])
    assert [payload for at, payload in _waiting(outbox) if at == topic] == [pictures.publish] * bool(pictures.publish)


def test_what_is_retained_under_a_topic_of_its_own_is_stored(outbox: Outbox) -> None:
    _recorder(outbox).record_retained("s/topic", b"payload")
    (stored,) = outbox.pending(10)
    assert (stored.message.topic, stored.message.payload, stored.message.retain) == ("s/topic", b"payload", True)


def test_the_position_is_that_of_the_last_event(outbox: Outbox) -> None:
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    assert recorder.position == (outbox.epoch, 1)


def test_each_state_of_a_location_is_higher_than_the_one_before_also_after_a_restart(outbox: Outbox) -> None:
    places = []

    def note(recorder: Recorder) -> None:
        state = recorder.states["L"]
        places.append((state.epoch, state.sequence, state.repeat))

    recorder = _recorder(outbox, valid_for_s=1e-9)
    for verdict in (Verdict.MISMATCH, Verdict.MISMATCH):
        recorder.record([_finding("L", verdict)], historical=False)
        note(recorder)
    recorder.acknowledge("L", "somebody", NOW)
    note(recorder)
    recorder = _recorder(outbox, valid_for_s=1e-9)
    recorder.record([_finding("L", Verdict.MISMATCH), _finding("M", Verdict.EMPTY)], historical=False)
    note(recorder)
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    note(recorder)
    epoch = outbox.epoch
    assert places == [(epoch, 1, 0), (epoch, 1, 1), (epoch, 1, 2), (epoch, 1, 3), (epoch, 3, 0)]


def test_events_that_are_in_hand_when_an_outbox_turns_out_to_be_damaged_are_counted_anew(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an acknowledgement of what they say would never fit what is stored."""
    recorder = _recorder(outbox)
    recorder.record([_finding("L", Verdict.MATCH)], historical=False)
    outbox.epoch, outbox.last_sequence = "another", 0
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "position", ("the former", 7))
        with pytest.raises(StorageError, match="is a new one, since the former was damaged"):
            recorder.record([_finding("L", Verdict.EMPTY)], historical=False)
    assert recorder.states["L"].verdict is Verdict.MATCH
    assert recorder.record([_finding("L", Verdict.EMPTY)], historical=False)
    said = [json.loads(payload)["data"] for topic, payload in _waiting(outbox) if topic == TOPICS.events("L")]
    assert (said[-1]["epoch"], said[-1]["sequence"], said[-1]["verdict"]) == ("another", 1, "empty")


def test_a_stored_state_that_cannot_be_read_costs_that_location_alone(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    _recorder(outbox).record([_finding("L", Verdict.MATCH), _finding("M", Verdict.MATCH)], historical=False)
    outbox.append([], {"M": outbox.states()["M"][:-9]}, outbox.last_sequence)
    recorder = _recorder(outbox)
    assert set(recorder.states) == {"L"}
    assert "the stored state of M can't be read: it is judged anew" in caplog.text
    assert recorder.record([_finding("M", Verdict.EMPTY)], historical=False)
    assert set(_recorder(outbox).states) == {"L", "M"}
