"""Pictures and what was noted are deleted by their age, a portion at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.publishers import Publisher
from tests.warehouse.receiving.making import pictures_of, write
from warehouse.console.identity.auditing import AuditRow, insert_entries
from warehouse.store import aged_rows
from warehouse.store.aged_rows import AgedRows
from warehouse.store.database import Database
from warehouse.store.tables import audit, pictures, present


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aged_rows, "ROWS_PER_TRANSACTION", 2)


def test_pictures_go_a_portion_at_a_time_until_none_is_too_old(database: Database) -> None:
    box = Publisher()
    write(database, *box.events(5))
    write(
        database, *[box.picture(topic.split("/")[-2], id_) for (topic, _), id_ in zip(box.sent, box.ids, strict=True)]
    )
    with database.writing() as connection:
        aged = update(pictures).where(pictures.c.event != box.ids[4])
        connection.execute(aged.values(received=present() - timedelta(days=8)))
    rows = AgedRows(database, pictures_of(database), picture_days=7, audit_days=None)
    assert [rows.delete_portion(datetime.now(UTC)) for _ in range(3)] == [True, True, False]
    with database.reading() as connection:
        assert connection.execute(select(pictures.c.event)).scalars().all() == [box.ids[4]]
    assert len(pictures_of(database).names()) == 1


def test_what_was_noted_goes_a_portion_at_a_time_until_nothing_is_too_old(database: Database) -> None:
    with database.writing() as connection:
        insert_entries(connection, [AuditRow("a", "", "picture", "x", "")] * 5)
        connection.execute(update(audit).where(audit.c.number <= 3).values(at=present() - timedelta(days=31)))
    rows = AgedRows(database, pictures_of(database), picture_days=None, audit_days=30)
    assert [rows.delete_portion(datetime.now(UTC)) for _ in range(2)] == [True, False]
    with database.reading() as connection:
        assert connection.execute(select(audit.c.number)).scalars().all() == [4, 5]


def test_without_limits_everything_stays_however_old(database: Database) -> None:
    with database.writing() as connection:
        insert_entries(connection, [AuditRow("a", "", "picture", "x", "")])
        connection.execute(update(audit).values(at=present() - timedelta(days=9999)))
    assert not AgedRows(database, pictures_of(database), None, None).delete_portion(datetime.now(UTC))
    with database.reading() as connection:
        assert len(connection.execute(select(audit.c.number)).all()) == 1
