"""A command is carried out once and answered; what is unknown, old, retained or malformed is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.control.command_dispatcher import CommandDispatcher
from edge_agent.control.commands import AddressedReply, CommandRequest, carry_out
from kardus.contract.commands import COMMANDS, MAX_COMMAND_BYTES, Acknowledge, Reply
from kardus.support.errors import KardusError

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
EVENT = "0198c2b0-0000-7000-8000-000000000000"
LAYOUT = {"picture_size": [99, 99], "locations": [{"id": "A", "facings": [[[0, 0], [9, 0], [9, 9], [0, 9]]]}]}
GOOD: dict[str, dict[str, Any]] = {
    "capture": {},
    "snapshot": {"camera": "left"},
    "acknowledge": {"location": "A-1", "by": "picker 7"},
    "correct": {"location": "A-1", "captured": "2026-03-04T11:59:00Z", "truth": "product", "sku": "TEA"},
    "rebirth": {},
    "coverage": {},
    "evidence": {"event": EVENT},
    "log-level": {"level": "debug"},
    "reload": {},
    "layout": {"camera": "left"},
    "find-labels": {"camera": "left", "side": "above"},
    "set-layout": {"camera": "left", "based_on": 0, "layout": LAYOUT},
    "restore-layout": {"camera": "left", "based_on": 2, "revision": 1},
    "resend": {"epoch": "e", "first": 1, "last": 9},
    "model": {"name": "m", "version": "1.0.0", "size": 1, "sha256": "0" * 64, "url": "https://h/m"},
}


class Box:
    """Carries out everything, and remembers it."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self.done: list[Any] = []

    def handle(self, command: Any) -> dict[str, Any]:
        """Remember the command."""
        self.done.append(command)
        return {"number": len(self.done)}

    def ask(self, name: str, payload: Any, **more: Any) -> AddressedReply:
        """Ask at noon."""
        encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return carry_out(CommandRequest(name, encoded, **more), dict.fromkeys(COMMANDS, self.handle), NOON)


def _refused(found: AddressedReply, box: Box) -> str:
    assert not box.done
    assert not found.reply.ok
    assert found.reply.result == {}
    assert len(found.reply.error.splitlines()) == 1
    return found.reply.error


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_carried_out_and_answered(name: str) -> None:
    box = Box()
    found = box.ask(name, GOOD[name], response_topic="replies/7", correlation=b"\x01")
    assert (found.topic, found.correlation) == ("replies/7", b"\x01")
    assert (found.reply.ok, found.reply.error, found.reply.result) == (True, "", {"number": 1})
    assert isinstance(box.done[0], COMMANDS[name])


def test_the_arguments_arrive() -> None:
    box = Box()
    box.ask("acknowledge", GOOD["acknowledge"])
    assert box.done == [Acknowledge(location="A-1", by="picker 7")]


def test_an_empty_payload_asks_without_arguments() -> None:
    assert Box().ask("rebirth", b"").reply.ok


def test_without_mqtt_5_the_payload_says_where_the_reply_goes() -> None:
    found = Box().ask("rebirth", {"response_topic": "replies/8", "correlation": "c-1"})
    assert (found.topic, found.reply.correlation) == ("replies/8", "c-1")


@pytest.mark.parametrize(("name", "more"), [("dance", {}), ("snapshot", {}), ("log-level", {"level": "loud"})])
def test_a_refusal_finds_its_way_without_mqtt_5_too(name: str, more: dict[str, str]) -> None:
    found = Box().ask(name, {"response_topic": "replies/8", "correlation": "c-1", **more})
    assert (found.topic, found.reply.correlation, found.reply.ok) == ("replies/8", "c-1", False)


@pytest.mark.parametrize("topic", ["a/+", "#", "a/\x85", "a/\ufdd0", "a\0"])
def test_no_reply_goes_to_many_nor_where_the_broker_would_hang_up(topic: str) -> None:
    assert Box().ask("rebirth", {}, response_topic=topic).topic == ""
    assert Box().ask("rebirth", {"response_topic": topic}).topic == ""


REFUSED: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "unknown": ("dance", {}, {}, "no such command: one of capture, snapshot"),
    "no JSON": ("rebirth", b"{", {}, "docs/messages.md"),
    "not UTF-8": ("rebirth", b"\xff\xfe", {}, "docs/messages.md"),
    "a list": ("rebirth", [], {}, "docs/messages.md"),
    "no product": ("correct", GOOD["correct"] | {"sku": ""}, {}, "sku: name a product where `truth` is `product`"),
    "a product of an empty place": ("correct", GOOD["correct"] | {"truth": "empty"}, {}, "sku: name a product"),
    "missing": ("snapshot", {}, {}, "camera: Field required"),
    "wrong": ("log-level", {"level": "loud"}, {}, "level: "),
    "an event that is none": ("evidence", {"event": "../../etc/passwd"}, {}, "event: "),
    "too long": ("rebirth", b" " * (MAX_COMMAND_BYTES + 1), {}, "bytes are too many"),
    "deep": ("rebirth", b'{"camera":' + b"[" * 5000, {}, "docs/messages.md"),
    "expired": ("rebirth", {"expires": "2026-03-04T11:59:59Z"}, {}, "it expired at 2026-03-04T11:59:59Z"),
    "expiring": ("rebirth", {"expires": "2026-03-04T12:00:00Z"}, {}, "it expired"),
    "retained": ("rebirth", {}, {"retained": True}, "without the retain flag"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_to_be_done_is_refused_with_the_reason(case: str) -> None:
    name, payload, more, said = REFUSED[case]
    box = Box()
    found = box.ask(name, payload, response_topic="replies/9", **more)
    assert said in _refused(found, box)
    assert found.topic == "replies/9"


def test_a_command_that_has_not_expired_is_carried_out() -> None:
    assert Box().ask("rebirth", {"expires": (NOON + timedelta(seconds=1)).isoformat()}).reply.ok


def test_what_a_handler_refuses_is_the_reply() -> None:
    def refuse(_: object) -> dict[str, Any]:
        raise KardusError("there is no camera 'left'")

    found = carry_out(CommandRequest("rebirth", b"{}"), {"rebirth": refuse}, NOON)
    assert (found.reply.ok, found.reply.error) == (False, "there is no camera 'left'")


@given(st.sampled_from(list(COMMANDS)) | st.text(max_size=20), st.binary(max_size=200), st.text(max_size=30))
def test_whatever_comes_there_is_an_answer(name: str, payload: bytes, topic: str) -> None:
    found = Box().ask(name, payload, response_topic=topic)
    assert found.reply.ok == (found.reply.error == "")
    assert found.reply.model_dump_json()


def test_what_takes_its_time_is_answered_by_another_thread() -> None:
    sent: list[Reply] = []
    waiting: list[Callable[[], object]] = []
    outcomes: list[tuple[str, str]] = []

    def fail() -> dict[str, Any]:
        raise KardusError("no picture")

    def later(job: Callable[[], object]) -> bool:
        waiting.append(job)
        return len(waiting) < 3

    handlers: dict[str, Any] = {"capture": lambda _: lambda: {"locations": 3}, "rebirth": lambda _: fail}
    dispatcher = CommandDispatcher(
        handlers, lambda _topic, _data, reply: sent.append(reply), later, lambda *told: outcomes.append(told)
    )
    for name in ("capture", "rebirth", "capture"):
        dispatcher.dispatch(CommandRequest(name, b'{"correlation": "7"}'))
    (full,) = sent
    assert "ask again in a minute" in full.error
    for job in waiting[:2]:
        job()
    assert [(one.ok, one.error, one.result, one.correlation) for one in sent[1:]] == [
        (True, "", {"locations": 3}, "7"),
        (False, "no picture", {}, "7"),
    ]
    assert outcomes == [("capture", "refused"), ("capture", "done"), ("rebirth", "refused")]
