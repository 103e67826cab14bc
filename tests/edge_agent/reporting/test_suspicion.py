"""A message that the broker hangs up on is set aside, the rest goes on; a link that breaks costs no message."""

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.records import Message
from edge_agent.reporting.delivery import REFUSED_FOR_S, RETRY_S, Delivery
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import Handlers
from kardus.mqtt.reasons import NOT_GIVEN, Ending
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Amqtt, Mosquitto
from tests.edge_agent.reporting.model_broker import Rounds
from tests.patience import PATIENCE_S

CUT = Ending(NOT_GIVEN, NOT_GIVEN)
MALFORMED = Ending("malformed packet", "malformed packet", 0x81)
FORBIDDEN = Ending("not authorized", "not authorized", 0x87)
BUSY = Ending("server busy", "server busy", 0x89)


class Line(Rounds):
    """With events of many locations, and a broker that hangs up on some."""

    def append(self, *texts: str, kind: str = "event", urgent: bool = False) -> None:
        """Store events, each of a location of its own."""
        first = self.outbox.last_sequence + 1
        events = [
            Message(
                kind,  # type: ignore[arg-type]
                text,
                text.encode(),
                location=text,
                sequence=first + n if kind == "event" else None,
                urgent=urgent,
            )
            for n, text in enumerate(texts)
        ]
        self.outbox.append(events, {}, first + len(texts) - 1)

    def serve(self, ending: Ending, rounds: int = 20, *, hates: str = "bad", answers_first: bool = True) -> None:
        """Be a broker that takes everything in its order, and hangs up on what it hates."""
        for _ in range(rounds):
            self.go(0.2)
            while self.broker.unanswered:
                if self.broker.unanswered[0].topic.startswith(hates):
                    self.broker.hang_up(ending, answers_first=answers_first)
                    break
                self.broker.accept()

    @property
    def arrived(self) -> list[str]:
        return [published.topic for published in self.broker.received]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    line.outbox.close()


@pytest.mark.parametrize(("ending", "answers_first"), [(CUT, True), (MALFORMED, True), (MALFORMED, False)])
def test_it_is_set_aside_counted_and_lost_and_the_rest_arrives_in_order(
    line: Line, ending: Ending, *, answers_first: bool
) -> None:
    line.append("a", "b", "bad", "c", "d", "bad2", "e")
    line.serve(ending, answers_first=answers_first)
    assert line.arrived == ["a", "b", "c", "d", "e"]
    assert line.outbox.lost() == {line.outbox.epoch: [(3, 3), (6, 6)]}
    assert line.outbox.losses.hung_up_on == 2
    assert line.broker.connections == 1 + 5, "once with all the others, and twice in a row for each of the two"
    assert line.outbox.depth().total == 0
    line.append("f", "g")
    assert line.go(RETRY_S) == ["f", "g"], "twenty at a time again"


def test_a_state_that_it_hangs_up_on_is_no_lost_event(line: Line) -> None:
    line.append("a", "bad", "c", kind="state")
    line.serve(CUT)
    assert (line.arrived, line.outbox.losses.hung_up_on, line.outbox.lost()) == (["a", "c"], 1, {})


@pytest.mark.parametrize("ending", [BUSY, Ending("x", "x", is_silence=True)])
def test_a_broker_that_gives_another_reason_takes_it_in_the_end(line: Line, ending: Ending) -> None:
    line.append("a", "bad", "c")
    line.serve(ending)
    assert line.outbox.losses.hung_up_on == 0
    line.serve(ending, hates="-")
    assert line.arrived[-2:] == ["bad", "c"]


def test_a_link_that_breaks_again_and_again_costs_no_message(line: Line) -> None:
    """The answer to the question goes with the other one."""
    line.append("a", "bad", "c")
    line.serve(CUT, answers_first=False)
    assert line.outbox.losses.hung_up_on == 0
    line.serve(CUT, hates="-")
    assert line.arrived[-2:] == ["bad", "c"]


def test_two_hang_ups_that_are_not_in_a_row_prove_nothing(line: Line) -> None:
    line.append("bad")
    line.go(RETRY_S)
    line.broker.hang_up(CUT)
    for _ in range(4):
        assert line.go(0.2) == ["bad"]
        line.broker.connections += 1  # an attempt that failed lies between: the network, or the broker, is ill
        line.broker.hang_up(CUT)
    assert line.outbox.losses.hung_up_on == 0


def test_a_broker_that_takes_nothing_costs_one_message_and_not_all(line: Line) -> None:
    line.append("bad1", "bad2", "bad3")
    line.serve(CUT, rounds=40)
    assert (line.outbox.losses.hung_up_on, line.outbox.depth().total) == (1, 2)
    line.go(REFUSED_FOR_S)
    line.serve(CUT, hates="-")
    assert line.arrived == ["bad2", "bad3"]


def test_what_the_agent_has_no_right_to_waits_and_the_rest_goes_on(line: Line) -> None:
    line.append("a", "bad", "c")
    line.serve(FORBIDDEN, rounds=40)
    assert line.arrived == ["a", "c"]
    assert (line.outbox.losses.hung_up_on, line.outbox.depth().total) == (0, 1)
    line.go(REFUSED_FOR_S)
    line.serve(FORBIDDEN, hates="-")
    assert line.arrived == ["a", "c", "bad"]


def test_a_suspect_that_a_later_state_replaces_is_no_longer_waited_for(line: Line) -> None:
    line.append("bad", "b", kind="state")
    line.go(RETRY_S)
    line.broker.hang_up(CUT)
    line.append("bad", "c", kind="state")
    assert line.go(RETRY_S) == ["b"], "one by one"
    line.broker.accept()
    assert line.go(RETRY_S) == ["bad", "c"]


def test_once_the_last_suspect_is_taken_alerts_are_sent_together_again(line: Line) -> None:
    line.append("a", "b")
    line.go(RETRY_S)
    line.broker.hang_up(CUT)
    assert line.go(RETRY_S) == ["a"], "one by one"
    line.broker.accept()
    assert line.go(RETRY_S) == ["b"]
    line.broker.accept()
    line.append("c", "d", urgent=True)
    assert line.go(RETRY_S) == ["c", "d"]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_broker_really_hangs_up_and_the_rest_really_arrives(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda _: 0.05)
    settings = BrokerSettings("127.0.0.1", mosquitto.port, version=version)  # type: ignore[arg-type]
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()
    outbox = Outbox(tmp_path / "outbox.sqlite")
    texts = ["a", "b\x85", "c", "d\ufdd0", "e"]
    outbox.append([Message("event", f"e/{t}", b"x", location=t, sequence=n) for n, t in enumerate(texts, 1)], {}, 5)
    session = MqttSession(settings, "line")
    delivery = Delivery(outbox, session)
    with MqttClient(settings, [("e/+", 1)], lambda topic, _: seen.put(topic)):
        session.start(Handlers(lambda _: delivery.wake(), on_acknowledged=delivery.acknowledged, on_lost=delivery.lost))
        delivery.start()
        arrived = {seen.get(timeout=PATIENCE_S)}
        while len(arrived) < 3:
            arrived.add(seen.get(timeout=PATIENCE_S))
        assert session.wait_connected(PATIENCE_S)
        assert delivery.drain(PATIENCE_S)
        delivery.stop()
        session.stop()
    assert arrived == {"e/a", "e/c", "e/e"}
    assert outbox.lost() == {outbox.epoch: [(2, 2), (4, 4)]}
    outbox.close()


def test_amqtt_answers_the_question_too() -> None:
    broker = Amqtt()
    broker.start()
    answered: queue.SimpleQueue[object] = queue.SimpleQueue()
    session = MqttSession(BrokerSettings("127.0.0.1", broker.port, version="3.1.1"), "line")
    session.start(Handlers(on_acknowledged=lambda token, _: answered.put(token)))
    assert session.wait_connected(PATIENCE_S)
    assert session.ask(session.connection or 0) == answered.get(timeout=PATIENCE_S)
    session.stop()
    broker.kill()
