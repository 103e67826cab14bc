"""An alert's row follows its last event by epoch and sequence; a database without these tables gets them."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.clusters import Cluster
from tests.publishers import Message, Publisher
from tests.warehouse.receiving.making import pictures_of, retention_of, write
from warehouse.console.identity.auditing import AuditRow, insert_entries
from warehouse.store.address import address_of
from warehouse.store.closing import forget_stored
from warehouse.store.database import Database, StoreError
from warehouse.store.migrating import revision_of
from warehouse.store.migrations.sqlite_file import MIGRATIONS
from warehouse.store.opening import migrate_database, open_database
from warehouse.store.retention import RetentionLimits
from warehouse.store.tables import alerts, audit, comments, events, labels, latest, pictures, present, tokens

OPEN = Alert(id="alert-1", status="open", opened=datetime.now(UTC))
OVER = OPEN.model_copy(update={"status": "resolved"})


def rows(database: Database) -> list[tuple[str, str, str]]:
    """Id, agent and status of every alert."""
    with database.reading() as connection:
        found = connection.execute(select(alerts.c.id, alerts.c.agent, alerts.c.status).order_by(alerts.c.id))
        return [tuple(row) for row in found]


def test_the_last_by_sequence_counts_whatever_the_order_of_storing(database: Database) -> None:
    box = Publisher()
    opened, resolved = box.event("A-1", Verdict.MISMATCH, OPEN), box.event("A-1", Verdict.MATCH, OVER)
    write(database, resolved)
    write(database, opened)
    assert rows(database) == [("alert-1", "box", "resolved")]
    write(database, opened, resolved)  # once more
    assert rows(database) == [("alert-1", "box", "resolved")]


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(range(6)), cuts=st.sets(st.integers(1, 5)))
def test_any_order_and_any_batches_come_to_the_same(file_database: Database, order: list[int], cuts: set[int]) -> None:
    box = Publisher()
    alert = OPEN.model_copy(update={"id": box.epoch})
    over = alert.model_copy(update={"status": "resolved"})
    known = alert.model_copy(update={"status": "acknowledged"})
    sent = [box.event("A-1", Verdict.MISMATCH, one) for one in (alert, alert, known, known, alert, over)]
    batch: list[Message] = []
    for place, index in enumerate(order):
        if place in cuts:
            write(file_database, *batch)
            batch = []
        batch.append(sent[index])
    write(file_database, *batch)
    assert (box.epoch, "box", "resolved") in rows(file_database)


def test_another_agent_that_uses_its_id_changes_nothing(database: Database) -> None:
    box, other = Publisher(), Publisher("other")
    write(database, box.event("A-1", Verdict.MISMATCH, OPEN))
    write(database, other.event("A-1", Verdict.MATCH, OVER))
    assert rows(database) == [("alert-1", "box", "open")]


def test_those_of_a_forgotten_agent_are_resolved(database: Database) -> None:
    box = Publisher()
    write(database, box.event("A-1", Verdict.MISMATCH, OPEN))
    with database.writing() as connection:
        assert forget_stored(database, connection, "box") == 1
    assert rows(database) == [("alert-1", "box", "resolved")]


def _back_to_0002(connection: object, statements: list[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)  # type: ignore[attr-defined]  # a connection of either kind


PEOPLE = ("users", "sessions", "signin_failures", "tasks", "sent_once", "labels", "models", "offers", "coverage_days")
FILE_BACK = [
    *(f"DROP TRIGGER {name}" for name in ("latest_added", "latest_changed", "latest_cleared", "comment_added")),
    "DROP TRIGGER alert_acknowledged",
    *(f"DROP INDEX {name}" for name in ("latest_by_subject", "latest_by_verdict", "latest_by_end")),
    *(f"DROP INDEX {name}" for name in ("events_by_verdict", "events_by_agent", "events_by_time", "pictures_by_time")),
    "ALTER TABLE latest DROP COLUMN verdict",
    "ALTER TABLE latest DROP COLUMN void_at",
    "ALTER TABLE pictures DROP COLUMN received",
    *(f"DROP TABLE {name}" for name in ("alerts", "comments", "tokens", "audit", "changes")),
    *(f"DROP TABLE {name}" for name in PEOPLE),
    "UPDATE alembic_version SET version_num = '0002'",
]
SERVER_BACK = [
    "DROP TRIGGER events_added ON events",
    "DROP TRIGGER latest_changed ON latest",
    "DROP TRIGGER latest_cleared ON latest",
    "DROP TRIGGER alert_acknowledged ON latest",
    "DROP INDEX latest_by_subject, latest_by_verdict, events_by_verdict, events_by_agent, events_by_time",
    "ALTER TABLE latest DROP COLUMN verdict, DROP COLUMN void_at",
    "ALTER TABLE pictures DROP COLUMN received",
    "DROP TABLE alerts, comments, tokens, audit, changes",
    f"DROP TABLE {', '.join(PEOPLE)}",
    "DROP FUNCTION kardus_verdict, kardus_void_at, kardus_note_change, kardus_note_task, kardus_tell",
    "DROP FUNCTION kardus_acknowledged",
    "UPDATE alembic_version SET version_num = '0002'",
]


def test_a_database_of_the_version_before_is_brought_over(address: str, cluster: Cluster) -> None:
    box = Publisher()
    with open_database(address, make=True) as database:
        write(database, *box.events(3), box.event("A-1", Verdict.MISMATCH, OPEN), box.event("A-1", Verdict.MATCH, OVER))
        write(database, box.picture("A-1", box.ids[3]), box.state("A-1"))
        is_file = database.address.path is not None
        with database.writing() as connection:
            _back_to_0002(connection, FILE_BACK if is_file else SERVER_BACK)
    if not is_file:
        name = address_of(address).url.database
        cluster.execute("DROP ROLE IF EXISTS kardus_old", str(name))
        cluster.execute("CREATE ROLE kardus_old; GRANT INSERT ON events TO kardus_old", str(name))
        migrate_database(address_of(address))
        (found,) = cluster.execute("SELECT has_table_privilege('kardus_old', 'alerts', 'INSERT')", str(name))
        assert found == (True,), "a receiver's role goes on receiving"
        cluster.execute("DROP OWNED BY kardus_old; DROP ROLE kardus_old", str(name))
    with open_database(address, make=False) as database:
        assert rows(database) == [("alert-1", "box", "resolved")]
        with database.reading() as connection:
            assert revision_of(connection) == "0010"
            assert connection.execute(select(pictures.c.received)).scalar_one() is not None
            assert connection.execute(text("SELECT verdict FROM latest")).scalar_one() == "match"
        write(database, *box.events(2), box.online())


def test_a_file_of_version_0_1_has_its_alerts(tmp_path: Path) -> None:
    former = Path(__file__).parents[2] / "compatibility" / "files_0_1" / "events.sqlite"
    path = tmp_path / "k.sqlite"
    path.write_bytes(former.read_bytes())
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone()[0] < len(MIGRATIONS)
    with open_database(path, make=True) as database:
        assert {id_ for id_, _, _ in rows(database)} >= {"alert-1"}


def test_pictures_and_the_audit_log_are_kept_for_their_days(database: Database) -> None:
    box = Publisher()
    write(database, box.event("A-1", Verdict.MISMATCH, OPEN), box.event("A-2"))
    write(database, box.picture("A-1", box.ids[0]), box.picture("A-2", box.ids[1]))
    with database.writing() as connection:
        insert_entries(connection, [AuditRow("a", "", "picture", box.ids[0], "")] * 450)
        connection.execute(update(audit).where(audit.c.number <= 420).values(at=present() - timedelta(days=40)))
        aged = update(pictures).where(pictures.c.event == box.ids[0])
        connection.execute(aged.values(received=present() - timedelta(days=8)))
    retention_of(database, RetentionLimits(picture_days=7, audit_days=30)).round()
    with database.reading() as connection:
        assert connection.execute(select(pictures.c.event)).scalars().all() == [box.ids[1]]
        assert len(connection.execute(select(audit.c.number)).all()) == 30
        assert len(connection.execute(select(events.c.number)).all()) == 2
    assert len(pictures_of(database).names()) == 1


_LABEL = {
    **dict.fromkeys(("id", "event", "agent", "location", "camera", "sku", "name", "note", "by"), "x"),
    "captured": datetime.now(UTC),
    "at": datetime.now(UTC),
    "verdict": "mismatch",
    "truth": "empty",
}


def test_the_apis_role_may_add_to_three_tables_and_change_nothing(cluster: Cluster) -> None:
    name = cluster.make_database("kardus_template")
    cluster.execute("CREATE ROLE kardus_console LOGIN")
    migrate_database(address_of(cluster.url(name)), grant_console="kardus_console")
    with open_database(cluster.url(name, "kardus_console"), make=False) as database:
        with database.noting() as connection:
            row = {"id": "c", "alert": "a", "at": present(), "by": "b", "text": "t"}
            connection.execute(insert(comments).values(**row))
            insert_entries(connection, [AuditRow("a", "", "picture", "x", "")])
            connection.execute(insert(labels).values(**_LABEL))
        for statement in (
            delete(labels),
            update(labels).values(truth="product"),
            delete(audit),
            update(audit).values(actor="nobody"),
            delete(comments),
            insert(tokens).values(id="x"),
            delete(latest),
            update(alerts).values(status="resolved"),
        ):
            with pytest.raises(StoreError, match="permission denied"), database.noting() as connection:
                connection.execute(statement)
    cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")
    cluster.execute("DROP ROLE kardus_console")


def test_json_that_a_server_refuses_costs_a_filter_and_no_state(database: Database) -> None:
    box = Publisher()
    topic, payload = box.state("A-1")
    write(database, (topic, payload.replace(b'"reason":""', b'"reason":"\\u0000","more":NaN', 1)))
    write(database, box.state("A-2"))
    with database.reading() as connection:
        assert len(connection.execute(select(latest.c.subject)).all()) == 2
