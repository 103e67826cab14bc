"""What is old is deleted in small portions, alerts keep their history, and nothing deleted comes back."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import retention_of, write, writer_of
from tests.warehouse.receiving.test_receiver import broker_of, publish, wait_for
from warehouse.receiving.receiver import Receiver, ReceiverSettings
from warehouse.store import retention
from warehouse.store.address import address_of
from warehouse.store.database import Database, StoreError
from warehouse.store.reader import StoreReader
from warehouse.store.retention import FileRound, Retention, RetentionLimits
from warehouse.store.sqlite import SqliteDatabase
from warehouse.store.tables import dead_letters, events

ROOT = Path(__file__).parents[3]
FORMER = ROOT / "tests" / "compatibility" / "files_0_1" / "events.sqlite"
ALERT = Alert(id="alert-1", status="open", opened=datetime.now(UTC))
KNOWN = ALERT.model_copy(update={"status": "acknowledged"})
OVER = ALERT.model_copy(update={"status": "resolved"})


def _open(path: Path) -> SqliteDatabase:
    return SqliteDatabase(address_of(path), make=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A file: how a server forgets is in test_postgres.py."""
    with _open(tmp_path / "k.sqlite") as found:
        yield found


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_S", 0.0)


def _received(database: Database, days_ago: float, up_to: int) -> None:
    """Let the events up to a number be so old."""
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    with database.writing() as connection:
        for table in (events, dead_letters):
            connection.execute(update(table).where(table.c.number <= up_to).values(received=moment))


def _round(worker: Retention) -> FileRound:
    assert isinstance(worker._round, FileRound)
    return worker._round


def _kept(database: Database) -> list[int]:
    return [event.number for event in StoreReader(database).events()]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (RetentionLimits(days=30), [6, 7, 8]),
        (RetentionLimits(events=2), [7, 8]),
        (RetentionLimits(days=30, events=5), [6, 7, 8]),
        (RetentionLimits(days=30, events=1), [8]),
        (RetentionLimits(days=90), [1, 2, 3, 4, 5, 6, 7, 8]),
        (RetentionLimits(events=8), [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_what_is_older_or_more_than_is_to_be_kept_goes(
    keep: RetentionLimits, kept: list[int], database: Database
) -> None:
    write(database, *Publisher().events(8))
    _received(database, 31, up_to=5)
    retention_of(database, keep).round()
    assert _kept(database) == kept


def test_alerts_keep_their_history_and_everything_else_goes_with_its_pictures(database: Database) -> None:
    box = Publisher()
    box.events(3)
    for alert in (ALERT, KNOWN, OVER):
        box.event("A-01-1", Verdict.MISMATCH, alert)
        box.event("A-02-1")
    write(database, *box.sent, *[box.picture(p[0].split("/")[-2], i) for p, i in zip(box.sent, box.ids, strict=True)])
    retention_of(database, RetentionLimits(events=1)).round()
    assert _kept(database) == [4, 6, 8, 9]
    reader = StoreReader(database)
    assert [bool(reader.picture(event)) for event in box.ids] == [n in (4, 6, 8, 9) for n in range(1, 10)]
    box.event()
    write(database, box.sent[-1])
    retention_of(database, RetentionLimits(events=1)).round()
    assert _kept(database) == [4, 6, 8, 10]


@pytest.mark.parametrize("late", [False, True])
def test_what_was_deleted_is_no_gap_and_no_new_event_when_it_comes_again(database: Database, *, late: bool) -> None:
    box = Publisher()
    sent = box.events(9)
    write(database, *[event for number, event in enumerate(sent) if number != 4 or not late])
    retention_of(database, RetentionLimits(events=1)).round()
    reader = StoreReader(database)
    assert [outbox.missing for outbox in reader.missing_events()] == ([((5, 5),)] if late else [])
    written = write(database, *sent)
    assert (written.events, written.duplicates) == (int(late), 9 - late)
    assert written.covered == {("box", box.epoch)}  # the agent is told that they are stored
    assert reader.missing_events() == []
    assert writer_of(database).acks()["box", box.epoch].contiguous_to == 9
    again = write(database, *sent)
    assert (again.events, again.duplicates) == (0, 9)


def test_what_was_set_aside_goes_too_and_does_not_come_back(database: Database) -> None:
    box = Publisher()
    topic, payload = box.event()
    damaged = topic, payload.replace(b'"match"', b'"none of them"')
    assert write(database, damaged, damaged, (topic, b"{")).dead_letters == 3
    _received(database, 31, up_to=9)
    retention_of(database, RetentionLimits(days=30)).round()
    assert StoreReader(database).dead_letter_count() == 0
    assert write(database, (topic, payload)).duplicates == 1
    assert StoreReader(database).missing_events() == []


def test_a_wrong_clock_hides_nothing_behind_it_and_deletes_nothing_else(database: Database) -> None:
    write(database, *Publisher().events(6))
    _received(database, 31, up_to=3)
    with database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE events SET received = '2999-01-01T00:00:00.000+00:00' WHERE number IN (2, 5)"
        )
        connection.exec_driver_sql("UPDATE events SET received = '1970-01-01T00:00:00.000+00:00' WHERE number = 6")
    retention_of(database, RetentionLimits(days=30)).round()
    assert _kept(database) == [4, 5, 6]


def test_a_round_that_deletes_something_says_so_and_no_other_does(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "kardus.retention")
    write(database, *Publisher().events(8))
    worker = retention_of(database, RetentionLimits(events=3))
    worker.round()
    worker.round()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["5 events deleted"]


def test_it_is_done_in_portions_that_do_not_grow(monkeypatch: pytest.MonkeyPatch, database: SqliteDatabase) -> None:
    monkeypatch.setattr(retention, "EVENTS_PER_TRANSACTION", 20)
    box = Publisher()
    box.events(30)
    for _ in range(50):  # a long history of alerts at the beginning isn't looked at again and again
        box.event("A-01-1", Verdict.MISMATCH, ALERT)
    box.events(200)
    write(database, *box.sent)
    steps: list[int] = []
    worker = retention_of(database, RetentionLimits(events=100))
    delete = _round(worker).delete_events
    monkeypatch.setattr(_round(worker), "delete_events", lambda now: _counted(database, lambda: delete(now), steps))
    worker.round()
    assert len(StoreReader(database).events()) == 100 + 50
    assert len(steps) == 180 // 20 + 1
    assert max(steps) <= 2 * sorted(steps)[len(steps) // 2]
    before = len(steps)
    worker.round()
    assert len(steps) == before + 1
    assert worker.counts.held_s > 0


def _counted(database: SqliteDatabase, work: Callable[[], bool], steps: list[int]) -> bool:
    """Do it, and note how many instructions SQLite carried out."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    database._driver.set_progress_handler(step, 1)
    more = work()
    database._driver.set_progress_handler(None, 1)
    steps.append(count)
    return more


@pytest.mark.parametrize("former", [False, True])
def test_the_file_becomes_shorter_and_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, former: bool
) -> None:
    monkeypatch.setattr(retention, "SPARE_BYTES", 10_000)
    path = tmp_path / "k.sqlite"
    if former:
        shutil.copy(FORMER, path)
    database = _open(path)
    assert database.gives_back != former
    write(database, *Publisher("other").events(600))
    before = path.stat().st_size
    worker = retention_of(database, RetentionLimits(events=10))
    worker.round()
    assert path.stat().st_size < before / 2
    assert database.gives_back
    assert path.stat().st_size == database.size_bytes
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").fetchone() == ("ok",)
    write(database, *Publisher("third").events(600))
    worker.round()
    assert path.stat().st_size < before / 2
    database.close()


def test_a_former_file_that_cannot_be_written_anew_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SPARE_BYTES", 10_000)
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    path = Path(shutil.copy(FORMER, tmp_path / "k.sqlite"))
    database = _open(path)
    write(database, *Publisher("other").events(300))
    worker = retention_of(database, RetentionLimits(events=10))
    with closing(sqlite3.connect(path, isolation_level=None)) as report:
        while _round(worker).delete_events(datetime.now(UTC)):
            pass
        report.execute("BEGIN")
        report.execute("SELECT * FROM meta").fetchall()
        with pytest.raises(StoreError):
            worker.round()
    monkeypatch.setattr("warehouse.store.interruption.VM_STEPS_PER_CHECK", 10)
    with pytest.raises(StoreError, match="interrupted"):
        database.rewrite(lambda: True)
    worker.round()
    too_early = database.gives_back
    monkeypatch.setattr(_round(worker), "rewrite_at_s", 0.0)
    worker.round()
    assert (too_early, database.gives_back) == (False, True)
    database.close()


def test_while_another_program_holds_the_file_nothing_is_deleted_and_then_all_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.sqlite.BUSY_S", 0.05)
    path = tmp_path / "k.sqlite"
    database = _open(path)
    write(database, *Publisher().events(9))
    worker = retention_of(database, RetentionLimits(events=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            worker.round()
    worker.round()
    assert _kept(database) == [9]
    database.close()


def test_the_command_deletes_what_it_is_told_to_and_prints_the_figures(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    database = _open(path)
    write(database, *Publisher().events(30))
    database.close()
    words = ("receive", "--sqlite", path, "--site", SITE, "--host", "127.0.0.1", "--port", mosquitto.port)
    command = [sys.executable, "-m", "warehouse", *map(str, words), "--keep-events", "4", "--keep-days", "7", "--json"]
    process = subprocess.Popen([*command, "--seconds", str(PATIENCE_S)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with StoreReader.open(path) as reader:
        wait_for(lambda: len(reader.events()) == 4)
    mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
    process.terminate()
    status = json.loads(process.communicate(timeout=PATIENCE_S)[0].splitlines()[-1])
    assert process.returncode == 0
    assert (status["deleted"], status["database_bytes"]) == (26, path.stat().st_size)
    assert status["held_ms"] >= 0


def test_a_receiver_keeps_what_it_is_told_to_and_tells_what_it_deleted(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path, box = tmp_path / "k.sqlite", Publisher()
    settings = ReceiverSettings(SITE, path, keep=RetentionLimits(events=20))
    with Receiver(broker_of(mosquitto), settings) as receiver:
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
        publish(mosquitto, box.events(60))
        wait_for(lambda: receiver.status().events == 60)
    with Receiver(broker_of(mosquitto), settings) as receiver:  # the first round is at the start
        wait_for(lambda: receiver.status().deleted == 40)
        receiver.require_alive()
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
        publish(mosquitto, box.sent)
        wait_for(lambda: receiver.status().duplicates == 60)
        assert receiver.status().events == 0
        assert receiver.status().database_bytes == path.stat().st_size
        assert len(receiver.reader.events()) == 20
