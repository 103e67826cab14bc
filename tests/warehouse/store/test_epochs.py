"""What an epoch covers is kept right in any order, and finished epochs cost nothing, however many there are."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from kardus.contract.base import MAX_COUNT, MAX_INTEGER
from kardus.contract.ranges import gaps, merged, ranges_of
from kardus.contract.receipts import MAX_SEQUENCE, Ack
from kardus.support.identifiers import uuid7
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import write, writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.resend_requests import GAP_GRACE_S, resend_requests_due
from warehouse.store import tables
from warehouse.store.acks import acks
from warehouse.store.database import Database
from warehouse.store.epochs import add_covered, first_gap, missing_ranges, note_epoch
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader
from warehouse.store.sqlite import SqliteDatabase


def _restarted(database: Database, agents: int, number: int, *, lacking: int = 0) -> None:
    """Agents that began `number` epochs of three events each; the last `lacking` of them lack the second."""
    places = {
        (f"box-{agent}", f"{epoch}"): [(1, 1), (3, 3)] if epoch >= number - lacking else [(1, 3)]
        for agent in range(agents)
        for epoch in range(number)
    }
    with database.writing() as connection:
        add_covered(connection, places, "stored")


def _steps(database: Database, work: Callable[[], object]) -> int:
    """How many instructions SQLite carried out for it."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    assert isinstance(database, SqliteDatabase)
    database._driver.set_progress_handler(step, 1)
    work()
    database._driver.set_progress_handler(None, 1)
    return count


@pytest.mark.parametrize("work", ["search for gaps", "acknowledge all", "acknowledge one", "store"])
def test_finished_epochs_cost_nothing(work: str, tmp_path: Path) -> None:
    found = []
    for epochs in (4, 1000):
        database = open_database(tmp_path / f"{epochs}.sqlite", make=True)
        _restarted(database, 2, epochs, lacking=epochs // 2)
        writer_of(database).write([])
        writer, message = writer_of(database), parse_message(SITE, *Publisher("box-1", "0").event())
        works: dict[str, Callable[[], object]] = {
            "search for gaps": lambda: resend_requests_due(database, 0),  # noqa: B023 - called in this round
            "acknowledge all": writer.acks,
            "acknowledge one": lambda: writer.acks([("box-1", "0")]),  # noqa: B023
            "store": lambda: writer.write([message]),  # noqa: B023
        }
        found.append(_steps(database, works[work]))
        database.close()
    assert 0 < found[1] <= 1.1 * found[0]


def test_the_search_for_gaps_grows_with_the_agents_and_not_faster(tmp_path: Path) -> None:
    found = []
    for agents in (10, 20, 40):
        database = open_database(tmp_path / f"{agents}.sqlite", make=True)
        _restarted(database, agents, 3, lacking=1)
        found.append(_steps(database, lambda: resend_requests_due(database, 0)))  # noqa: B023
        database.close()
    assert found[2] - found[1] <= 2.2 * (found[1] - found[0])


def test_the_report_of_what_is_missing_grows_with_the_epochs_and_not_faster(tmp_path: Path) -> None:
    found = []
    for epochs in (100, 200, 400):
        database = open_database(tmp_path / f"{epochs}.sqlite", make=True)
        _restarted(database, 1, epochs)
        found.append(_steps(database, StoreReader(database).missing_events))
        database.close()
    assert found[2] - found[1] <= 2.2 * (found[1] - found[0])


def test_an_epoch_in_a_thousand_pieces_costs_a_new_piece_no_more(tmp_path: Path) -> None:
    found = []
    for pieces in (10, 1000):
        database = open_database(tmp_path / f"{pieces}.sqlite", make=True)
        with database.writing() as connection:
            add_covered(connection, {("box", "e"): [(2 * n, 2 * n) for n in range(1, pieces)]}, "stored")
        events = Publisher("box", "e")
        events.sequence = 2 * pieces + 7
        message = parse_message(SITE, *events.event())
        writer = writer_of(database)
        found.append(_steps(database, lambda: writer.write([message])))  # noqa: B023
        database.close()
    assert found[1] <= 1.1 * found[0]


def test_nothing_that_is_missing_is_forgotten_with_its_epoch(database: Database) -> None:
    former = Publisher()
    present = Publisher(epoch=uuid7(after=former.epoch))
    events = former.events(4)
    assert write(database, *events[:2], events[3], *present.events(2)).events == 5
    assert write(database, present.online()).events == 0
    reader = StoreReader(database)
    assert [(outbox.epoch, outbox.missing) for outbox in reader.missing_events()] == [(former.epoch, ((3, 3),))]
    assert write(database, events[2], events[2], *events).events == 1  # late, and once
    assert reader.missing_events() == []
    assert writer_of(database).acks([("box", former.epoch)])["box", former.epoch].contiguous_to == 4


def test_an_event_behind_the_end_of_a_finished_epoch_is_stored_once_and_shows_what_is_missing(
    database: Database,
) -> None:
    former = Publisher()
    events = former.events(6)
    write(database, *events[:3], Publisher().event())
    assert StoreReader(database).missing_events() == []
    assert write(database, events[5], events[5]).events == 1
    assert StoreReader(database).missing_events()[0].missing == ((4, 5),)
    assert write(database, events[4], events[3], events[4]).events == 2
    assert StoreReader(database).missing_events() == []


def test_the_agent_itself_says_which_epoch_it_counts_in(database: Database) -> None:
    former = Publisher()
    present = Publisher(epoch=uuid7(after=former.epoch))
    present.events(3)
    write(database, present.online())  # retained: it comes before what the broker has queued
    write(database, former.event())
    assert list(writer_of(database).acks()) == [("box", present.epoch)]
    write(
        database, former.online(moment=datetime.now(UTC) + timedelta(seconds=1))
    )  # such as of an outbox that was put back
    assert list(writer_of(database).acks()) == [("box", former.epoch)]
    write(database, present.online(moment=datetime.now(UTC) + timedelta(seconds=2)))
    assert list(writer_of(database).acks()) == [("box", present.epoch)]
    resend_requests_due(database, 0)
    assert [request.command.epoch for request in resend_requests_due(database, GAP_GRACE_S)] == [present.epoch]


def test_what_is_covered_is_right_in_whatever_order_it_comes(database: Database) -> None:
    rng = random.Random(4)
    for epoch in range(12):
        name, highest = ("box", str(epoch)), rng.randrange(5, 30)
        covered: set[int] = set()
        stored = 0
        with database.writing() as connection:
            number = note_epoch(connection, name, highest)
            for _ in range(12):
                first = rng.randrange(1, highest + 1)
                place = (first, min(highest, first + rng.randrange(4)))
                kind = rng.choice(["stored", "lost"])
                add_covered(connection, {name: [place]}, kind)
                covered |= set(range(place[0], place[1] + 1))
                stored = max(stored, place[1]) if kind == "stored" else stored
                expected = gaps(ranges_of(covered), 1, highest)
                assert missing_ranges(connection, number, highest) == expected
                reached = _contiguous_to(connection, number)
                assert first_gap(connection, number, reached, highest) == (expected[0] if expected else None)
                assert first_gap(connection, number, 0, highest) == (expected[0] if expected else None)
                ack = acks(connection, [name])[name]
                whole = [(1, ack.contiguous_to)] if ack.contiguous_to else []
                assert merged([*whole, *ack.ranges]) == ranges_of(n for n in covered if n <= stored)
                assert min(reached, stored) == ack.contiguous_to


def test_a_gap_that_closes_reaches_as_far_as_stored_and_lost_ones_follow_one_another(database: Database) -> None:
    name = ("box", "e")
    with database.writing() as connection:
        for place, kind in [((5, 9), "stored"), ((10, 12), "lost"), ((13, 20), "stored"), ((1, 4), "stored")]:
            add_covered(connection, {name: [place]}, kind)
        assert _contiguous_to(connection, 1) == 20


@pytest.mark.parametrize(("largest", "acknowledged"), [(MAX_COUNT, MAX_COUNT), (MAX_SEQUENCE, 0)])
def test_the_largest_sequences_can_be_covered(largest: int, acknowledged: int, database: Database) -> None:
    name = ("box", "e")
    with database.writing() as connection:
        add_covered(connection, {name: [(largest, largest)]}, "stored")
        add_covered(connection, {name: [(1, largest - 1)]}, "lost")
        add_covered(connection, {name: [(largest - 1, largest)]}, "lost")
        assert acks(connection, [name])[name].contiguous_to == acknowledged
        assert first_gap(connection, 1, largest, largest) is None


@pytest.mark.parametrize("last", [5, MAX_SEQUENCE])
def test_what_is_lost_behind_the_last_stored_event_is_not_acknowledged(last: int, database: Database) -> None:
    name = ("box", "e")
    with database.writing() as connection:
        add_covered(connection, {name: [(1, 3)]}, "stored")
        add_covered(connection, {name: [(4, last)]}, "lost")
        assert acks(connection, [name])[name] == Ack(epoch="e", contiguous_to=3)
        add_covered(connection, {name: [(4, 4)]}, "stored")
        assert acks(connection, [name])[name] == Ack(epoch="e", contiguous_to=4)


def test_what_an_earlier_version_stored_beyond_all_bounds_stops_no_acknowledgement(database: Database) -> None:
    name = ("box", "e")
    with database.writing() as connection:
        add_covered(connection, {name: [(1, 3), (MAX_INTEGER, MAX_INTEGER)]}, "stored")
        assert acks(connection, [name])[name] == Ack(epoch="e", contiguous_to=3)
        add_covered(connection, {name: [(4, MAX_INTEGER - 1)]}, "lost")
        assert acks(connection, [name])[name] == Ack(epoch="e", contiguous_to=3)


def _contiguous_to(connection: Connection, number: int) -> int:
    return int(
        connection.execute(select(tables.epochs.c.contiguous_to).where(tables.epochs.c.number == number)).scalar_one()
    )
