"""A wrong sequence spoils nothing for good: what an agent says that it has counted to is believed before it."""

import json
from typing import Any

import pytest

from kardus.contract.base import MAX_COUNT
from kardus.contract.receipts import Ack
from kardus.contract.verdicts import Verdict
from tests.publishers import Message, Publisher
from tests.warehouse.receiving.making import write, writer_of
from warehouse.receiving.resend_requests import GAP_GRACE_S, resend_requests_due
from warehouse.store.database import Database
from warehouse.store.reader import StoreReader
from warehouse.store.reported_sequences import MAX_SEQUENCES_AHEAD


def _ack(database: Database, box: Publisher) -> Ack:
    name = (box.topics.agent, box.epoch)
    asked, every = writer_of(database).acks([name])[name], writer_of(database).acks()[name]
    assert asked == every
    return asked


def _with(message: Message, **changed: Any) -> Message:
    content = json.loads(message[1])
    content["data"] |= changed
    return message[0], json.dumps(content).encode()


def _forged(box: Publisher, sequence: int) -> Message:
    """An event of the agent's epoch that it hasn't decided."""
    return _with(Publisher(box.topics.agent, box.epoch).event("B"), sequence=sequence)


@pytest.mark.parametrize("sequence", [10, 200_000, MAX_COUNT])
@pytest.mark.parametrize("first", ["event", "status"])
def test_a_wrong_sequence_is_in_no_acknowledgement_that_the_agent_would_refuse(
    first: str, sequence: int, database: Database
) -> None:
    box = Publisher()
    told = [*box.events(3), _forged(box, sequence)]
    status = box.online()
    write(database, *[*told, status] if first == "event" else [status, *told])
    assert _ack(database, box) == Ack(epoch=box.epoch, contiguous_to=3)
    write(database, *box.events(4))
    assert _ack(database, box) == Ack(epoch=box.epoch, contiguous_to=7)


@pytest.mark.parametrize("sequence", [2 * MAX_SEQUENCES_AHEAD, MAX_COUNT])
def test_what_lies_before_a_wrong_sequence_is_not_missing_and_not_asked_for(sequence: int, database: Database) -> None:
    box = Publisher()
    write(database, *box.events(3), box.online(), _forged(box, sequence))
    assert StoreReader(database).missing_events() == []
    assert resend_requests_due(database, 0) + resend_requests_due(database, GAP_GRACE_S) == []
    box.events(2)
    write(database, box.sent[4], box.online())
    assert [one.missing for one in StoreReader(database).missing_events()] == [((4, 4),)]
    resend_requests_due(database, 0)
    assert [one.command.first for one in resend_requests_due(database, GAP_GRACE_S)] == [4]


def test_a_status_of_a_wrong_sequence_holds_until_the_next_one(database: Database) -> None:
    box = Publisher()
    write(database, *box.events(3), _with(box.online(), sequence=MAX_COUNT))
    assert StoreReader(database).missing_events() != []
    write(database, box.online())
    assert StoreReader(database).missing_events() == []
    assert resend_requests_due(database, 0) + resend_requests_due(database, GAP_GRACE_S) == []


def test_more_losses_than_the_agent_ever_counted_are_not_reported(database: Database) -> None:
    box = Publisher()
    write(database, *box.events(3), box.lost([(4, 5), (7, MAX_COUNT)]))
    box.events(4)
    write(database, box.online())
    assert [(one.missing, one.lost) for one in StoreReader(database).missing_events()] == [(((6, 6),), 3)]
    assert _ack(database, box) == Ack(epoch=box.epoch, contiguous_to=3)


def test_what_is_stored_behind_a_gap_is_acknowledged_once_the_agent_has_said_that_it_is_there(
    database: Database,
) -> None:
    box = Publisher()
    box.events(3)
    write(database, box.sent[0], box.online())
    box.events(3)
    write(database, *box.sent[2:4], box.sent[5])
    assert _ack(database, box) == Ack(epoch=box.epoch, contiguous_to=1, ranges=((3, 4),))
    write(database, box.online())
    assert _ack(database, box) == Ack(epoch=box.epoch, contiguous_to=1, ranges=((3, 4), (6, 6)))


def test_of_an_agent_that_says_nothing_everything_stored_is_acknowledged(database: Database) -> None:
    box = Publisher()
    box.events(6)
    former = _with(box.online(), epoch="", sequence=0)
    write(database, box.sent[0], box.sent[3], former)
    assert _ack(database, box) == Ack(epoch=box.epoch, contiguous_to=1, ranges=((4, 4),))


def test_a_state_of_a_wrong_sequence_is_replaced_by_the_next_one(database: Database) -> None:
    box = Publisher()
    write(database, *box.events(3), box.online(), _with(box.state("A", Verdict.MISMATCH), sequence=MAX_COUNT))
    write(database, box.state("A", Verdict.MATCH))
    assert StoreReader(database).site_state().states["box", "A"].verdict == Verdict.MATCH
