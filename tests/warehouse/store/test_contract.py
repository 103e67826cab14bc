"""What a store promises, whichever database it is: several writers at once, copies, and that it notices damage."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, delete, func, insert, select, update

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.errors import UsageError
from tests.clusters import Cluster
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import pictures_of, write, writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.store import checking, copying, postgres
from warehouse.store.address import address_of
from warehouse.store.checking import check_database
from warehouse.store.closing import forget_stored
from warehouse.store.copying import copy_database
from warehouse.store.database import Database
from warehouse.store.opening import open_database
from warehouse.store.pictures import PictureStore
from warehouse.store.reader import StoreReader
from warehouse.store.tables import changes, meta, metadata, ranges

ALERT = Alert(id="alert-1", status="open", opened=datetime.now(UTC))


def test_receivers_that_store_the_same_at_once_store_it_once_and_number_it_in_order(
    address: str,
) -> None:
    agents = [Publisher(f"box-{n}") for n in range(4)]
    parsed = [parse_message(SITE, *message) for agent in agents for message in agent.events(30)]
    with (
        open_database(address, make=True) as one,
        open_database(address, make=True) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        writers = [writer_of(database) for database in (one, two)]
        orders = [parsed, parsed[::-1]]
        done = list(pool.map(lambda n: [writers[n].write(orders[n][i : i + 7]) for i in range(0, 120, 7)], (0, 1)))
        assert sum(written.events for each in done for written in each) == 120
        assert sum(written.duplicates for each in done for written in each) == 120
        stored = StoreReader(one).events()
        assert [event.number for event in stored] == list(range(1, 121))
        assert sorted(event.envelope.id for event in stored) == sorted(id_ for agent in agents for id_ in agent.ids)
        assert StoreReader(two).missing_events() == []
    assert check_database(address_of(address)).problems == []


def test_an_alert_stands_as_its_last_event_by_sequence_says_whatever_the_order_of_storing(database: Database) -> None:
    box = Publisher()
    over = ALERT.model_copy(update={"status": "resolved"})
    opened, resolved = box.event("A-1", Verdict.MISMATCH, ALERT), box.event("A-1", Verdict.MATCH, over)
    write(database, resolved)
    write(database, opened)  # by the slower of two receivers
    write(database, box.picture("A-1", box.ids[0], b"\xff\xd8first"), box.picture("A-1", box.ids[1], b"\xff\xd8last"))
    assert StoreReader(database).picture_of_alert(ALERT.id) == b"\xff\xd8last"
    with database.writing() as connection:
        assert forget_stored(database, connection, "box") == 0


@pytest.mark.parametrize("back", [False, True], ids=["file to server", "server to file"])
def test_a_copy_has_everything_and_goes_on_counting(cluster: Cluster, tmp_path: Path, *, back: bool) -> None:
    server = cluster.url(cluster.make_database("kardus_template"))
    old, new = (server, str(tmp_path / "k.sqlite")) if back else (str(tmp_path / "k.sqlite"), server)
    box = Publisher()
    sent = [*box.events(5), box.event("A-1", Verdict.MISMATCH, ALERT)]
    with open_database(old, make=True) as database:
        writer = writer_of(database)
        batch = [*sent[:3], *sent[4:], box.state("A-1"), box.online(), box.picture("A-00-1", box.ids[0])]
        writer.write([parse_message(SITE, *message) for message in batch])
        writer.write([parse_message(SITE, sent[0][0], b"{")])
        before = (StoreReader(database).events(), StoreReader(database).site_state(), writer.acks())
    copied = copy_database(address_of(old), address_of(new), str(tmp_path / "copied"))
    assert (copied["events"], copied["dead_letters"], copied["pictures"]) == (5, 1, 1)
    with open_database(new, make=False) as database:
        after = StoreReader(database)
        writer = writer_of(database)
        assert (after.events(), after.site_state(), writer.acks()) == before
        assert after.picture(box.ids[0]) is not None
        written = writer.write([parse_message(SITE, *message) for message in [*sent, (sent[0][0], b"[")]])
        assert (written.events, written.duplicates) == (1, 5)
        assert after.events()[-1].number == 6
    assert check_database(address_of(new)).problems == []
    with pytest.raises(UsageError, match="holds something already"):
        copy_database(address_of(old), address_of(new))


@pytest.mark.parametrize("table", [each for each in metadata.sorted_tables if each not in {meta, changes}], ids=str)
def test_no_table_of_the_copy_s_place_may_hold_something(tmp_path: Path, table: Table) -> None:
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    for path in (old, new):
        open_database(path, make=True).close()
    with closing(sqlite3.connect(new)) as file, file:
        file.execute("PRAGMA ignore_check_constraints = ON")
        kinds = [row[2].lower() for row in file.execute(f"PRAGMA table_info({table.name})")]
        row = [{"text": "2026-01-01", "blob": b"x"}.get(kind, 1) for kind in kinds]
        file.execute(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - a table of ours
    with pytest.raises(UsageError, match=rf"holds something already \(table '{table.name}'\)"):
        copy_database(address_of(old), address_of(new))


@pytest.mark.parametrize("back", [False, True], ids=["file to server", "server to file"])
def test_a_copy_and_a_check_take_as_long_as_they_do(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, back: bool
) -> None:
    """However long the other side, or the place of the pictures, takes for a portion, and the server for a question."""
    server = cluster.url(cluster.make_database("kardus_template"))
    old, new = (server, str(tmp_path / "k.sqlite")) if back else (str(tmp_path / "k.sqlite"), server)
    box = Publisher()
    with open_database(old, make=True) as database:
        write(database, *box.events(3), box.picture("A-00-1", box.ids[0]))
    for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
        monkeypatch.setitem(postgres.SESSION, name, "1s")
    monkeypatch.setattr(copying, "_mended", _slowly(copying._mended))
    monkeypatch.setattr(PictureStore, "add", _slowly(PictureStore.add))
    assert copy_database(address_of(old), address_of(new), str(tmp_path / "copied"))["events"] == 3
    monkeypatch.setattr(checking, "require_columns", lambda connection, _: _sleep(connection))
    assert check_database(address_of(server)).problems == []


def _slowly(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same, after a while."""

    def after_a_while(*words: Any) -> Any:
        time.sleep(1.3)
        return work(*words)

    return after_a_while


def _sleep(connection: Connection) -> None:
    connection.execute(select(func.pg_sleep(1.3)))


def test_what_does_not_agree_is_found(database: Database) -> None:
    box = Publisher()
    write(database, *box.events(3), box.picture("A-00-1", box.ids[0]))
    assert check_database(database.address).problems == []
    pictures_of(database).delete(pictures_of(database).names())
    with database.writing() as connection:
        connection.execute(delete(ranges))
        connection.execute(update(meta).where(meta.c.key == "last_number").values(value="1"))
    found = check_database(database.address).problems
    assert [problem.split(":")[0] for problem in found] == ["events", "meta", "pictures"]


def test_ranges_of_one_epoch_that_overlap_are_found(database: Database) -> None:
    write(database, *Publisher("one").events(3), *Publisher("other").events(3))
    with database.writing() as connection:
        (epoch, kind, _, last), *_ = connection.execute(select(ranges)).all()
        connection.execute(insert(ranges).values(epoch=epoch, kind=kind, first=last, last=last + 1))
    assert check_database(database.address).problems == ["ranges: those of 1 epochs overlap"]
