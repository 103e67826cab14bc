"""What a receiver reads at once: messages are taken out of the stream, all else goes to paho as it came."""

import queue
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion, _ConnectionState

from kardus.mqtt.batch_client import BatchClient, PublishPacket, read_publish, whole_packets
from kardus.mqtt.connection import Handlers, Options
from kardus.mqtt.incoming import Incoming, Puback, acknowledge_all
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from tests.kardus.mqtt.scripted_broker import CONNECT, ScriptedBroker, connack
from tests.patience import PATIENCE_S

WAIT_S = PATIENCE_S
PUBACK = 4
OTHER = (b"\xd0\x00", b"\x40\x02\x00\x01")
"""PINGRESP, and PUBACK to a message that nobody has sent."""


def _length(number: int) -> bytes:
    """As MQTT writes it (MQTT 5, 1.5.5)."""
    more, low = divmod(number, 128)
    return bytes([low | 128]) + _length(more) if more else bytes([low])


def _packet(message: PublishPacket, properties: bytes | None = b"", *, qos: int | None = None) -> bytes:
    """PUBLISH; properties of None: MQTT 3.1.1."""
    topic, qos = message.topic.encode(), min(message.number, 1) if qos is None else qos
    body = len(topic).to_bytes(2, "big") + topic + (message.number.to_bytes(2, "big") if qos else b"")
    body += b"" if properties is None else _length(len(properties)) + properties
    return bytes([0x30 | qos << 1 | message.retained]) + _length(len(body + message.payload)) + body + message.payload


def _client(
    stream: list[bytes], version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
) -> tuple[BatchClient, list[Any]]:
    """A client whose socket gives these pieces, and lists of what came together."""
    came: list[Any] = []
    version_2 = CallbackAPIVersion.VERSION2
    client = BatchClient(lambda _, some: came.append(some), callback_api_version=version_2, protocol=version)
    gives: Any = _Socket(stream)
    client._sock = gives
    client._state = _ConnectionState.MQTT_CS_CONNECTED
    return client, came


class _Socket:
    """Gives pieces, then says that there is nothing more now."""

    def __init__(self, stream: list[bytes]) -> None:
        self.stream = stream
        self.calls = 0

    def recv(self, number: int) -> bytes:
        self.calls += 1
        if not self.stream:
            raise BlockingIOError
        given, self.stream[0] = self.stream[0][:number], self.stream[0][number:]
        if not self.stream[0]:
            del self.stream[0]
        return given

    def send(self, some: bytes) -> int:
        return len(some)

    def close(self) -> None:
        """Nothing to close."""


@given(
    messages=st.lists(
        st.builds(
            PublishPacket,
            st.text(min_size=1, max_size=200),
            st.binary(max_size=300),
            st.booleans(),
            st.integers(0, 65_535),
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(1, 400), min_size=1),
    more=st.sampled_from([None, b"", b"\x03\x00\x04json", b"\x26\x00\x01a\x00\x96" + b"x" * 150]),
)
def test_messages_come_whole_and_in_order_wherever_the_stream_is_cut(
    messages: list[PublishPacket], cuts: list[int], more: bytes | None
) -> None:
    stream = b"".join(_packet(message, more) + OTHER[number % 2] for number, message in enumerate(messages))
    pieces: list[bytes] = []
    while stream:
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(stream[:size])
        stream = stream[size:]
    version = MQTTProtocolVersion.MQTTv311 if more is None else MQTTProtocolVersion.MQTTv5
    client, came = _client(pieces, version)
    for _ in range(len(pieces)):
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert [message for some in came for message in some] == messages


def test_what_came_together_is_read_by_one_call_of_the_system_and_given_together() -> None:
    messages = [PublishPacket(f"in/{number}", b"1", retained=False, number=number) for number in range(1, 101)]
    client, came = _client([b"".join(OTHER[0] + _packet(message) for message in messages)])
    client.loop_read()
    assert came == [messages]
    assert client._sock.calls == 1  # type: ignore[union-attr]
    assert not client._left


@pytest.mark.parametrize(
    "strange",
    [
        b"\x32\x05\x00\x09in\x00",  # a topic that goes beyond its packet
        b"\x32\x07\x00\x02in\x00\x01\x09",  # properties that go beyond it
        b"\x32\x0b\x00\x02in\x00\x01\xff\xff\xff\xff\x7f",  # and whose length has five bytes
        b"\x30\x05\x00\x02\xff\xfe\x00",  # a topic that isn't UTF-8
        b"\x30\x03\x00\x00\x00",  # and one that is none, for an alias that nobody has given
        b"\x32\x07\x00\x02in\x00\x00\x00",  # a packet of no number
        b"\x34\x07\x00\x02in\x00\x01\x00",  # QoS 2
        b"\x36\x07\x00\x02in\x00\x01\x00",  # QoS 3
        b"\x30\x00",
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        *OTHER,
    ],
)
def test_what_is_no_usual_message_is_left_to_paho_as_it_came(strange: bytes) -> None:
    with memoryview(strange) as view:
        ((start, body, end),) = whole_packets(view)
        assert (start, end) == (0, len(strange))
        assert read_publish(view, start, body, end, is_5=True) is None


def test_a_length_that_is_none_ends_the_connection() -> None:
    client, came = _client([b"\x30\xff\xff\xff\xff\x01", b"more"])
    assert client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS
    assert came == []


def test_an_end_of_the_stream_is_a_lost_connection() -> None:
    client, _ = _client([b""])
    client._sock.recv = lambda _: b""  # type: ignore[union-attr,method-assign]
    assert client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS


def test_a_broker_that_sends_is_there_also_where_it_has_answered_no_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paho goes by what it has read itself: where its word for that is another one, each keepalive ends a backlog."""
    now_s = 1000.0
    monkeypatch.setattr("paho.mqtt.client.time_func", lambda: now_s)
    monkeypatch.setattr("kardus.mqtt.batch_client.time", SimpleNamespace(monotonic=lambda: now_s))
    client, came = _client([])
    socket: Any = client._sock
    for number in range(1, 20):
        now_s += client.keepalive / 4
        socket.stream.append(_packet(PublishPacket("in", b"1", retained=False, number=number)))
        client.loop_read()
        client.acknowledge([number])
        assert client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert len(came) == 19


class _Counting:
    """A client that notes what it is asked to acknowledge."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def acknowledge(self, numbers: list[int]) -> None:
        self.asked.append(numbers)


def test_messages_are_acknowledged_in_one_piece_over_the_connections_that_they_came_by() -> None:
    one: Any = _Counting()
    other: Any = _Counting()
    alone: list[str] = []
    messages = [
        Incoming("in", b"", acknowledge=Puback(client, number)) for client, number in ((one, 7), (other, 8), (one, 9))
    ]
    acknowledge_all([*messages, Incoming("in", b"", acknowledge=lambda: alone.append("x")), Incoming("in", b"")])
    assert (one.asked, other.asked, alone) == ([[7, 9]], [[8]], ["x"])


def test_every_message_is_acknowledged_also_one_whose_topic_is_no_text() -> None:
    """The broker would wait for that for good, and send one less of the others at a time."""
    acknowledged: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    came: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
    sent = b"".join(
        _packet(PublishPacket(f"in/{number}", b"x", retained=False, number=number)) for number in range(1, 301)
    )
    strange = b"\x32\x08\x00\x02\xff\xfe\xff\xff\x00!"

    def answer(kind: int, body: bytes) -> bytes:
        if kind == PUBACK:
            acknowledged.put(body)
        return connack() + sent + strange if kind == CONNECT else b""

    with ScriptedBroker(answer) as broker:
        session = MqttSession(BrokerSettings("127.0.0.1", broker.port), "box", options=Options(manual_ack=True))
        session.start(Handlers(on_message=came.put))
        try:
            messages = [came.get(timeout=WAIT_S) for _ in range(301)]
            acknowledge_all(messages)
            numbers = [int.from_bytes(acknowledged.get(timeout=WAIT_S)[:2], "big") for _ in range(301)]
        finally:
            session.stop()
    assert sorted(numbers) == [*range(1, 301), 0xFFFF]
    assert [message.topic for message in messages] == [*(f"in/{number}" for number in range(1, 301)), ""]


@pytest.mark.parametrize("sent_with_it", [1, 300])
def test_messages_that_came_with_the_connack_hold_it_not_up(sent_with_it: int) -> None:
    """A receiver with a full queue takes none for a while: the connection was given up before it was one."""
    connected, came = threading.Event(), queue.SimpleQueue[tuple[str, bool]]()
    sent = [
        _packet(PublishPacket(f"in/{number}", b"x", retained=False, number=number))
        for number in range(1, sent_with_it + 1)
    ]

    def take(message: Incoming) -> None:
        came.put((message.topic, connected.wait(WAIT_S if message.topic == "in/1" else 0.0)))

    with ScriptedBroker(lambda kind, _: connack() + b"".join(sent) if kind == CONNECT else b"") as broker:
        session = MqttSession(BrokerSettings("127.0.0.1", broker.port), "box", options=Options(manual_ack=True))
        session.start(Handlers(on_connect=lambda _: connected.set(), on_message=take))
        try:
            taken = [came.get(timeout=WAIT_S) for _ in sent]
        finally:
            session.stop()
    assert taken == [(f"in/{number}", True) for number in range(1, sent_with_it + 1)]
