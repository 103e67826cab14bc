"""What comes from the broker goes to whom it is for, and what nobody can read goes nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.control.commands import CommandRequest
from edge_agent.control.router import MAX_ACK_BYTES, Input, MessageRouter
from edge_agent.records import ExpectedMessage, HomeAssistantOnline
from kardus.contract.receipts import Ack
from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.connection import Incoming

TOPICS = Topics("hall", "box")


class Receivers:
    def __init__(self) -> None:
        self.items: list[Input] = []
        self.acks: list[Ack] = []
        self.router = MessageRouter(TOPICS, self.items.append, self.acks.append)


def test_each_kind_goes_its_way() -> None:
    receivers = Receivers()
    receivers.router.route(Incoming(expected_topic("hall", "A-01"), b"x"))
    receivers.router.route(Incoming(TOPICS.command("capture"), b"{}", True, "reply", b"7"))
    receivers.router.route(Incoming("homeassistant/status", b"online"))
    receivers.router.route(Incoming(TOPICS.ack, b'{"epoch": "e", "contiguous_to": 7, "ranges": [[9, 12]]}'))
    assert receivers.items == [
        ExpectedMessage("A-01", b"x"),
        CommandRequest("capture", b"{}", True, "reply", b"7"),
        HomeAssistantOnline(),
    ]
    assert receivers.acks == [Ack(epoch="e", contiguous_to=7, ranges=((9, 12),))]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"epoch": "e", "contiguous_to": -1}',
        b'{"epoch": "e", "contiguous_to": 1, "ranges": [[5, 3]]}',
        b" " * (MAX_ACK_BYTES + 1),
    ],
)
def test_an_acknowledgement_that_cannot_be_read_forgets_nothing(payload: bytes) -> None:
    receivers = Receivers()
    receivers.router.route(Incoming(TOPICS.ack, payload))
    assert (receivers.items, receivers.acks) == ([], [])


def test_a_topic_that_nobody_subscribed_to_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """RabbitMQ gives dots back as slashes."""
    receivers = Receivers()
    for topic in ("kardus/v1/hall/expected/A/01\x85", "kardus/v1/hall/expected/A/02"):
        receivers.router.route(Incoming(topic, b"x"))
    receivers.router.route(Incoming("homeassistant/status", b"offline"))
    assert receivers.items == []
    assert len(caplog.records) == 1
    assert "kardus/v1/hall/expected/A/01\\x85" in caplog.text


@given(st.text(max_size=60), st.binary(max_size=60))
def test_whatever_comes_nothing_raises(topic: str, payload: bytes) -> None:
    receivers = Receivers()
    for name in (topic, f"{TOPICS.base}/{topic}"):
        receivers.router.route(Incoming(name, payload))
