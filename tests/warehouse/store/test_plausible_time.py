"""A clock that goes ahead by years deletes nothing, whoever reckons by it, and is told; a pause is caught up with."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from kardus.support.clock import SetClock
from tests.publishers import Publisher
from tests.warehouse.receiving.making import retention_of, write
from warehouse.console.identity.auditing import AuditRow, insert_entries
from warehouse.store.database import Database
from warehouse.store.plausible_time import PACE, PlausibleTime
from warehouse.store.retention import RetentionLimits
from warehouse.store.tables import audit, dead_letters, events, pictures, present

DAY_S = 86_400.0
YEARS = timedelta(days=5 * 365)
KEEP = RetentionLimits(days=30, picture_days=30, audit_days=30)


def _fill(database: Database) -> None:
    """Twelve events, three of them old, a picture, a dead letter, an entry of the audit log."""
    box = Publisher()
    topic, payload = box.event()
    write(database, *box.events(11), (topic, payload), box.picture("A-01-1", box.ids[0]), (topic, b"{"))
    with database.writing() as connection:
        insert_entries(connection, [AuditRow("a", "", "picture", "x", "")])
        old = update(events).where(events.c.number <= 3).values(received=present() - timedelta(days=40))
        connection.execute(old)


def _counts(database: Database) -> list[int]:
    with database.reading() as connection:
        return [
            len(connection.execute(select(table.c.number)).all()) for table in (events, pictures, dead_letters, audit)
        ]


def _clock(database: Database, ahead: timedelta, *, synchronised: bool = False) -> SetClock:
    return SetClock(datetime.now(UTC) + ahead, synchronised=synchronised)


@pytest.mark.parametrize("is_noted", [False, True])
def test_a_clock_that_is_ahead_at_the_start_deletes_nothing_and_is_told(
    file_database: Database, caplog: pytest.LogCaptureFixture, *, is_noted: bool
) -> None:
    _fill(file_database)
    if is_noted:
        retention_of(
            file_database, RetentionLimits()
        ).round()  # nothing is to be deleted: the time is noted all the same
    worker = retention_of(file_database, KEEP, _clock(file_database, YEARS))
    worker.round()
    assert _counts(file_database) == [9, 1, 1, 1]
    assert "the clock isn't kept right, and says" in caplog.text
    worker.round()
    assert caplog.text.count("isn't kept right") == 1


def test_a_clock_that_goes_ahead_while_it_runs_deletes_nothing_over_restarts_either(file_database: Database) -> None:
    _fill(file_database)
    clock = _clock(file_database, timedelta())
    worker = retention_of(file_database, KEEP, clock)
    worker.round()
    clock.set(clock.now() + YEARS, 60)
    worker.round()
    write(file_database, *Publisher("other").events(1))
    with file_database.writing() as connection:  # as it is stored by that clock
        newest = select(events.c.number).order_by(events.c.number.desc()).limit(1).scalar_subquery()
        connection.execute(update(events).where(events.c.number == newest).values(received=clock.now()))
    for _ in range(5):
        retention_of(file_database, KEEP, clock).round()
    assert _counts(file_database) == [10, 1, 1, 1]


def test_a_clock_that_is_kept_right_is_believed(file_database: Database) -> None:
    _fill(file_database)
    retention_of(file_database, KEEP, _clock(file_database, YEARS, synchronised=True)).round()
    assert _counts(file_database) == [0, 0, 0, 0]


def test_a_clock_that_is_set_right_again_goes_on(file_database: Database, caplog: pytest.LogCaptureFixture) -> None:
    clock = _clock(file_database, timedelta())
    began, time = clock.now(), PlausibleTime(file_database, clock)
    clock.set(began + YEARS, 3600)
    assert time.now() == began + timedelta(hours=PACE)
    clock.set(began + timedelta(hours=1.5), 5400)
    assert time.now() == began + timedelta(hours=1.5)
    clock.set(began + timedelta(hours=2.5), 9000)
    assert time.now() == began + timedelta(hours=2.5)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_long_pause_is_caught_up_with(file_database: Database) -> None:
    clock = _clock(file_database, timedelta())
    PlausibleTime(file_database, clock).note()
    clock.set(clock.now() + timedelta(days=10), 0)
    after, began = PlausibleTime(file_database, clock), clock.now()
    days = [after.now() - began]
    for day in range(1, 12):
        clock.set(began + timedelta(days=day), day * DAY_S)
        days.append(after.now() - clock.now())
    assert [round(late / timedelta(days=1)) for late in days] == [-10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 0]
