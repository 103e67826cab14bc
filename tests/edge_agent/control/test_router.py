"""What comes from the broker goes to whom it is for, and what nobody can read goes nowhere."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import parse_config
from edge_agent.control.commands import CommandRequest
from edge_agent.control.router import MAX_ACK_BYTES, Input, MessageRouter, agent_subscriptions
from edge_agent.records import ExpectedMessage, HomeAssistantOnline
from kardus.contract.receipts import Ack
from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.incoming import Incoming

TOPICS = Topics("hall", "box")


class Receivers:
    def __init__(self) -> None:
        self.items: list[Input] = []
        self.acks: list[Ack] = []
        self.refused = 0
        self.router = MessageRouter(TOPICS, self.items.append, self.acks.append, self.count)

    def count(self) -> None:
        self.refused += 1


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


def test_a_location_comes_in_nfc_and_is_asked_for_in_both_spellings() -> None:
    receivers = Receivers()
    receivers.router.route(Incoming(expected_topic("hall", "Ku\u0308hl-1"), b"x"))
    assert receivers.items == [ExpectedMessage("K\u00fchl-1", b"x")]
    camera = {
        "name": "c",
        "source": {"type": "file", "path": "now.jpg"},
        "locations": [{"id": "L", "corners": [[0, 0], [9, 0], [9, 9], [0, 9]]}],
    }
    agent = {"site": "s", "name": "a", "data_dir": "d"}
    config = parse_config({"agent": agent, "harvest": {"sample": True}, "cameras": [camera]}, Path("agent.toml"))
    asked = [topic for topic, _ in agent_subscriptions(config, TOPICS, ["K\u00fchl-1", "A-01"])]
    assert asked.count(expected_topic("s", "A-01")) == 1
    assert {expected_topic("s", "K\u00fchl-1"), expected_topic("s", "Ku\u0308hl-1")} <= set(asked)


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
    assert receivers.refused == bool(payload)  # a topic that is cleared says nothing


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
