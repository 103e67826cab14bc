"""What PostgreSQL alone does: months that are dropped, a role with few rights, a server that goes away."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

import pytest
from sqlalchemy import event, text

from kardus.contract.messages import Alert, Envelope, LocationEvent
from kardus.contract.verdicts import Verdict
from kardus.support.errors import DataError, UsageError
from tests.clusters import Cluster
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import pictures_of, retention_of, write, writer_of
from warehouse.connectors.deliver.queue import DeliveryQueue
from warehouse.receiving.parsing import parse_message
from warehouse.store import migrating, postgres
from warehouse.store.address import address_of
from warehouse.store.checking import check_database
from warehouse.store.database import Database, StoreError
from warehouse.store.events import add_events
from warehouse.store.opening import migrate_database, open_database
from warehouse.store.postgres import PostgresDatabase
from warehouse.store.reader import StoreReader
from warehouse.store.records import EventMessage
from warehouse.store.retention import RetentionLimits

ALERT = Alert(id="alert-1", status="open", opened=datetime.now(UTC))


@pytest.fixture
def name(cluster: Cluster) -> str:
    """A database with empty tables."""
    return cluster.make_database("kardus_template")


def _add_at(database: Database, box: Publisher, moment: datetime, alert: Alert | None = None) -> None:
    """Store an event as of an earlier time."""
    message = parse_message(SITE, *box.event("A-1", Verdict.MISMATCH, alert))
    assert isinstance(message, EventMessage)
    with database.writing() as connection:
        add_events(database, connection, [(message.agent, message.envelope, message.payload)], moment)


def test_months_go_as_a_whole_and_events_of_alerts_stay(cluster: Cluster, name: str) -> None:
    box, now = Publisher(), datetime.now(UTC)
    with open_database(cluster.url(name), make=False) as database:
        assert isinstance(database, PostgresDatabase)
        for days in (200, 100, 0):
            _add_at(database, box, now - timedelta(days=days))
            _add_at(database, box, now - timedelta(days=days), ALERT)
        write(database, box.picture("A-1", box.ids[0]), box.picture("A-1", box.ids[1]))
        worker = retention_of(database, RetentionLimits(days=150))
        worker.round()
        assert [event.number for event in StoreReader(database).events()] == [2, 3, 4, 5, 6]
        assert worker.counts.deleted == 1
        assert [bool(StoreReader(database).picture(id_)) for id_ in box.ids[:2]] == [False, True]
        assert len(pictures_of(database).names()) == 1
        retention_of(database, RetentionLimits(events=3)).round()
        assert [event.number for event in StoreReader(database).events()] == [2, 4, 5, 6]
        retention_of(database, RetentionLimits(events=1)).round()  # this month isn't over
        assert [event.number for event in StoreReader(database).events()] == [2, 4, 5, 6]
        with pytest.raises(StoreError, match="is not over yet"), database.writing() as connection:
            database.drop_month(connection, f"events_{now:%Y_%m}")


def test_nobody_waits_while_the_events_of_a_month_are_counted(cluster: Cluster, name: str) -> None:
    box, now = Publisher(), datetime.now(UTC)
    with open_database(cluster.url(name), make=False) as database:
        _add_at(database, box, now - timedelta(days=100))
        worker = retention_of(database, RetentionLimits(days=50))
        told: list[str] = []
        event.listen(database.engine, "before_cursor_execute", lambda *words: told.append(words[2]))
        worker.round()
        assert worker.counts.deleted == 1
        dropped = next(place for place, statement in enumerate(told) if "kardus_drop_month" in statement)
        locked = max(place for place, statement in enumerate(told[:dropped]) if "FOR UPDATE" in statement)
        assert not [statement for statement in told[locked:dropped] if "count(" in statement]


def _slow(*words: object) -> tuple[str, object]:
    """A statement that looks through events, on a server where that takes longer than a second."""
    statement, given = str(words[2]), words[3]
    for place in ("FROM events", "FROM pictures JOIN events"):
        statement = statement.replace(place, place.replace("FROM", "FROM (SELECT pg_sleep(1.2)) AS slow CROSS JOIN"))
    return statement, given


@pytest.mark.parametrize("keep", [RetentionLimits(days=50), RetentionLimits(events=1)], ids=["by days", "by number"])
def test_a_month_goes_however_long_it_takes_to_look_through_it(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch, keep: RetentionLimits
) -> None:
    box, now = Publisher(), datetime.now(UTC)
    monkeypatch.setitem(postgres.SESSION, "statement_timeout", "1s")
    with open_database(cluster.url(name), make=False) as database:
        for days in (100, 0):
            _add_at(database, box, now - timedelta(days=days))
        write(database, box.picture("A-1", box.ids[0]))
        DeliveryQueue(database, "told", refusals=3, from_beginning=False)
        worker = retention_of(database, keep)
        event.listen(database.engine, "before_cursor_execute", _slow, retval=True)
        worker.round()
        event.remove(database.engine, "before_cursor_execute", _slow)
        assert [stored.number for stored in StoreReader(database).events()] == [2]
        assert (worker.counts.deleted, pictures_of(database).names()) == (1, set())


def test_a_migration_takes_as_long_as_it_does(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.SESSION, "statement_timeout", "2s")
    monkeypatch.setattr(
        postgres, "require_columns", lambda connection, _: connection.execute(text("SELECT pg_sleep(2.5)"))
    )
    assert migrate_database(address_of(cluster.url(cluster.make_database())))


def _add_and_fail(database: Database, row: list[tuple[str, Envelope[LocationEvent], str]], moment: datetime) -> None:
    with database.writing() as connection:
        add_events(database, connection, row, moment)
        connection.execute(text("SELECT 1 / 0"))


def test_a_month_whose_first_transaction_failed_is_made_by_the_next(cluster: Cluster, name: str) -> None:
    box, then = Publisher(), datetime.now(UTC) - timedelta(days=400)
    with open_database(cluster.url(name), make=False) as database:
        message = parse_message(SITE, *box.event("A-1"))
        assert isinstance(message, EventMessage)
        row = [(message.agent, message.envelope, message.payload)]
        with pytest.raises(StoreError, match="division by zero"):
            _add_and_fail(database, row, then)
        with database.writing() as connection:
            add_events(database, connection, row, then)
        assert [event.envelope.id for event in StoreReader(database).events()] == box.ids


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DROP VIEW locations; DROP TABLE latest", "no table 'latest'"),
        ("ALTER TABLE epochs ALTER highest TYPE text", "column 'epochs.highest' is text, not bigint"),
        ("DELETE FROM alembic_version", "run `kardus-wms database migrate`"),
        ("UPDATE alembic_version SET version_num = '9999'", "written by a newer version"),
    ],
)
def test_other_tables_are_named_before_anything_is_written(
    statement: str, named: str, cluster: Cluster, name: str
) -> None:
    cluster.execute(statement, name)
    with pytest.raises(DataError, match=named) as caught:
        open_database(cluster.url(name), make=True)
    assert "\n" not in str(caught.value)


def test_tables_of_a_newer_version_are_not_migrated(cluster: Cluster, name: str) -> None:
    cluster.execute("UPDATE alembic_version SET version_num = '9999'", name)
    with pytest.raises(DataError, match="written by a newer version of Kardus: update this one"):
        migrate_database(address_of(cluster.url(name)))
    assert cluster.execute("SELECT version_num FROM alembic_version", name) == [("9999",)]


def test_a_migration_names_other_tables_too(cluster: Cluster, name: str) -> None:
    cluster.execute("DROP VIEW locations; DROP TABLE latest", name)
    with pytest.raises(DataError, match="no table 'latest'"):
        migrate_database(address_of(cluster.url(name)))


def test_the_password_comes_from_a_file_and_a_wrong_one_is_named(
    cluster: Cluster, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.execute("CREATE ROLE tester SUPERUSER LOGIN PASSWORD 'right'")
    secret = tmp_path / "password"
    where = f"postgresql://tester@127.0.0.1:{cluster.port}/{name}?sslmode=disable"
    for given in ("right", "wrong"):
        secret.write_text(f"{given}\n")
        secret.chmod(0o600)
        if given == "right":
            open_database(address_of(where, secret), make=False).close()
            continue
        with pytest.raises(DataError, match=r"can't be used .*password.*--database-password-file") as caught:
            open_database(address_of(where, secret), make=False)
        assert "wrong" not in str(caught.value)
    with pytest.raises(UsageError, match="other users of this machine can read a command"):
        address_of(where.replace("tester@", "tester:right@"))
    cluster.execute("DROP ROLE tester")


def test_a_receivers_role_can_store_and_forget_and_nothing_else(cluster: Cluster, name: str) -> None:
    cluster.execute("CREATE ROLE receiver LOGIN")
    try:
        migrate_database(address_of(cluster.url(name)), grant="receiver")
        box = Publisher()
        with open_database(cluster.url(name, "receiver"), make=False) as database:
            assert write(database, *box.events(3), box.state("A-1"), box.online(), box.lost([(7, 8)])).events == 3
            assert write(database, box.picture("A-00-1", box.ids[0])).pictures == 1
            _add_at(database, box, datetime.now(UTC) - timedelta(days=200))
            retention_of(database, RetentionLimits(days=100)).round()
            assert len(StoreReader(database).events()) == 3
            for statement in (
                "DELETE FROM events",
                "UPDATE events SET payload = ''",
                "DROP TABLE events",
                "TRUNCATE latest",
                "CREATE TABLE other (a int)",
                "DELETE FROM epochs",
            ):
                with pytest.raises(StoreError, match=r"permission denied|must be owner"), database.writing() as writing:
                    writing.execute(text(statement))
    finally:
        cluster.execute("DROP OWNED BY receiver", name)
        cluster.execute("DROP ROLE receiver")


def test_the_roles_of_an_earlier_version_get_what_they_need_of_later_tables(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = cluster.make_database()
    with monkeypatch.context() as earlier, PostgresDatabase(address_of(cluster.url(name)), check=False) as database:
        earlier.setattr(migrating, "HEAD", "0003")
        with database.engine.begin() as connection:
            migrating.upgrade(connection, "")
    for role, table in (("Old receiver", "events"), ("old%console", "comments")):
        cluster.execute(f'CREATE ROLE "{role}"; GRANT INSERT ON {table} TO "{role}"', name)
    try:
        migrate_database(address_of(cluster.url(name)))
        rights = "SELECT has_table_privilege('{}', '{}', '{}')"
        for role, table, right in (
            ("Old receiver", "labels", "SELECT"),
            ("old%console", "labels", "INSERT"),
            ("Old receiver", "models", "INSERT"),
            ("old%console", "models", "SELECT"),
            ("old%console", "offers", "INSERT"),
            ("old%console", "coverage_days", "UPDATE"),
        ):
            assert cluster.execute(rights.format(role, table, right), name) == [(True,)], (role, table, right)
        assert cluster.execute(rights.format("Old receiver", "offers", "SELECT"), name) == [(False,)]
    finally:
        for role in ("Old receiver", "old%console"):
            cluster.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"', name)


def test_a_server_that_goes_away_costs_nothing_and_stores_nothing_twice(cluster: Cluster, name: str) -> None:
    box = Publisher()
    sent = box.events(6)
    with open_database(cluster.url(name), make=False) as database:
        writer = writer_of(database)
        batch = [parse_message(SITE, *message) for message in sent]
        assert writer.write(batch[:3]).events == 3
        cluster.kill()
        try:
            with pytest.raises(StoreError):
                writer.write(batch)
            with pytest.raises(StoreError):
                writer.write(batch)
        finally:
            cluster.start()
        written = writer.write(batch)
        assert (written.events, written.duplicates) == (3, 3)
        assert [event.envelope.id for event in StoreReader(database).events()] == box.ids
    assert check_database(address_of(cluster.url(name))).problems == []


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'German, DMY'",
        "client_encoding = 'SQL_ASCII'",
        "client_encoding = 'LATIN1'",
        "quote_all_identifiers = on",
        "TimeZone = 'Pacific/Kiritimati'",
    ],
)
def test_what_somebody_has_set_for_the_database_changes_nothing(cluster: Cluster, name: str, setting: str) -> None:
    cluster.execute(f"ALTER DATABASE {name} SET {setting}")
    box, address = Publisher(), address_of(cluster.url(name))
    migrate_database(address)
    with open_database(address, make=False) as database:
        write(database, box.event("Z\u00fcrich-\u6f22-1"))
        _add_at(database, box, datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
        _add_at(database, box, datetime(2026, 1, 1, tzinfo=UTC))
        stored = StoreReader(database).events()
        assert [one.event.location for one in stored] == ["Z\u00fcrich-\u6f22-1", "A-1", "A-1"]
        assert stored[1].received == datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
        with database.reading() as connection:
            assert {"events_2025_12", "events_2026_01"} <= set(cast("PostgresDatabase", database).months(connection))


def _is_standby(database: Database) -> bool:
    with database.reading() as connection:
        return bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one())


def test_after_a_failover_connections_to_a_standby_are_given_up(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address led to a standby for a moment: what was connected then was kept for ever, and stored nothing.

    Whoever only read was shown for ever what the standby had.
    """
    monkeypatch.setattr(postgres, "STANDBY_S", 0.5)
    standby, folder = cluster.standby(), Path(mkdtemp(prefix="vip"))
    address = folder / ".s.PGSQL.5432"
    address.symlink_to(standby.folder / f".s.PGSQL.{standby.port}")
    try:
        standby.start()
        url = f"postgresql://postgres@/{name}?host={folder}&port=5432"
        with open_database(url, make=False) as reader, open_database(url, make=False) as database:
            assert _is_standby(reader)
            time.sleep(0.6)
            assert _is_standby(reader), "there is no other yet"
            ways = (database.writing, database.noting)
            for work in ways:
                with pytest.raises(StoreError, match=r"read-only|during recovery"), work() as connection:
                    connection.execute(text("UPDATE meta SET value = value"))
            address.unlink()
            address.symlink_to(cluster.folder / f".s.PGSQL.{cluster.port}")
            time.sleep(0.6)
            assert not _is_standby(reader)
            for work in ways:
                with work() as connection:
                    connection.execute(text("UPDATE meta SET value = value"))
    finally:
        standby.remove()
        shutil.rmtree(folder)


def test_a_connection_that_waits_for_work_is_not_ended_by_the_servers_limit(cluster: Cluster, name: str) -> None:
    cluster.execute(f"ALTER DATABASE {name} SET idle_session_timeout = '200ms'")
    with open_database(cluster.url(name), make=False) as database:
        time.sleep(0.6)
        write(database, *Publisher().events(1))
