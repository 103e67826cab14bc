"""What a broker says that it doesn't serve, or takes no more of, is kept to, or said in a line."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.connection import MAX_IN_FLIGHT, Handlers
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from tests.brokers import Mosquitto
from tests.kardus.mqtt.scripted_broker import (
    CONNECT,
    PUBLISH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    ScriptedBroker,
    connack,
    packet,
    suback,
)
from tests.patience import PATIENCE_S, wait_until

FILTERS = [(f"kardus/v1/hall/expected/A-{number:04d}", 1) for number in range(700)]
"""About 30 kB."""
LimitedBroker = Callable[[str], BrokerSettings]


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[LimitedBroker]:
    """Starts Mosquitto with a limit."""
    made: list[Mosquitto] = []

    def start(extra: str) -> BrokerSettings:
        made.append(Mosquitto(tmp_path / "broker", extra))
        made[-1].start()
        return BrokerSettings("127.0.0.1", made[-1].port, keepalive_s=20)

    yield start
    for broker in made:
        broker.kill()


@pytest.mark.parametrize("limit", [300, 20_000])
def test_subscriptions_go_in_packets_that_the_broker_reads(limited: LimitedBroker, limit: int) -> None:
    got: queue.SimpleQueue[str] = queue.SimpleQueue()
    with MqttClient(limited(f"max_packet_size {limit}\n"), FILTERS, lambda topic, _: got.put(topic)) as client:
        client.publish([(FILTERS[-1][0], b"x")], retain=False)
        assert got.get(timeout=PATIENCE_S) == FILTERS[-1][0]
        client.use(FILTERS[:1])  # all others are taken back, in such packets too
        wait_until(lambda: client.is_subscribed)
        client.publish([(topic, b"x") for topic, _ in (FILTERS[-1], FILTERS[0])], retain=False)
        assert got.get(timeout=PATIENCE_S) == FILTERS[0][0]
        assert not client.problem


@pytest.mark.parametrize(
    ("properties", "most"), [(b"\x21\x00\x03", 3), (b"\x21\xff\xff", MAX_IN_FLIGHT), (b"", MAX_IN_FLIGHT)]
)
def test_no_more_messages_are_on_their_way_than_the_broker_takes(properties: bytes, most: int) -> None:
    published: list[bytes] = []
    seen_at_question: list[int] = []
    asked = threading.Event()

    def answer(kind: int, body: bytes) -> bytes:
        if kind == PUBLISH:
            topic_bytes = int.from_bytes(body[:2], "big")
            published.append(body[2 + topic_bytes : 4 + topic_bytes])
        if kind == UNSUBSCRIBE:  # it came behind all that were sent by then, none of them acknowledged
            seen_at_question.append(len(published))
            asked.set()
        return {CONNECT: connack(properties=properties)}.get(kind, b"")

    with ScriptedBroker(answer) as broker:
        session = MqttSession(BrokerSettings("127.0.0.1", broker.port, version="5"), "limits")
        accepted = threading.Event()
        session.start(Handlers(on_connect=lambda _: accepted.set()))
        assert accepted.wait(PATIENCE_S)
        for number in range(2 * MAX_IN_FLIGHT):
            session.publish(1, f"t/{number}", b"x", retain=False)
        assert session.ask(1)
        assert asked.wait(PATIENCE_S)
        session.stop()
    assert seen_at_question == [most]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("retain_available false\n", "serves no retained messages, without which nothing works: let it, or take"),
        ("max_qos 0\n", "serves no quality of service 1, without which nothing works"),
    ],
)
def test_a_broker_that_cannot_serve_is_no_connection_and_is_said(limited: LimitedBroker, extra: str, said: str) -> None:
    with pytest.raises(BrokerError, match=said) as refusal:
        MqttClient(limited(extra))
    assert "start it" not in str(refusal.value)


def test_a_broker_that_hangs_up_on_a_message_is_not_waited_for() -> None:
    def answer(kind: int, body: bytes) -> bytes | None:
        if kind == PUBLISH:
            return packet(0xE0, b"\x95\x00")
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 0)}.get(kind, b"")

    said = r"^t: not published, the connection was lost \(packet too large\): try again"
    with (
        ScriptedBroker(answer) as broker,
        MqttClient(BrokerSettings("127.0.0.1", broker.port, version="5")) as client,
        pytest.raises(BrokerError, match=said),
    ):
        client.publish([("t", b"x")], retain=True)


def test_a_connection_that_is_gone_before_the_message_is_handed_over_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(kind: int, body: bytes) -> bytes | None:
        if kind == PUBLISH:
            return packet(0xE0, b"\x95\x00")
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 0)}.get(kind, b"")

    whole = MqttSession.publish

    def too_late(session: MqttSession, connection: int, topic: str, payload: bytes, *, retain: bool) -> None:
        whole(session, connection, topic, payload, retain=retain)
        session.wait_for(lambda: session.connection != connection, PATIENCE_S)

    monkeypatch.setattr(MqttSession, "publish", too_late)
    with (
        ScriptedBroker(answer) as broker,
        MqttClient(BrokerSettings("127.0.0.1", broker.port, version="5")) as client,
        pytest.raises(BrokerError, match=r"^t: not published, the connection was lost \(packet too large\)"),
    ):
        client.publish([("t", b"x")], retain=True)
