"""From the outbox to the broker: at least once, in order, and forgotten only when acknowledged."""

import queue
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import cast

import pytest

from edge_agent.records import Message
from edge_agent.reporting import delivery as delivering
from edge_agent.reporting.delivery import FORGET_WITHIN_S, READ_AHEAD, RETRY_S, Delivery
from edge_agent.reporting.outbox.message import NumberedMessage
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.receipts import Ack
from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import MAX_IN_FLIGHT, Handlers, PublishToken
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import StorageError
from tests.brokers import Mosquitto
from tests.edge_agent.reporting.model_broker import ModelSession, Rounds
from tests.patience import PATIENCE_S, wait_until

WAIT_S = PATIENCE_S


class Line:
    """An outbox, a session and the delivery between them."""

    def __init__(self, folder: Path, port: int) -> None:
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.session = MqttSession(BrokerSettings("127.0.0.1", port, keepalive_s=20), "line")
        self.delivery = Delivery(self.outbox, self.session)
        self.session.start(Handlers(lambda _: self.delivery.wake(), lambda *_: None, self.delivery.acknowledged))
        self.delivery.start()

    def append(self, first: int, last: int) -> None:
        messages = [Message("event", "e", str(n).encode()) for n in range(first, last + 1)]
        self.outbox.append(messages, {}, last)
        self.delivery.wake()

    def close(self) -> None:
        self.delivery.stop()
        self.session.stop()
        self.outbox.close()


def _collect(seen: queue.SimpleQueue[int], count: int) -> list[int]:
    return [seen.get(timeout=WAIT_S) for _ in range(count)]


def test_everything_arrives_in_order_and_leaves_the_outbox(tmp_path: Path, mosquitto: Mosquitto) -> None:
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), [("e", 1)], lambda _, p: seen.put(int(p))):
        line = Line(tmp_path, mosquitto.port)
        line.append(1, 5 * MAX_IN_FLIGHT)
        assert _collect(seen, 5 * MAX_IN_FLIGHT) == list(range(1, 5 * MAX_IN_FLIGHT + 1))
        assert line.delivery.drain(WAIT_S)
        line.close()


def test_the_disk_is_read_when_there_is_news_and_not_at_every_answer(tmp_path: Path, mosquitto: Mosquitto) -> None:
    line = Line(tmp_path, mosquitto.port)
    assert line.session.wait_connected(WAIT_S)
    reads: list[int] = []
    pending = line.outbox.pending

    def counted(limit: int, exclude: Collection[int] = ()) -> list[NumberedMessage]:
        found = pending(limit, exclude)
        reads.append(len(found))
        return found

    line.outbox.pending = counted  # type: ignore[method-assign]
    began = time.monotonic()
    line.append(1, MAX_IN_FLIGHT)
    assert line.delivery.drain(WAIT_S)
    line.close()
    assert sum(reads) == MAX_IN_FLIGHT
    assert len(reads) < 5 + time.monotonic() - began, "once for the news, and once a second"


def test_what_is_decided_while_the_broker_is_away_arrives_when_it_is_back(tmp_path: Path, mosquitto: Mosquitto) -> None:
    line = Line(tmp_path, mosquitto.port)
    assert line.session.wait_connected(WAIT_S)
    mosquitto.kill()
    line.append(1, 50)
    assert not line.delivery.drain(0.3)
    assert line.outbox.depth().total == 50
    mosquitto.start()
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), [("e", 1)], lambda _, p: seen.put(int(p))):
        line.append(51, 60)
        arrived = {seen.get(timeout=WAIT_S)}
        while max(arrived) < 60:
            arrived.add(seen.get(timeout=WAIT_S))
        assert line.delivery.drain(WAIT_S)
    line.close()


def test_a_frozen_broker_loses_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    line = Line(tmp_path, mosquitto.port)
    assert line.session.wait_connected(WAIT_S)
    mosquitto.freeze()
    line.append(1, 30)
    assert line.outbox.depth().total == 30
    mosquitto.thaw()
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), [("e", 1)], lambda _, p: seen.put(int(p))):
        line.append(31, 31)
        while seen.get(timeout=WAIT_S) != 31:
            pass
        assert line.delivery.drain(WAIT_S)
    line.close()


def test_what_was_in_flight_when_the_broker_died_overtakes_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    line = Line(tmp_path, mosquitto.port)
    assert line.session.wait_connected(WAIT_S)
    mosquitto.freeze()
    line.append(1, 10)
    while len(line.delivery._flight.out) < 10:
        line.delivery._stopping.wait(0.01)
    mosquitto.kill()
    line.append(11, 15)
    mosquitto.start()
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), [("e", 1)], lambda _, p: seen.put(int(p))):
        line.append(16, 16)
        arrived = [seen.get(timeout=WAIT_S)]
        while arrived[-1] < 16:
            arrived.append(seen.get(timeout=WAIT_S))
        assert arrived == sorted(set(arrived))
    line.close()


def test_an_answer_over_an_earlier_connection_forgets_nothing_else(tmp_path: Path, mosquitto: Mosquitto) -> None:
    line = Line(tmp_path, mosquitto.port)
    assert line.session.wait_connected(WAIT_S)
    mosquitto.freeze()
    line.append(1, 3)
    while len(line.delivery._flight.out) < 3:
        line.delivery._stopping.wait(0.01)
    for token in list(line.delivery._flight.out):
        line.delivery.acknowledged(PublishToken(token.connection - 1, token.message), "")
    line.append(4, 4)
    while len(line.delivery._flight.out) < 4:
        line.delivery._stopping.wait(0.01)
    assert line.outbox.depth().total == 4
    mosquitto.thaw()
    assert line.delivery.drain(WAIT_S)
    line.close()


def _append(rounds: Rounds, *texts: str) -> None:
    """Store messages; the first letter of each is its location."""
    rounds.outbox.append([Message("event", text, text.encode(), location=text[0]) for text in texts], {}, 0)


@pytest.fixture
def rounds(tmp_path: Path) -> Iterator[Rounds]:
    rounds = Rounds(tmp_path)
    yield rounds
    rounds.outbox.close()


def test_after_a_refusal_the_refused_message_comes_before_later_ones_of_its_location(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "REFUSED_FOR_S", 10.0)
    others = [f"B{number}" for number in range(MAX_IN_FLIGHT - 1)]
    _append(rounds, "A1", *others, "A2", "B98", "A3")
    assert rounds.go(after_s=RETRY_S) == ["A1", *others]
    rounds.broker.refuse(lambda topic: topic == "A1")
    assert rounds.go() == [*others, "B98"], "A2 waits behind A1; A3 was read from the disk, and there is no room for it"
    assert rounds.go(after_s=9.9) == [*others, "B98"], "the refusal still stands"
    for _ in range(3):
        rounds.broker.accept()
    assert rounds.go(after_s=0.2)[-3:] == ["A1", "A2", "A3"]


@pytest.mark.parametrize("ranges", [(), ((4, 2**63 - 1),)], ids=["contiguous", "beyond"])
def test_an_acknowledgement_of_what_was_never_sent_is_refused_counted_and_logged(
    ranges: tuple[tuple[int, int], ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[None] = []
    outbox = Outbox(tmp_path / "outbox.sqlite", delivery="confirmed")
    session = cast("MqttSession", ModelSession())
    delivery = Delivery(outbox, session, on_refused_ack=lambda: refused.append(None))
    outbox.append([Message("event", "e", b"", location="A", sequence=n) for n in (1, 2)], {}, 2)
    outbox.delivered([stored.id for stored in outbox.pending(9)])
    delivery.confirmed(Ack(epoch=outbox.epoch, contiguous_to=1 if ranges else 3, ranges=ranges))
    delivery._round()
    assert (len(refused), outbox.depth().unconfirmed) == (1, 2)
    assert f"an acknowledgement up to event {ranges[0][1] if ranges else 3} is refused, the last being 2" in caplog.text
    delivery.confirmed(Ack(epoch=outbox.epoch, contiguous_to=2))
    delivery._round()
    assert (len(refused), outbox.depth().unconfirmed) == (1, 0)
    outbox.close()


def test_a_broker_that_acknowledges_nothing_for_thirty_seconds_gets_a_new_connection(rounds: Rounds) -> None:
    _append(rounds, "A1", "A2")
    assert rounds.go(after_s=RETRY_S) == ["A1", "A2"]
    rounds.go(after_s=29.0)
    assert rounds.broker.dropped == []
    rounds.go(after_s=2 * RETRY_S)
    assert rounds.broker.dropped == [1]
    assert rounds.go() == ["A1", "A2"], "sent again over the new connection"
    rounds.go(after_s=29.0)
    assert rounds.broker.dropped == [1], "the time counts from the new connection"


def test_what_the_broker_refuses_beside_the_outbox_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "acl").write_text("topic readwrite e\n")
    broker = Mosquitto(tmp_path / "broker", f"acl_file {tmp_path}/acl\n")
    broker.start()
    line = Line(tmp_path, broker.port)
    try:
        assert line.session.wait_connected(WAIT_S)
        for _ in range(2):
            assert line.session.publish(line.session.connection or 0, "status", b"online", retain=True)
        line.append(1, 1)
        wait_until(lambda: line.outbox.depth().total == 0 and "refuses what the agent says of itself" in caplog.text)
        assert caplog.text.count("(Not authorized): check its right to publish status, health") == 1
    finally:
        line.close()
        broker.kill()


def _deliver(rounds: Rounds, number: int) -> None:
    """The broker takes so many, each as soon as it is sent, and no time goes by."""
    for _ in range(number):
        if not rounds.broker.unanswered:
            rounds.go()
        rounds.broker.accept()
    rounds.go()


def test_what_the_broker_took_is_forgotten_together_a_moment_later(rounds: Rounds) -> None:
    rounds.go(after_s=RETRY_S)
    _append(rounds, "A1", "A2", "A3")
    _deliver(rounds, 3)
    assert rounds.outbox.depth().total == 3, "a transaction each would wear the disk out"
    rounds.go(after_s=FORGET_WITHIN_S)
    assert rounds.outbox.depth().total == 0


def test_what_the_broker_took_is_forgotten_at_once_when_it_is_many(rounds: Rounds) -> None:
    rounds.go(after_s=RETRY_S)
    _append(rounds, *(f"A{number}" for number in range(READ_AHEAD)))
    _deliver(rounds, READ_AHEAD - 1)
    assert rounds.outbox.depth().total == READ_AHEAD
    _deliver(rounds, 1)
    assert rounds.outbox.depth().total == 0


def test_the_disk_is_read_again_only_where_it_may_hold_more(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    pending = rounds.outbox.pending

    def counted(limit: int, exclude: Collection[int] = ()) -> list[NumberedMessage]:
        found = pending(limit, exclude)
        reads.append(len(found))
        return found

    monkeypatch.setattr(rounds.outbox, "pending", counted)
    _append(rounds, *(f"A{number}" for number in range(READ_AHEAD + 1)))
    _deliver(rounds, READ_AHEAD + 1)
    rounds.go()
    assert reads == [READ_AHEAD, 1]


def test_a_message_that_the_session_does_not_take_is_handed_over_before_the_next_of_its_location(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, busy = rounds.broker.publish, iter([False, True])

    def now_and_then(connection: int, topic: str, payload: bytes, *, retain: bool) -> PublishToken | None:
        return None if next(busy, False) else publish(connection, topic, payload, retain=retain)

    monkeypatch.setattr(rounds.broker, "publish", now_and_then)
    _append(rounds, "A1", "A2", "A3")
    assert rounds.go() == ["A1"]
    assert rounds.go() == ["A1", "A2", "A3"]


@pytest.mark.parametrize(("waiting", "wakes"), [(MAX_IN_FLIGHT, False), (MAX_IN_FLIGHT + 1, True)])
def test_an_answer_wakes_the_delivery_where_something_waits_for_its_place(
    rounds: Rounds, waiting: int, *, wakes: bool
) -> None:
    _append(rounds, *(f"A{number}" for number in range(waiting)))
    rounds.go()
    rounds.go()
    rounds.delivery._wake.clear()
    rounds.broker.accept()
    assert rounds.delivery._wake.is_set() == wakes


def test_an_outbox_that_fails_is_asked_again_after_a_pause(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever wakes the delivery meanwhile: a full disk would fill the log, too."""
    stopping, asked, pauses = rounds.delivery._stopping, list[int](), list[float]()

    def pending(*_: object) -> list[NumberedMessage]:
        asked.append(1)
        rounds.delivery.wake()
        if len(asked) == 3:
            stopping.set()
        raise StorageError("the outbox failed: check the disk")

    monkeypatch.setattr(rounds.outbox, "pending", pending)
    monkeypatch.setattr(stopping, "wait", pauses.append)
    rounds.delivery.wake()
    rounds.delivery._run()
    assert pauses == [RETRY_S] * 3
    assert [record.getMessage() for record in caplog.records] == ["the outbox failed: check the disk"] * 3


def test_what_was_stored_without_a_word_is_found_a_moment_later(rounds: Rounds) -> None:
    rounds.go()
    rounds.outbox.on_news = lambda: None
    _append(rounds, "A1")
    assert rounds.go() == []
    rounds.go(after_s=RETRY_S)
    assert rounds.go() == ["A1"]
