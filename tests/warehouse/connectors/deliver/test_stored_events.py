"""An event that this version can't read, as a newer receiver's, holds up nothing, and isn't lost."""

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.verdicts import ALERTS, Verdict
from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import NAME, queue_of, settle, told_of
from tests.warehouse.connectors.deliver.test_event_isolation import Breaking
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver.counting import is_alert_over, is_news, proposal
from warehouse.connectors.deliver.target import Outgoing, Refusals
from warehouse.connectors.deliver.upkeep import refused_events, try_again
from warehouse.connectors.deliver.webhook import message
from warehouse.connectors.deliver.worker import TargetWorker
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.tables import deliveries, events


def _altered(database: Database, number: int, verdict: str) -> None:
    """As a newer version might say."""
    with database.writing() as connection:
        this = events.c.number == number
        payload = json.loads(str(connection.execute(select(events.c.payload).where(this)).scalar()))
        payload["data"]["verdict"] = verdict
        connection.execute(update(events).where(this).values(payload=json.dumps(payload)))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_event_that_this_version_cannot_read_is_set_aside_and_the_others_arrive(
    file_database: Database, number: int
) -> None:
    box, target = Publisher(), Breaking(50)
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in (1, 2, 3)))
    _altered(file_database, number, "label_missing")
    queue = queue_of(file_database)
    worker = TargetWorker(NAME, target, queue)
    settle(worker)
    assert target.told == [f"A-{n}" for n in (1, 2, 3) if n != number]
    (aside,) = refused_events(file_database)
    assert (aside.number, aside.location, aside.id) == (number, f"A-{number}", box.ids[number - 1])
    assert "data.verdict" in aside.reason
    standing = queue.standing()
    assert (standing.done, standing.behind, standing.aside) == (3, 0, 1)


def test_once_it_can_be_read_it_is_sent_again_and_until_then_set_aside_again(file_database: Database) -> None:
    box, target = Publisher(), Breaking(50)
    write(file_database, told_of(box, "A-1", "Milk"))
    _altered(file_database, 1, "label_missing")
    worker = TargetWorker(NAME, target, queue_of(file_database))
    settle(worker)
    assert try_again(file_database, NAME) == 1
    settle(worker)
    assert [one.number for one in refused_events(file_database)] == [1]
    _altered(file_database, 1, "mismatch")
    with file_database.reading() as reading:
        payload = str(reading.execute(select(events.c.payload)).scalar())
    with file_database.writing() as connection:
        connection.execute(update(deliveries).values(payload=payload))
    try_again(file_database, NAME)
    settle(worker)
    assert target.told == ["A-1"]
    assert refused_events(file_database) == []


def test_what_was_set_aside_unread_and_is_not_for_the_target_is_passed_over(file_database: Database) -> None:
    box, target = Publisher(), Breaking(50)
    write(file_database, told_of(box, "A-1", "Milk"))
    worker = TargetWorker(NAME, target, queue_of(file_database))
    target.broken.add("A-1")
    target.refuses = True
    worker.round()
    target.unwanted.add("A-1")
    settle(worker)
    assert target.told == []
    assert worker.status.passed_over == 1
    assert queue_of(file_database).standing().waiting == 0


def test_what_is_no_event_at_all_has_no_id_and_is_listed(file_database: Database) -> None:
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    with file_database.writing() as connection:
        connection.execute(update(events).values(payload="[1, 2"))
    settle(TargetWorker(NAME, Breaking(50), queue_of(file_database)))
    (aside,) = refused_events(file_database)
    assert (aside.id, aside.location) == ("", "A-1")


class Counting:
    """What an ERP is asked for, by location; an event with a refused product is refused."""

    name, batch = "counting", 50

    def __init__(self) -> None:
        self.drafts: dict[str, Mapping[str, int]] = {}
        self.refused = ""

    def wants(self, outgoing: Outgoing) -> bool:
        """What is news to it."""
        return is_news(outgoing)

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Draft, or take back."""
        refusals = {}
        for one in events:
            new = {} if is_alert_over(one) else proposal(one.event)
            if self.refused in new:
                refusals[one.number] = "no such product"
            else:
                self.drafts[one.location] = new
        return refusals

    def stop(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


SAID = st.sampled_from([Verdict.MISMATCH, Verdict.EMPTY, Verdict.UNKNOWN, Verdict.UNCERTAIN])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), verdicts=st.lists(SAID, min_size=1, max_size=4), is_over=st.booleans(), refused=st.booleans())
def test_what_is_drafted_is_what_the_last_event_says_in_whatever_order_they_are_stored(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    verdicts: list[Verdict],
    is_over: bool,  # noqa: FBT001
    refused: bool,  # noqa: FBT001
) -> None:
    database = open_database(str(tmp_path_factory.mktemp("order") / "store.sqlite"), make=True)
    box, target = Publisher(), Counting()
    seen = [None if verdict != Verdict.MISMATCH else f"Milk {n}" for n, verdict in enumerate(verdicts)]
    messages = [told_of(box, "A-1", what, verdict=verdict) for what, verdict in zip(seen, verdicts, strict=True)]
    said = [Envelope[LocationEvent].model_validate_json(payload).data for _, payload, *_ in messages]
    telling = [proposal(event) for event in said if event.verdict in ALERTS]
    if is_over:
        messages.append(told_of(box, "A-1", "Tea", status="resolved", verdict=Verdict.MATCH))
    worker = TargetWorker(NAME, target, queue_of(database))
    target.refused = seen[0] or "" if refused else ""
    for each in data.draw(st.permutations(messages)):
        write(database, each)
        if data.draw(st.booleans()):
            settle(worker)
    settle(worker)
    target.refused = ""
    if refused_events(database):
        try_again(database, NAME)
    settle(worker)
    assert target.drafts.get("A-1", {}) == ({} if is_over or not telling else telling[-1])


def test_what_stood_before_is_the_last_by_the_agents_order_where_that_was_stored_first(file_database: Database) -> None:
    """The one in between was overtaken, and has drafted nothing."""
    box = Publisher()
    earlier, later, last = told_of(box, "A-1", None), told_of(box, "A-1", "Milk"), told_of(box, "A-1", "Cocoa")
    queue = queue_of(file_database)
    queue.hold()
    for each in (later, earlier, last):
        write(file_database, each)
    found = queue.fresh(10)
    assert found[1].overtaken_by == found[0].event
    assert found[2].former == found[0].event


def test_an_alert_is_opened_once_whichever_of_its_events_is_stored_first(file_database: Database) -> None:
    box = Publisher()
    first, second = told_of(box, "A-1", "Milk"), told_of(box, "A-1", None, verdict=Verdict.EMPTY)
    queue = queue_of(file_database)
    queue.hold()
    write(file_database, second)
    (one,) = queue.fresh(10)
    queue.note(one.number, {}, [one], ())
    write(file_database, first)
    (other,) = queue.fresh(10)
    assert (one.opens, other.opens, other.overtaken_by) == (True, False, one.event)
    assert message(other)[0] == other.envelope.id
