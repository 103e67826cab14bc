"""The site monitor: the present state of every location, from the messages."""

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from edge_agent.deciding.message_writer import MessageWriter
from kardus.contract.messages import CameraHealth, ExpectedStock, LocationState, Model, Seen
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from warehouse.receiving.site_monitor import SiteMonitor, describe_seen

TOPICS = Topics("s", "box")
MODEL = Model(name="m", version="1.0.0")
WRITER = MessageWriter(TOPICS, MODEL, 60)
NOW = datetime.now(UTC)


def _state(verdict: Verdict, seen: Seen | None = None, valid_for_s: float = 86_400) -> LocationState:
    return LocationState(
        location="A-1",
        verdict=verdict,
        since=NOW,
        last_verified=NOW,
        valid_until=NOW + timedelta(seconds=valid_for_s),
        expected=ExpectedStock(sku="Tea", revision=1, age_s=0),
        seen=seen,
        camera="cam",
        model=MODEL,
    )


def _text(monitor: SiteMonitor) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=120, no_color=True).print(monitor.table())
    return buffer.getvalue()


def test_the_last_state_of_a_location_stands() -> None:
    monitor = SiteMonitor()
    for verdict in (Verdict.MATCH, Verdict.MISMATCH):
        monitor.update(*WRITER.state_message(_state(verdict, Seen(sku="Milk", confidence=0.9))))
    assert monitor.alert_count() == 1
    assert all(word in _text(monitor) for word in ("A-1", "Tea", "Milk", "0.90", "mismatch"))


def test_a_state_past_its_validity_is_shown_as_stale() -> None:
    monitor = SiteMonitor()
    monitor.update(*WRITER.state_message(_state(Verdict.MATCH, valid_for_s=-1)))
    assert "stale" in _text(monitor)
    assert "match" not in _text(monitor)


def test_a_cleared_topic_forgets_its_location() -> None:
    monitor = SiteMonitor()
    monitor.update(*WRITER.state_message(_state(Verdict.MATCH)))
    monitor.update(TOPICS.state("A-1"), b"")
    assert monitor.states == {}


def test_agents_come_and_go() -> None:
    monitor = SiteMonitor()
    monitor.update(*WRITER.online(3, "0.1.0", NOW))
    assert monitor.agents["box"].status == "online"
    monitor.update(*WRITER.offline("stopped", NOW))
    assert (monitor.agents["box"].status, monitor.agents["box"].reason) == ("offline", "stopped")


def test_a_cleared_camera_or_agent_is_forgotten() -> None:
    monitor = SiteMonitor()
    for message in (
        WRITER.health(CameraHealth(camera="cam", status="lost", since=NOW)),
        WRITER.online(3, "0.1.0", NOW),
    ):
        monitor.update(*message)
    assert (list(monitor.cameras), list(monitor.agents)) == ([("box", "cam")], ["box"])
    for topic in (TOPICS.health("cam"), TOPICS.status):
        monitor.update(topic, b"")
        monitor.update(topic, b"")
    assert (monitor.cameras, monitor.agents) == ({}, {})


def test_what_does_not_fit_the_contract_changes_nothing() -> None:
    monitor = SiteMonitor()
    for payload in (b"{}", b"not json", b"[1]", b'{"data": null}'):
        assert monitor.update(TOPICS.state("A-1"), payload) is None
    assert monitor.states == {}


def test_what_is_seen_in_a_word() -> None:
    assert describe_seen(_state(Verdict.UNKNOWN)) == "(unknown)"
    assert describe_seen(_state(Verdict.UNKNOWN, Seen(sku=None, category="Milk"))) == "(unknown: Milk?)"
    assert describe_seen(_state(Verdict.EMPTY, Seen(sku=None, name="empty"))) == "(empty)"
    assert describe_seen(_state(Verdict.MISMATCH, Seen(sku=None, category="Milk"))) == "Milk?"
    assert describe_seen(_state(Verdict.STALE)) == ""


def test_a_state_that_claims_to_hold_for_years_says_nothing() -> None:
    monitor = SiteMonitor()
    monitor.update(*WRITER.state_message(_state(Verdict.MATCH, valid_for_s=3 * 86_400)))
    (state,) = monitor.current_states().values()
    assert (state.verdict, state.reason) == (Verdict.STALE, "the agent's clock is far ahead")


def test_what_is_of_another_location_or_camera_than_its_topic_is_passed_over() -> None:
    monitor = SiteMonitor()
    _, payload = WRITER.state_message(_state(Verdict.MATCH))
    assert monitor.update(TOPICS.state("B-1"), payload) is None
    _, payload = WRITER.health(CameraHealth(camera="cam", status="ok", since=NOW))
    assert monitor.update(TOPICS.health("other"), payload) is None
    assert monitor.update("state", payload) is None
    assert (monitor.states, monitor.cameras) == ({}, {})
    assert monitor.update(TOPICS.health("cam"), payload) is not None
