"""On a disk that is nearly full the outbox gives back what it can before it writes, and takes nothing new."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_agent.records import Message
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.reporting.outbox.space import RESERVE_BYTES
from kardus.support.errors import StorageError

Work = Callable[[Outbox], object]


def _fill(monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(total=10**9, used=10**9, free=RESERVE_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """An outbox with a long write-ahead log, whose disk has become full."""
    outbox = Outbox(tmp_path / "o.sqlite", delivery="confirmed")
    outbox.append([Message("event", "t", bytes(2000), sequence=n) for n in range(1, 301)], {}, 300)
    _fill(monkeypatch)
    return outbox


def _log_bytes(outbox: Outbox) -> int:
    return outbox._path.with_name("o.sqlite-wal").stat().st_size


@pytest.mark.parametrize(
    "work",
    [
        lambda outbox: outbox.delivered([outbox.pending(1)[0].id]),
        lambda outbox: outbox.set_aside(outbox.pending(1)[0].id),
        lambda outbox: outbox.confirm(outbox.epoch, [(1, 1)]),
    ],
    ids=["delivered", "set aside", "confirmed"],
)
def test_what_frees_the_disk_empties_the_log_first(filled: Outbox, work: Work) -> None:
    assert _log_bytes(filled) > 500_000
    work(filled)
    assert _log_bytes(filled) < 100_000
    filled.close()


@pytest.mark.parametrize("work", [lambda outbox: outbox.append([], {"A": "x"}, 301), Outbox.probe])
def test_nothing_new_is_stored_on_a_full_disk(filled: Outbox, work: Work) -> None:
    with pytest.raises(StorageError, match="No space left on device"):
        work(filled)
    assert (filled.states(), filled.last_sequence, filled.depth().total) == ({}, 300, 300)
    filled.close()


def test_the_log_does_not_stay_as_long_as_it_once_was(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([Message("evidence", "p", bytes(10_000_000))], {}, 0)
    assert _log_bytes(outbox) > 9_000_000
    for number in range(2):
        outbox.append([Message("event", "t", b"x", sequence=number + 1)], {}, number + 1)
    assert _log_bytes(outbox) < 5_000_000
    outbox.close()


def test_what_deleted_rows_took_is_given_back_to_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([Message("event", "t", bytes(2000), sequence=n) for n in range(1, 301)], {}, 300)
    outbox.delivered([stored.id for stored in outbox.pending(299)])
    outbox._call(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    before = outbox._path.stat().st_size
    _fill(monkeypatch)
    outbox.delivered([stored.id for stored in outbox.pending(1)])
    assert before - outbox._path.stat().st_size >= 100_000
    outbox.close()
