"""A signal amid a transaction leaves nothing of it; one behind it changes nothing, and says nothing else."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.store.interruption import TransactionInterruptedError, interrupted_by_signals
from warehouse.store.opening import open_database
from warehouse.store.sqlite import SqliteDatabase


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that the process's own handler has been given."""
    numbers: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, former)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("moment", [0, 1, 2, 3])
def test_a_signal_breaks_off_what_is_not_committed_and_nothing_else(heard: list[int], moment: int) -> None:
    statements = ("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT", "SELECT 1")
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute("CREATE TABLE t (a)")
        told = ""
        try:
            with interrupted_by_signals(database, "the change"):
                for number, statement in enumerate(statements):
                    if number == moment:
                        _end()
                    database.execute(statement)
        except TransactionInterruptedError as error:
            told = str(error)
        if database.in_transaction:
            database.execute("ROLLBACK")
        is_changed = database.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert is_changed == (moment == 3)
    assert ("the change was broken off: nothing is changed" in told) == (not is_changed)
    assert heard == [signal.SIGTERM]


def test_what_fails_behind_the_commit_is_told_in_its_own_words(heard: list[int]) -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database,
        pytest.raises(sqlite3.OperationalError, match="no such table: gone"),
    ):
        _change_and_fail(database)
    assert heard == [signal.SIGTERM]


def _change_and_fail(database: sqlite3.Connection) -> None:
    with interrupted_by_signals(database, "the change"):
        database.executescript("BEGIN; CREATE TABLE t (a); INSERT INTO t VALUES (1); COMMIT")
        _end()
        database.execute("SELECT * FROM gone")


def test_a_file_that_is_up_to_date_is_opened_whatever_came_with_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[int]
) -> None:
    """It was said that nothing is changed."""
    write = SqliteDatabase._write

    @contextlib.contextmanager
    def ended_behind(self: SqliteDatabase) -> Iterator[object]:
        with write(self) as connection:
            yield connection
        _end()

    monkeypatch.setattr(SqliteDatabase, "_write", ended_behind)
    open_database(tmp_path / "k.sqlite", make=True).close()
    assert heard == [signal.SIGTERM]
