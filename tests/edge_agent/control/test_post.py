"""What comes from the broker goes to whom it is for, and what nobody can read goes nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.control.commands import Request
from edge_agent.control.inbox import Item
from edge_agent.control.post import MAX_ACK_BYTES, Post
from edge_agent.records import ExpectedMessage, HomeAssistantOnline
from kardus.contract.receipts import Ack
from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.connection import Incoming

TOPICS = Topics("hall", "box")


class Desk:
    def __init__(self) -> None:
        self.items: list[Item] = []
        self.acks: list[Ack] = []
        self.post = Post(TOPICS, self.items.append, self.acks.append)


def test_each_kind_goes_its_way() -> None:
    desk = Desk()
    desk.post.sort(Incoming(expected_topic("hall", "A-01"), b"x"))
    desk.post.sort(Incoming(TOPICS.command("capture"), b"{}", True, "reply", b"7"))
    desk.post.sort(Incoming("homeassistant/status", b"online"))
    desk.post.sort(Incoming(TOPICS.ack, b'{"epoch": "e", "contiguous_to": 7, "ranges": [[9, 12]]}'))
    assert desk.items == [
        ExpectedMessage("A-01", b"x"),
        Request("capture", b"{}", True, "reply", b"7"),
        HomeAssistantOnline(),
    ]
    assert desk.acks == [Ack(epoch="e", contiguous_to=7, ranges=((9, 12),))]


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
    desk = Desk()
    desk.post.sort(Incoming(TOPICS.ack, payload))
    assert (desk.items, desk.acks) == ([], [])


@given(st.text(max_size=60), st.binary(max_size=60))
def test_whatever_comes_nothing_raises(topic: str, payload: bytes) -> None:
    desk = Desk()
    for name in (topic, f"{TOPICS.base}/{topic}"):
        desk.post.sort(Incoming(name, payload))
