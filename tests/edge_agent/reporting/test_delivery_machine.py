"""Recorder, outbox and delivery against a broker that loses, repeats and refuses, in whatever order that happens.

The broker answers in the order in which it was sent to. Where it refuses a message, it refuses all of that location
that are on their way with it: rights on a broker are for topics.
"""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.records import Finding
from edge_agent.reporting import delivery as delivering
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.outbox import Delivered, Outbox
from kardus.contract.messages import Model
from kardus.contract.receipts import Ack
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.mqtt.session import MqttSession
from kardus.support.clock import SetClock
from tests.edge_agent.reporting.model_broker import ModelSession, Published

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TOPICS = Topics("hall", "box")
LOCATIONS = ["A-1", "A-2", "A-3"]
VERDICTS = [Verdict.MATCH, Verdict.MISMATCH, Verdict.EMPTY, Verdict.UNCERTAIN]
MAX_ROUNDS = 200


class DeliveryMachine(RuleBasedStateMachine):
    """An agent that decides, restarts and delivers, and the events that have to arrive."""

    @property
    def delivery_mode(self) -> Delivered:
        return "broker"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = SetClock(NOW)
        self.broker = ModelSession()
        self.recorded: list[str] = []
        """The location of each event, in their sequence from 1."""
        self.safe: set[int] = set()
        """Sequences of events that the outbox may delete."""
        self.late: list[Published] = []
        """Messages whose acknowledgement over an earlier connection may still come."""

    @initialize()
    def begin(self) -> None:
        self._start()
        self.epoch = self.outbox.epoch
        self.broker.connect()

    def _start(self) -> None:
        self.outbox = Outbox(Path(self.folder.name) / "outbox.sqlite", delivery=self.delivery_mode)
        writer = MessageWriter(TOPICS, Model(name="m", version="1.0.0"), 300, self.clock)
        self.recorder = Recorder(self.outbox, writer, 300, clock=self.clock)
        self.delivery = Delivery(self.outbox, cast("MqttSession", self.broker), self.clock)
        self.broker.answer = self.delivery.acknowledged

    @rule(found=st.lists(st.tuples(st.sampled_from(LOCATIONS), st.sampled_from(VERDICTS)), min_size=1, max_size=12))
    def record(self, found: list[tuple[str, Verdict]]) -> None:
        for location, verdict in found:
            before = self.outbox.last_sequence
            self.recorder.record([Finding(location, verdict, "cam", NOW)], historical=False)
            self.recorded += [location] * (self.outbox.last_sequence - before)
        self.delivery.wake()
        self.go(0.0)

    @rule(after_s=st.sampled_from([0.0, 1.0, 1.0, 31.0]))
    def go(self, after_s: float) -> None:
        """Time goes by, and the delivery does a round."""
        self.clock.set(NOW, self.clock.monotonic_s() + after_s)
        self.delivery._round()

    @precondition(lambda self: self.broker.unanswered)
    @rule(count=st.integers(1, 30))
    def accept(self, count: int) -> None:
        for _ in self.broker.unanswered[:count]:
            self._acknowledged(self.broker.accept())

    @precondition(lambda self: self.broker.unanswered)
    @rule()
    def repeat(self) -> None:
        """The broker has the message, and the connection is lost before its acknowledgement comes."""
        self.late.append(self.broker.pass_on_without_answer())

    @precondition(lambda self: self.broker.connected)
    @rule(back=st.booleans())
    def lose_connection(self, back: bool) -> None:  # noqa: FBT001 - drawn
        self.broker.lose()
        if back:
            self.broker.connect()

    @precondition(lambda self: not self.broker.connected)
    @rule()
    def connect(self) -> None:
        self.broker.connect()

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def answer_late(self, data: st.DataObject) -> None:
        """An acknowledgement over a connection that is no more: of a message that the broker has."""
        published = data.draw(st.sampled_from(self.late))
        self.late.remove(published)
        self.delivery.acknowledged(published.token, "")
        self._acknowledged(published)

    @precondition(lambda self: self.broker.unanswered)
    @rule()
    def refuse(self) -> None:
        """The broker refuses the oldest message, and with it all others of its location."""
        location = self.broker.unanswered[0].topic.split("/locations/")[1].split("/")[0]
        self.broker.refuse(lambda topic: f"/locations/{location}/" in topic)

    @rule()
    def restart(self) -> None:
        """The agent stops in order; what the delivery knew is gone."""
        self.broker.lose()
        self.outbox.close()
        self._start()
        assert (self.outbox.epoch, self.outbox.last_sequence) == (self.epoch, len(self.recorded))

    @invariant()
    def nothing_is_deleted_before_it_may_be(self) -> None:
        kept = self.outbox._call(
            lambda db: {row[0] for row in db.execute("SELECT sequence FROM messages WHERE sequence IS NOT NULL")}
        )
        assert kept | self.safe >= set(range(1, len(self.recorded) + 1))

    @invariant()
    def sequences_have_no_gap_and_name_their_location(self) -> None:
        for data in map(_data, _events(self.broker.received)):
            assert data["epoch"] == self.epoch
            assert data["location"] == self.recorded[data["sequence"] - 1]
        assert self.outbox.last_sequence == len(self.recorded)

    @invariant()
    def first_arrivals_are_in_order_for_each_location(self) -> None:
        arrived: dict[str, list[int]] = {}
        for data in map(_data, _events(self.broker.received)):
            known = arrived.setdefault(data["location"], [])
            if data["sequence"] not in known:
                known.append(data["sequence"])
        assert all(known == sorted(known) for known in arrived.values())

    def _acknowledged(self, published: Published) -> None:
        if self.delivery_mode == "broker":
            self.safe |= _sequences([published])

    def settle(self) -> None:
        """What the receiver does before the end."""

    def teardown(self) -> None:
        """At last the broker is well: everything arrives, and nothing stays behind."""
        try:
            if hasattr(self, "outbox"):
                self._deliver_the_rest()
                self.outbox.close()
        finally:
            self.folder.cleanup()

    def _deliver_the_rest(self) -> None:
        self.broker.connect()
        for _ in range(MAX_ROUNDS):
            self.delivery.wake()
            self.go(31.0)
            self.go(0.0)  # over a new connection, where there was no answer for so long
            self.accept(len(self.broker.unanswered))
            self.settle()
            depth = self.outbox.depth()
            if not depth.total + depth.unconfirmed:
                break
        assert not depth.total + depth.unconfirmed
        assert _sequences(self.broker.received) == set(range(1, len(self.recorded) + 1))
        self.nothing_is_deleted_before_it_may_be()
        self.first_arrivals_are_in_order_for_each_location()


class ConfirmedDeliveryMachine(DeliveryMachine):
    """With `delivery = "confirmed"`: the broker itself may forget what it has acknowledged."""

    @property
    def delivery_mode(self) -> Delivered:
        return "confirmed"

    @precondition(lambda self: self.broker.unanswered)
    @rule()
    def acknowledge_and_forget(self) -> None:
        """The broker loses what it has acknowledged."""
        published = self.broker.unanswered.pop(0)
        self.broker.answer(published.token, "")

    @rule()
    def confirm(self) -> None:
        """The WMS says what it has stored."""
        stored = _sequences(self.broker.received)
        contiguous = next(n for n in range(len(self.recorded) + 1) if n + 1 not in stored)
        beyond = tuple((n, n) for n in sorted(stored) if n > contiguous)
        self.safe |= stored
        self.delivery.confirmed(Ack(epoch=self.epoch, contiguous_to=contiguous, ranges=beyond))

    def settle(self) -> None:
        self.confirm()
        self.go(0.0)

    def first_arrivals_are_in_order_for_each_location(self) -> None:
        """Not where the broker forgets one and keeps the next: the receiver sorts by sequence."""


def _events(published: list[Published]) -> Iterator[Published]:
    return (one for one in published if one.topic.endswith("/events"))


def _data(published: Published) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(published.payload)["data"]
    return data


def _sequences(published: list[Published]) -> set[int]:
    return {_data(one)["sequence"] for one in _events(published)}


LIMITS = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.generate],  # to shrink takes minutes: allow it when there is something to find
)


@pytest.fixture(autouse=True)
def _sends_unconfirmed_again_at_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are as old as the calendar says, which no test can set."""
    monkeypatch.setattr(delivering, "CONFIRMED_WITHIN_S", -1.0)


@pytest.mark.parametrize("machine", [DeliveryMachine, ConfirmedDeliveryMachine])
def test_everything_arrives_in_order_and_nothing_is_deleted_too_early(machine: type[DeliveryMachine]) -> None:
    run_state_machine_as_test(machine, settings=LIMITS)
