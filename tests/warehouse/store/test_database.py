"""The receiver's file: made once by whoever comes first, refused where it is something else."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, update

from kardus.support.errors import DataError
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import Publisher
from tests.warehouse.receiving.making import filled
from warehouse.store.database import Database, StoreError
from warehouse.store.interruption import TransactionInterruptedError
from warehouse.store.migrations.sqlite_file import MIGRATIONS
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader
from warehouse.store.sqlite import SqliteDatabase
from warehouse.store.tables import events, latest


def test_two_that_make_it_at_once_find_one_file(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(lambda _: open_database(path, make=True), range(4)))
    for database in databases:
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA user_version").scalar() == len(MIGRATIONS)
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "truncate"
        database.close()


def test_nothing_of_a_transaction_that_fails_stays(database: Database) -> None:
    statement = "INSERT INTO meta VALUES ('a', 'b')"
    with pytest.raises(StoreError), database.writing() as connection:  # noqa: PT012 - the second is refused
        connection.exec_driver_sql(statement)
        connection.exec_driver_sql(statement)
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM meta WHERE key = 'a'").scalar() == 0


def test_a_file_that_is_made_can_give_its_free_pages_back(tmp_path: Path) -> None:
    with open_database(tmp_path / "k.sqlite", make=True) as database:
        assert isinstance(database, SqliteDatabase)
        assert database.pragma("auto_vacuum") == 2, "incremental"


@pytest.mark.parametrize(
    ("content", "named"),
    [(None, "no such file"), (b"something else " * 100, "can't be used as a database"), (b"", "not the database of")],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, named: str) -> None:
    path = tmp_path / "k.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=named) as caught:
        StoreReader.open(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("make", [True, False])
def test_a_file_is_opened_while_another_program_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, make: bool
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    path = tmp_path / "k.sqlite"
    with closing(open_database(path, make=True)) as first, first.writing():
        open_database(path, make=make).close()


@pytest.mark.parametrize("make", [True, False])
def test_a_newer_file_is_refused(tmp_path: Path, *, make: bool) -> None:
    path = tmp_path / "k.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DataError, match="written by a newer version of Kardus"):
        open_database(path, make=make)


def test_what_a_newer_version_stored_is_one_line_for_whoever_reads_it(tmp_path: Path) -> None:
    box, path = Publisher("box"), tmp_path / "k.sqlite"
    filled(path, [*box.events(2), box.state("A-1")])
    newer = (
        (events, "event 1 can't be read \\(data.verdict: "),
        (latest, "the state of agent box, A-1 can't be read"),
    )
    with open_database(path, make=False) as database:
        reader = StoreReader(database)
        for table, said in newer:
            with database.writing() as connection:
                payload = func.replace(table.c.payload, '"verdict":"', '"verdict":"new-')
                connection.execute(update(table).values(payload=payload))
            with pytest.raises(DataError, match=said + ".*Update this one"):
                reader.events() if table is events else reader.site_state()


def test_a_file_that_is_made_or_brought_up_to_date_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    monkeypatch.setattr("warehouse.store.sqlite.OPENING_S", PATIENCE_S)
    path = tmp_path / "k.sqlite"
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        opening = pool.submit(open_database, path, make=True)
        wait_until(lambda: "k.sqlite: another program holds it: waiting" in caplog.text)
        holder.execute("ROLLBACK")
        opening.result(PATIENCE_S).close()
    assert len(caplog.records) == 1


def test_a_report_that_starts_while_the_receiver_makes_its_file_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    monkeypatch.setattr("warehouse.store.sqlite.OPENING_S", PATIENCE_S)
    path = tmp_path / "k.sqlite"
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(path, isolation_level=None)) as maker:
        maker.execute("PRAGMA auto_vacuum = 2")
        maker.execute("CREATE TABLE begun (one)")
        maker.execute("BEGIN IMMEDIATE")
        opening = pool.submit(open_database, path, make=False)
        wait_until(lambda: opening.done() or "another program holds it: waiting" in caplog.text)
        assert not opening.done()
        maker.execute("DROP TABLE begun")
        maker.execute("COMMIT")
        open_database(path, make=True).close()
        with contextlib.suppress(DataError):  # it may have looked before that
            opening.result(PATIENCE_S).close()


def test_a_file_that_another_program_has_opened_with_a_write_ahead_log_is_waited_for_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    monkeypatch.setattr("warehouse.store.sqlite.OPENING_S", 0.5)
    path = tmp_path / "k.sqlite"
    open_database(path, make=True).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("SELECT count(*) FROM meta").fetchone()
        began_s = time.monotonic()
        with pytest.raises(DataError, match="locked"):
            open_database(path, make=True)
        assert time.monotonic() - began_s >= 0.5
    assert len(caplog.records) == 1


def test_a_signal_ends_the_wait_for_a_file_that_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.2)
    monkeypatch.setattr("warehouse.store.sqlite.OPENING_S", PATIENCE_S)
    path, noted = tmp_path / "k.sqlite", list[int]()
    former = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
            with pytest.raises(TransactionInterruptedError, match="was broken off"):
                open_database(path, make=True)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert noted == [signal.SIGTERM]


def test_a_file_that_is_held_for_good_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.02)
    monkeypatch.setattr("warehouse.store.sqlite.OPENING_S", 0.1)
    path = tmp_path / "k.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataError, match=r"\(database is locked\): end the program that holds it"):
            open_database(path, make=True)
