"""A receiver stores every retained state, though the broker drops what it can't queue, or says what is missing."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import Subscription
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.flood import announced, flooded_broker
from tests.warehouse.receiving.test_receiver import receiving, wait_for
from warehouse.receiving import completeness
from warehouse.receiving.completeness import Completeness
from warehouse.receiving.heard import HeardStates
from warehouse.receiving.receiver import Receiver


@pytest.fixture
def flooded(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = flooded_broker(tmp_path / "m")
    yield broker
    broker.kill()


def _stored(receiver: Receiver) -> int:
    return len(receiver.reader.site_state().states)


def test_all_retained_states_are_stored_though_the_broker_drops_what_it_cannot_queue(
    flooded: Mosquitto, tmp_path: Path
) -> None:
    with receiving(flooded, tmp_path / "k.sqlite") as receiver:
        wait_for(lambda: _stored(receiver) == 400)
        wait_for(lambda: not receiver.status().problem)


def test_what_is_missing_is_in_the_status_and_logged_once(
    flooded: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with MqttClient(BrokerSettings("127.0.0.1", flooded.port)) as client:
        client.publish([announced(Publisher("a"), 57)], retain=True)
    monkeypatch.setattr("warehouse.receiving.receiver.GAP_CHECK_INTERVAL_S", 0.2)
    missing = "incomplete: 7 states haven't come yet (a 50 of 57)"
    with caplog.at_level(logging.WARNING), receiving(flooded, tmp_path / "k.sqlite") as receiver:
        wait_for(lambda: receiver.status().problem == missing)
        wait_for(lambda: missing in caplog.text)
        wait_for(lambda: _stored(receiver) == 400)
    assert caplog.text.count(missing) == 1


def test_without_asking_again_some_are_missing(
    flooded: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the broker really drops them, and the receiver says so."""
    monkeypatch.setattr(Completeness, "request_missing_states", lambda _: None)
    with receiving(flooded, tmp_path / "k.sqlite") as receiver:
        wait_for(lambda: receiver.status().problem.startswith("incomplete") or _stored(receiver) == 400)


def _heard(*messages: Message) -> Completeness:
    """What has come, at a broker to which everything is subscribed."""
    found = Completeness(SITE, HeardStates(), lambda _: None, lambda: True)
    for message in messages:
        found.take(*message)
    return found


def test_an_agent_that_does_not_say_how_many_it_watches_is_named_only_where_the_broker_may_have_dropped_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(completeness, "SAFE", 3)
    silent, other = Publisher("silent"), Publisher("other")
    few = [silent.state(f"A-{number}") for number in range(2)]
    told = [announced(other, 4), *[other.state(f"A-{number}") for number in range(4)]]
    named = "maybe incomplete: silent doesn't say how many locations it watches"
    assert _heard(*few).problem() == ""
    assert _heard(*few, *told).problem() == named
    many = [*few, silent.state("A-3"), silent.state("A-4")]
    assert _heard(*many, *told).problem() == named


def test_an_agent_that_does_not_say_how_many_it_watches_is_asked_for_again_until_nothing_more_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(completeness, "SAFE", 3)
    silent, other, broker = Publisher("silent"), Publisher("other"), Asking(monkeypatch)
    for message in (announced(other, 3), *(other.state(f"A-{number}") for number in range(3)), silent.state("A-1")):
        broker.completeness.take(*message)
    assert broker.look(1.0) == [["silent"]]
    broker.completeness.take(*silent.state("A-2"))
    assert broker.completeness.problem() != ""
    asked = [asked for _ in range(4) for asked in broker.look(1.0) if asked]
    assert asked == [["silent"]], "once more alone, since more came"
    assert broker.completeness.problem() == ""


def test_what_lacks_is_counted_by_agent_and_no_more_than_a_few_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "EXAMPLES", 2)
    boxes = [Publisher(f"box-{number}") for number in range(3)]
    found = _heard(*[announced(box, 2) for box in boxes], boxes[1].state("A"))
    assert found.problem() == ("incomplete: 5 states haven't come yet (box-0 0 of 2, box-1 1 of 2, ...)")


class Asking:
    """A broker to which everything is subscribed, asked for the states of agents; and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.now_s = 100.0
        monkeypatch.setattr(completeness, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.completeness = Completeness(SITE, HeardStates(), self._subscribe, lambda: True)

    def _subscribe(self, filters: Sequence[Subscription]) -> None:
        self.asked.append([topic.split("/")[4] for topic, _ in filters])

    def look(self, after_s: float = 0.0) -> list[list[str]]:
        """What is asked for when so much time has gone by."""
        self.now_s += after_s
        before = len(self.asked)
        self.completeness.request_missing_states()
        return self.asked[before:]


def test_states_are_asked_for_again_a_portion_at_a_time_once_no_more_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "LOCATIONS_PER_REQUEST", 5)
    asking, boxes = Asking(monkeypatch), {name: Publisher(name) for name in "abc"}
    for name, number in (("a", 3), ("b", 3), ("c", 2)):
        asking.completeness.take(*announced(boxes[name], number))
    assert asking.look() == [], "they may be on their way"
    assert asking.look(completeness.QUIET_S - 0.01) == []
    assert asking.look(0.01) == [["a", "c"]], "five at a time"
    assert asking.look(completeness.QUIET_S - 0.01) == []
    for name, number in (("a", 3), ("c", 2)):
        for place in range(number):
            asking.completeness.take(*boxes[name].state(f"A-{place}"))
    assert asking.look() == [["b"]], "all that was asked for has come"
    assert asking.look(completeness.QUIET_S) == [[]], "a broker gives again only what was given up before"
    assert asking.look() == [["b"]]
    asking.completeness.take(*boxes["b"].state("A-1"))
    assert asking.look(completeness.QUIET_S) + asking.look() == [[], ["b"]], "it has helped"
    assert asking.look(completeness.QUIET_S) == [[]], "it has not, and is not tried again"
    assert asking.look(completeness.QUIET_S) + asking.look(completeness.QUIET_S) == []
    assert asking.completeness.problem() == "incomplete: 2 states haven't come yet (b 1 of 3)"


def test_on_a_busy_site_they_are_asked_for_though_something_always_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch)
    asking.completeness.take(*announced(Publisher("a"), 3))
    other, step_s = Publisher("b"), 0.7 * completeness.QUIET_S
    waited_s = 0.0
    while not asking.look(step_s):
        waited_s += step_s
        asking.completeness.take(*other.state("A-1"))
        assert waited_s < 2 * completeness.PATIENCE_S
    assert asking.asked == [["a"]]
    assert waited_s >= completeness.PATIENCE_S - step_s
