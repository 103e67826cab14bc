"""A file of an earlier version is brought up to date by whoever opens it, whole or not at all."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.clusters import Cluster
from tests.in_process import call
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import SITE
from warehouse.__main__ import main
from warehouse.store import migrating, migrations
from warehouse.store.acks import acks
from warehouse.store.migrations import sqlite_file
from warehouse.store.migrations.sqlite_file import MIGRATIONS
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

FORMER = Path(__file__).parents[2] / "compatibility" / "files_0_1" / "events.sqlite"
EPOCHS = {
    ("box", "a"): ([(1, 9)], [], 9),
    ("box", "b"): ([(1, 4), (8, 9)], [(5, 6)], 6),
    ("box", "c"): ([(2, 9)], [], 0),
    ("other", "a"): ([(3, 3), (5, 5)], [(1, 2), (4, 4)], 5),
    ("other", "d"): ([], [], 0),
}
"""Stored and lost ranges of an epoch, and how far that is without a gap."""
KILLED = """
import os, shutil, sqlite3, sys
import alembic.config, alembic.runtime.environment, alembic.script, sqlalchemy.dialects.sqlite
from pathlib import Path
from warehouse.store.database import Database
from warehouse.store.opening import open_database
original, path = Path(sys.argv[1]), Path(sys.argv[2])
class Cursor(sqlite3.Cursor):
    left = 0
    def execute(self, *words):
        Cursor.left -= 1
        if Cursor.left == 0:
            os.kill(os.getpid(), 9)
        return super().execute(*words)
class Connection(sqlite3.Connection):
    def cursor(self, *words):
        return super().cursor(Cursor)
connect = sqlite3.connect
sqlite3.connect = lambda *words, **more: connect(*words, factory=Connection, **more)
for moment in range(1, 100, int(sys.argv[3])):
    shutil.copy(original, path)
    Cursor.left = moment
    if (child := os.fork()) == 0:
        open_database(path, make=True).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    Cursor.left = 0
    open_database(path, make=True).close()
    connection = connect(path)
    content = [line for line in connection.iterdump() if not line.startswith("--")]
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()
    print(hash(tuple(content)))
"""


def _former(path: Path) -> Path:
    """A file of version 1 with several epochs."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in MIGRATIONS[0]:
            database.execute(statement)
        for number, ((agent, epoch), (stored, lost, _)) in enumerate(EPOCHS.items(), start=1):
            database.execute("INSERT INTO epochs (agent, epoch, highest) VALUES (?, ?, 9)", (agent, epoch))
            for kind, ranges in (("stored", stored), ("lost", lost)):
                database.executemany(
                    f"INSERT INTO ranges VALUES ({number}, '{kind}', ?, ?)",  # noqa: S608 - constants
                    ranges,
                )
        database.execute("PRAGMA user_version = 1")
    return path


@pytest.mark.parametrize("make", [True, False], ids=["receiver", "report"])
def test_what_former_epochs_cover_is_known_at_once(tmp_path: Path, *, make: bool) -> None:
    database = open_database(_former(tmp_path / "k.sqlite"), make=make)
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT agent, epoch, contiguous_to FROM epochs ORDER BY number").fetchall()
        assert rows == [(*name, reached) for name, (_, _, reached) in EPOCHS.items()]
        assert list(acks(connection, None)) == [("box", "c"), ("other", "d")]
    missing = {(outbox.agent, outbox.epoch): outbox.missing for outbox in StoreReader(database).missing_events()}
    assert missing == {
        ("box", "b"): ((7, 7),),
        ("box", "c"): ((1, 1),),
        ("other", "a"): ((6, 9),),
        ("other", "d"): ((1, 9),),
    }
    database.close()


def test_a_file_at_any_revision_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = sorted(Path(migrations.__file__).parent.glob("versions/r*.py"))
    for revision in (path.name[1:5] for path in versions):
        path = tmp_path / f"{revision}.sqlite"
        with monkeypatch.context() as earlier:
            earlier.setattr(migrating, "HEAD", revision)
            open_database(path, make=True).close()
        with open_database(path, make=False) as database, database.reading() as connection:
            assert migrating.revision_of(connection) == migrating.HEAD
    assert revision == migrating.HEAD, "the last of them"


def test_the_service_manager_is_told_what_takes_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()
    monkeypatch.setattr(migrating, "notify", told.append)
    for _ in range(2):
        open_database(tmp_path / "k.sqlite", make=True).close()
    assert told == [
        "STATUS=brings the database up to date: a large one takes minutes",
        "STATUS=the database is up to date",
    ]


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_moment_of_the_change_it_is_the_former_file_or_the_new_one(tmp_path: Path, step: int) -> None:
    command = [sys.executable, "-c", KILLED, str(FORMER), str(tmp_path / "k.sqlite"), str(step)]
    done = subprocess.run(command, check=True, timeout=PATIENCE_S, stdout=subprocess.PIPE, text=True)
    contents = done.stdout.split()
    assert step * len(contents) > sum(map(len, MIGRATIONS[1:]))
    assert len(set(contents)) == 1


def _end_once(condition: Callable[[], bool]) -> None:
    wait_until(condition)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("command", "code"), [("receive", 0), ("database migrate", 128 + signal.SIGTERM), ("report", 128 + signal.SIGTERM)]
)
def test_a_signal_breaks_off_the_longest_statement_and_the_next_start_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, code: int
) -> None:
    """It waited for the end of the change, and the service manager killed it after half a minute."""
    path = Path(shutil.copy(FORMER, tmp_path / "k.sqlite"))
    before, journal = path.read_bytes(), path.with_name("k.sqlite-journal")
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    words = [*command.split(), "--database", str(path), *(("--site", SITE) if command == "receive" else ())]
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with monkeypatch.context() as slow:
        slow.setattr(sqlite_file, "MIGRATIONS", (*MIGRATIONS, ("UPDATE meta SET value = value", endless)))
        end = threading.Thread(target=_end_once, args=(lambda: journal.exists() and journal.stat().st_size > 0,))
        end.start()
        assert call(capsys, main, *words).returncode == code
        end.join()
    for number, handler in former.items():
        signal.signal(number, handler)
    assert path.read_bytes() == before
    assert not journal.exists() or not journal.stat().st_size
    open_database(path, make=False).close()


def test_a_file_and_a_server_have_the_same_indexes_but_for_what_only_one_is_asked(
    tmp_path: Path, cluster: Cluster
) -> None:
    """One that is missing costs nothing but time, and shows years later."""
    open_database(tmp_path / "k.sqlite", make=True).close()
    with closing(sqlite3.connect(tmp_path / "k.sqlite")) as file:
        of_file = {
            name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql <> ''")
        }
    found = cluster.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'", "kardus_template")
    of_server = {str(name) for (name,) in found if not str(name).endswith(("_pkey", "_key", "_pkc", "_idx"))}
    assert of_file - of_server == {"latest_by_end", "pictures_by_size"}
    assert of_server - of_file == {"events_by_id", "events_by_number"}  # a file's are those of its constraints
