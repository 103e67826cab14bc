"""States, alerts and epochs are as the highest epoch and sequence says, in whatever order they are stored."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kardus.contract.messages import Alert, Envelope, LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.identifiers import moment_of, uuid7
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import write, writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.store.closing import forget_stored
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

STARTED = datetime(2026, 3, 2, tzinfo=UTC)
VERDICTS = (Verdict.MISMATCH, Verdict.MATCH, Verdict.EMPTY, Verdict.UNCERTAIN)
Step = tuple[str, Verdict, int]
"""A location, what is found there, and how often that is said again."""


@dataclass
class History:
    """What an agent says over some epochs, and what holds at the end."""

    agent: str = field(default_factory=lambda: f"box-{uuid7()}")
    epoch: str = ""
    messages: list[Message] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    """The last state of each location."""
    alerts: dict[str, tuple[bytes, bool]] = field(default_factory=dict)
    """By the alert's id: its last picture, and whether it is open."""
    open: dict[str, Alert] = field(default_factory=dict)
    """By location."""

    def begin(self) -> Publisher:
        """A new epoch of the same agent."""
        self.epoch = uuid7(after=self.epoch)
        box = Publisher(self.agent, self.epoch)
        self.messages.append(box.online(moment=moment_of(self.epoch)))
        return box

    def take(self, box: Publisher, location: str, verdict: Verdict, again: int) -> None:
        """An event with its picture, and states."""
        alert = self.open.pop(location, None)
        if verdict in ALERTS:
            alert = self.open[location] = alert or Alert(id=uuid7(), status="open", opened=STARTED)
        elif alert:
            alert = alert.model_copy(update={"status": "resolved", "resolved": STARTED})
        self.messages.append(box.event(location, verdict, alert))
        for _ in range(1 + again):
            self.messages.append(box.state(location, verdict))
            self.states[location] = self.messages[-1][1]
        if alert:
            picture = b"\xff\xd8" + box.ids[-1].encode()
            self.messages.append(box.picture(location, box.ids[-1], picture))
            self.alerts[alert.id] = picture, alert.status == "open"


def _history(epochs: list[list[Step]]) -> History:
    told = History()
    for steps in epochs:
        box = told.begin()
        for step in steps:
            told.take(box, *step)
    return told


_STEP = st.tuples(st.sampled_from(["A-1", "A-2"]), st.sampled_from(VERDICTS), st.integers(0, 2))
_HISTORIES = st.lists(st.lists(_STEP, min_size=1, max_size=4), min_size=1, max_size=3).map(_history)


@pytest.fixture
def two(address: str) -> Iterator[tuple[Database, Database]]:
    """One database, opened by two receivers."""
    with closing(open_database(address, make=True)) as one, closing(open_database(address, make=True)) as other:
        yield one, other


_SETTINGS = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to find a smaller example takes minutes of real commits
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)


@settings(_SETTINGS, max_examples=4)
@given(told=_HISTORIES, data=st.data())
def test_two_receivers_told_in_any_order_and_more_than_once_end_as_the_last_sequence_says(
    two: tuple[Database, Database], told: History, data: st.DataObject
) -> None:
    _in_any_order(two, told, data)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(_SETTINGS, max_examples=60)
@given(told=_HISTORIES, data=st.data())
def test_the_same_with_many_more_orders(two: tuple[Database, Database], told: History, data: st.DataObject) -> None:
    _in_any_order(two, told, data)


def _in_any_order(two: tuple[Database, Database], told: History, data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(told.messages), max_size=6))
    left = data.draw(st.permutations([*told.messages, *again]))
    writers = [writer_of(database) for database in two]
    while left:
        size = data.draw(st.integers(1, 8))
        batch, left = left[:size], left[size:]
        data.draw(st.sampled_from(writers)).write([parse_message(SITE, *message) for message in batch])
    _ends_as_told(two[0], told)


def _ends_as_told(database: Database, told: History) -> None:
    reader = StoreReader(database)
    found = {place: state for (agent, place), state in reader.site_state().states.items() if agent == told.agent}
    assert found == {
        place: Envelope[LocationState].model_validate_json(text).data for place, text in told.states.items()
    }
    assert {alert: reader.picture_of_alert(alert) for alert in told.alerts} == {
        alert: picture for alert, (picture, _) in told.alerts.items()
    }
    assert [epoch for agent, epoch in writer_of(database).acks() if agent == told.agent] == [told.epoch]
    with database.writing() as connection:
        assert forget_stored(database, connection, told.agent) == sum(is_open for _, is_open in told.alerts.values())


def test_a_state_that_says_no_place_is_taken_as_it_comes(database: Database) -> None:
    box = Publisher()
    new = box.state("A-1", Verdict.EMPTY)
    old = Envelope[LocationState].model_validate_json(box.state("A-1", Verdict.MATCH)[1])
    unplaced = old.data.model_copy(update={"epoch": "", "sequence": 0, "repeat": 0})
    for message, verdict in ((new, Verdict.EMPTY), (box.state_message(unplaced), Verdict.MATCH), (new, Verdict.EMPTY)):
        write(database, message)
        assert StoreReader(database).site_state().states["box", "A-1"].verdict == verdict


def test_what_is_cleared_begins_anew(database: Database) -> None:
    box = Publisher()
    earlier, later = box.state("A-1", Verdict.EMPTY), box.state("A-1", Verdict.MATCH)
    write(database, later, (later[0], b""), earlier)
    assert StoreReader(database).site_state().states["box", "A-1"].verdict == Verdict.EMPTY
    write(database, later)
    write(database, (later[0], b""))
    assert not StoreReader(database).site_state().states


def test_a_machine_that_lost_its_disk_and_its_clock_is_believed(database: Database) -> None:
    former, lost = Publisher(), Publisher(epoch="00000000-0000-7000-8000-000000000001")
    former.event()
    write(database, former.online(), former.state("A-1", Verdict.MATCH))
    write(database, lost.online(moment=datetime(1970, 1, 2, tzinfo=UTC)), lost.state("A-1", Verdict.EMPTY))
    assert list(writer_of(database).acks()) == [("box", lost.epoch)]
    assert StoreReader(database).site_state().states["box", "A-1"].verdict == Verdict.EMPTY
    write(database, former.state("A-1", Verdict.MATCH))  # by the slower of two receivers
    assert StoreReader(database).site_state().states["box", "A-1"].verdict == Verdict.EMPTY


def test_epochs_of_earlier_agents_come_before_those_with_an_order_and_as_they_were_first_seen(
    database: Database,
) -> None:
    named = ["f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "0b1d4fae-7dec-41d0-a765-00a0c91e6bf6", uuid7()]
    boxes = [Publisher(epoch=epoch) for epoch in named]
    write(database, *(box.event() for box in boxes))
    for box in boxes:
        write(database, box.state("A-1", Verdict.MATCH))
        write(database, boxes[0].state("A-1", Verdict.EMPTY))
        assert StoreReader(database).site_state().states["box", "A-1"].verdict == (
            Verdict.EMPTY if box is boxes[0] else Verdict.MATCH
        )
    assert list(writer_of(database).acks()) == [("box", named[-1])]
