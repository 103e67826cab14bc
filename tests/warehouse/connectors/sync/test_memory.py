"""What sync keeps for its next start; and a file that can't be used is said, or tried again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kardus.support.errors import DataError, UsageError
from warehouse.connectors.sync.drain import StockLevel
from warehouse.connectors.sync.memory import SyncMemory

LEVELS = (StockLevel(1e9, 10, 5), StockLevel(1e9 + 60, 9, 4))


def test_what_is_kept_is_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    first = SyncMemory(path, "hall")
    first.add({"A-1", "A-2"})
    first.keep({"A-2", "B/3 \N{LATIN SMALL LETTER E WITH ACUTE}"}, LEVELS)
    first.add({"C-4"})
    first.close()
    again = SyncMemory(path, "hall")
    assert again.locations == {"A-2", "B/3 \N{LATIN SMALL LETTER E WITH ACUTE}", "C-4"}
    assert again.levels == LEVELS
    again.close()


def test_without_a_file_nothing_is_kept() -> None:
    memory = SyncMemory(None, "hall")
    memory.add({"A-1"})
    memory.keep({"A-1"}, LEVELS)
    assert (memory.locations, memory.levels) == (frozenset(), ())
    memory.close()


def test_another_sites_and_another_programs_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    SyncMemory(path, "hall").close()
    with pytest.raises(UsageError, match="is of site 'hall', not 'yard'"):
        SyncMemory(path, "yard")
    other = tmp_path / "events.sqlite"
    with closing(sqlite3.connect(other)) as database, database:
        database.execute("CREATE TABLE events (number INTEGER)")
    before = other.read_bytes()
    with pytest.raises(UsageError, match="is another program's database"):
        SyncMemory(other, "hall")
    assert other.read_bytes() == before


@pytest.mark.parametrize("what", ["folder", "text", "nowhere"])
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, what: str) -> None:
    path = {"folder": tmp_path, "text": tmp_path / "text", "nowhere": tmp_path / "no" / "m.sqlite"}[what]
    if what == "text":
        path.write_text("a list, and no database\n" * 100)
    with pytest.raises(DataError, match=r"--memory .*can't be used \("):
        SyncMemory(path, "hall")


def test_what_cannot_be_written_is_said_once_and_written_with_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "m.sqlite"
    memory = SyncMemory(path, "hall")
    memory.keep({"A-1"}, ())
    database = memory._database
    assert database
    database.execute("PRAGMA query_only = 1")
    for code in ("A-2", "A-3"):
        memory.keep({code}, LEVELS)
    assert [line for line in caplog.messages if "can't be written (attempt to write a read" in line] == caplog.messages
    assert len(caplog.messages) == 1
    database.execute("PRAGMA query_only = 0")
    memory.keep({"A-3"}, LEVELS)
    memory.close()
    assert SyncMemory(path, "hall").locations == {"A-3"}


def test_a_second_process_is_refused_while_the_first_one_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.connectors.sync.memory.BUSY_S", 0.01)
    path = tmp_path / "m.sqlite"
    for _ in ("new", "known"):
        first = SyncMemory(path, "hall")
        with pytest.raises(DataError, match="another process uses it: stop the other `sync`, or name another file"):
            SyncMemory(path, "hall")
        first.keep({"A-1"}, LEVELS)
        with pytest.raises(DataError, match="another process uses it"):
            SyncMemory(path, "hall")
        first.close()
    again = SyncMemory(path, "hall")
    assert again.locations == {"A-1"}
    assert again.levels == LEVELS
    again.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM site", "names 0 sites, and not one: it is damaged: move it away"),
        ("INSERT INTO site VALUES ('yard')", "names 2 sites"),
        ("DROP TABLE levels", "can't be used .no such table: levels"),
    ],
)
def test_a_file_that_was_damaged_is_one_line(tmp_path: Path, damage: str, said: str) -> None:
    path = tmp_path / "m.sqlite"
    SyncMemory(path, "hall").close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(damage)
    with pytest.raises(DataError, match=said):
        SyncMemory(path, "hall")
