"""When an agent is acknowledged: soon, not too often, once more afterwards; and never what isn't stored."""

import math
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from edge_agent.reporting.delivery import CONFIRMED_WITHIN_S
from kardus.contract.receipts import Ack
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.receiving.ack_schedule import (
    MAX_AT_ONCE,
    MAX_WAIT_S,
    MIN_ACK_INTERVAL_S,
    REPEAT_AFTER_S,
    REST_S,
    AckSchedule,
)
from warehouse.receiving.parsing import parse_message
from warehouse.store.epochs import AgentEpoch
from warehouse.store.opening import open_database
from warehouse.store.tables import ranges

ONE, TWO = ("box", "a"), ("box", "b")


def test_what_is_stored_is_acknowledged_at_once_and_then_at_most_once_an_interval() -> None:
    schedule = AckSchedule()
    schedule.changed([ONE], 100)
    assert schedule.take_due(100) == [ONE]
    schedule.changed([ONE, TWO], 100.1)
    schedule.changed([ONE], 100.2)
    assert schedule.take_due(100.2) == [TWO]
    assert schedule.take_due(100 + MIN_ACK_INTERVAL_S - 0.01) == []
    assert schedule.take_due(100 + MIN_ACK_INTERVAL_S) == [ONE]


def test_an_acknowledgement_is_repeated_once_when_nothing_more_has_come() -> None:
    schedule = AckSchedule()
    schedule.changed([ONE], 0)
    assert schedule.take_due(0) == [ONE]
    assert schedule.take_due(REPEAT_AFTER_S - 1) == []
    assert schedule.take_due(REPEAT_AFTER_S) == [ONE]
    assert schedule.take_due(10 * REPEAT_AFTER_S) == []


def test_more_events_are_acknowledged_before_the_repetition_is_due() -> None:
    schedule = AckSchedule()
    schedule.changed([ONE], 0)
    schedule.take_due(0)
    schedule.changed([ONE], 5)
    assert schedule.take_due(5) == [ONE]
    assert schedule.take_due(5 + REPEAT_AFTER_S - 1) == []
    assert schedule.take_due(5 + REPEAT_AFTER_S) == [ONE]


def test_of_many_that_are_due_some_are_told_at_a_time_those_that_wait_longest_first() -> None:
    schedule, names = AckSchedule(), [("box", str(number)) for number in range(250)]
    for number, name in enumerate(names):
        schedule.changed([name], number / 1000)
    assert schedule.take_due(1) == names[:MAX_AT_ONCE]
    schedule.changed(names[:1], 1)  # told already: it waits behind all others
    assert schedule.take_due(1 + REST_S - 0.01) == []
    assert schedule.take_due(1 + REST_S) == names[MAX_AT_ONCE : 2 * MAX_AT_ONCE]
    assert schedule.take_due(1 + 2 * REST_S) == [*names[2 * MAX_AT_ONCE :], names[0]]


def test_at_the_end_all_are_told() -> None:
    names, schedule = [("box", str(number)) for number in range(3 * MAX_AT_ONCE)], AckSchedule()
    schedule.changed(names, 0)
    assert {*schedule.take_due(0), *schedule.take_due(math.inf)} == set(names)


def test_of_a_fleet_however_large_each_is_told_long_before_it_sends_again() -> None:
    names, schedule = [("box", str(number)) for number in range(20_000)], AckSchedule()
    schedule.changed(names, 0)
    seconds, told = 0.0, set(schedule.take_due(0))
    while len(told) < len(names):
        seconds += REST_S
        told.update(schedule.take_due(seconds))
    assert seconds <= MAX_WAIT_S + REST_S < CONFIRMED_WITHIN_S / 2


def test_epochs_that_are_over_are_not_remembered() -> None:
    schedule = AckSchedule()
    for number in range(100):
        schedule.changed([("box", str(number))], number)
        schedule.take_due(number)
    schedule.take_due(100 + REPEAT_AFTER_S)
    schedule.take_due(102 + REPEAT_AFTER_S)
    assert not schedule._acknowledged
    assert not schedule._due
    assert not schedule._changed


def test_after_a_connection_everything_is_acknowledged_once() -> None:
    schedule = AckSchedule()
    assert not schedule.take_all_requested()
    schedule.request_all()
    assert [schedule.take_all_requested(), schedule.take_all_requested()] == [True, False]


def test_what_is_requested_is_told_once_and_waits_its_turn() -> None:
    schedule, names = AckSchedule(), [("box", str(number)) for number in range(150)]
    schedule.changed(names[120:121], 0)
    schedule.request(names, 1)
    first = schedule.take_due(1)
    assert (len(first), first[0]) == (MAX_AT_ONCE, names[120])
    assert {*first, *schedule.take_due(1 + REST_S)} == set(names)
    assert schedule.take_due(2 + REPEAT_AFTER_S) == names[120:121]


class Receiving(RuleBasedStateMachine):
    """An agent, a receiver that stores and acknowledges, a line that breaks, and receivers that are killed."""

    def __init__(self) -> None:
        """Nothing is sent yet."""
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.database = open_database(Path(self.folder) / "k.sqlite", make=True)
        self.writer = writer_of(self.database)
        self.schedule = AckSchedule()
        self.agent = Publisher()
        self.now_s = 0.0
        self.connected = True
        self.covered: set[int] = set()
        """Sequences that are stored or announced as lost."""
        self.last_stored = 0
        self.acknowledged: set[int] = set()
        """Sequences that the agent has been told of."""

    @property
    def epoch(self) -> AgentEpoch:
        """The agent's only one."""
        return self.agent.topics.agent, self.agent.epoch

    @rule(count=st.integers(1, 5))
    def decide(self, count: int) -> None:
        """The agent has more events."""
        self.agent.events(count)

    @rule(data=st.data())
    def store(self, data: st.DataObject) -> None:
        """Some of them come, in any order, also again."""
        if self.agent.sent:
            sequences = data.draw(st.lists(st.integers(1, self.agent.sequence), min_size=1, max_size=6))
            self._write([self.agent.sent[sequence - 1] for sequence in sequences])
            self.covered |= set(sequences)
            self.last_stored = max(self.last_stored, *sequences)

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """The agent gives up a range."""
        if self.agent.sequence:
            first = data.draw(st.integers(1, self.agent.sequence))
            last = data.draw(st.integers(first, self.agent.sequence))
            self._write([self.agent.lost([(first, last)])])
            self.covered |= set(range(first, last + 1))

    @rule(seconds=st.floats(0, 2 * REPEAT_AFTER_S))
    def wait(self, seconds: float) -> None:
        """Time goes on; what is due is told, as the receiver's thread does."""
        self.now_s += seconds
        self._acknowledge()

    @rule()
    def disconnect(self) -> None:
        """The line breaks."""
        self.connected = False

    @rule()
    def connect(self) -> None:
        """A connection is made."""
        self.connected = True
        self.schedule.request_all()

    @rule()
    def kill(self) -> None:
        """A receiver is killed; the next one knows what is on disk."""
        self.schedule = AckSchedule()
        self.connect()

    @invariant()
    def nothing_is_acknowledged_that_is_not_covered(self) -> None:
        """What the agent has been told is stored or lost."""
        assert self.acknowledged <= self.covered

    @invariant()
    def ranges_are_normalised(self) -> None:
        """Ordered, not touching, and the same numbers as what came; in the database as well as in the message."""
        with self.database.reading() as connection:
            for kind in ("stored", "lost"):
                found = select(ranges.c.first, ranges.c.last).where(ranges.c.kind == kind).order_by(ranges.c.first)
                self._require_normalised([(first, last) for first, last in connection.execute(found)])
        if self.covered:
            ack = self.writer.acks()[self.epoch]
            self._require_normalised(([(1, ack.contiguous_to)] if ack.contiguous_to else []) + list(ack.ranges))
            assert _numbers(ack) == self._acknowledgeable()

    def teardown(self) -> None:
        """In the end, with a line, everything that is covered as far as to the last stored event is acknowledged."""
        self.connect()
        self.now_s += REPEAT_AFTER_S
        self._acknowledge()
        assert self.acknowledged == self._acknowledgeable()
        self.now_s += MIN_ACK_INTERVAL_S
        self._write(self.agent.events(1))
        self.covered.add(self.agent.sequence)
        self.last_stored = self.agent.sequence
        self._acknowledge()
        assert self.acknowledged == self._acknowledgeable()
        self.database.close()
        shutil.rmtree(self.folder)

    def _acknowledgeable(self) -> set[int]:
        return {number for number in self.covered if number <= self.last_stored}

    def _write(self, messages: list[Message]) -> None:
        result = self.writer.write([parse_message(SITE, *message) for message in messages])
        self.schedule.changed(result.covered, self.now_s)

    def _acknowledge(self) -> None:
        if self.connected:
            if self.schedule.take_all_requested():
                self.schedule.request(self.writer.present_epochs(), self.now_s)
            for ack in self.writer.acks(self.schedule.take_due(self.now_s)).values():
                self.acknowledged |= _numbers(ack)

    @staticmethod
    def _require_normalised(ranges: list[tuple[int, int]]) -> None:
        assert all(first <= last for first, last in ranges)
        assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(ranges))


def _numbers(ack: Ack) -> set[int]:
    beyond = {number for first, last in ack.ranges for number in range(first, last + 1)}
    return beyond | set(range(1, ack.contiguous_to + 1))


TestReceiving = Receiving.TestCase
TestReceiving.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
