"""The receiver's file: made once by whoever comes first, refused where it is something else."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kardus.support.errors import DataError
from warehouse.receiving.database import Database
from warehouse.receiving.database_reader import DatabaseReader
from warehouse.receiving.schema import MIGRATIONS


def test_two_that_make_it_at_once_find_one_file(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    with ThreadPoolExecutor(4) as pool:
        databases = list(pool.map(lambda _: Database(path, make=True), range(4)))
    for database in databases:
        with database.reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "truncate"
        database.close()


def test_nothing_of_a_transaction_that_fails_stays(tmp_path: Path) -> None:
    database = Database(tmp_path / "k.sqlite", make=True)
    statement = "INSERT INTO meta VALUES ('a', 'b')"
    with pytest.raises(sqlite3.IntegrityError), database.writing() as connection:  # noqa: PT012 - the second is refused
        connection.execute(statement)
        connection.execute(statement)
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM meta").fetchone()[0] == 0
    database.close()


@pytest.mark.parametrize(
    ("content", "named"),
    [(None, "no such file"), (b"something else " * 100, "can't be used as a database"), (b"", "not the database of")],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, named: str) -> None:
    path = tmp_path / "k.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=named) as caught:
        DatabaseReader.open(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("make", [True, False])
def test_a_file_is_opened_while_another_program_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, make: bool
) -> None:
    monkeypatch.setattr("warehouse.receiving.database.BUSY_S", 0.05)
    path = tmp_path / "k.sqlite"
    with closing(Database(path, make=True)) as first, first.writing():
        Database(path, make=make).close()


@pytest.mark.parametrize("make", [True, False])
def test_a_newer_file_is_refused(tmp_path: Path, *, make: bool) -> None:
    path = tmp_path / "k.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(DataError, match="written by a newer version of Kardus"):
        Database(path, make=make)
