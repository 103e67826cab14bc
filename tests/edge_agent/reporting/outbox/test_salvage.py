"""A damaged outbox is set aside, what can be read of it is taken over, and the loss is told: FAULTS 15."""

import contextlib
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.records import Message
from edge_agent.reporting.outbox.check import check_outbox
from edge_agent.reporting.outbox.message import OutboxLimits
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.reporting.outbox.schema import _to_1
from kardus.support.errors import StorageError
from tests.clocks import clock_of
from tests.patience import within

PAGE = 4096
EVENTS = 400
MAX_S = 5.0
"""It takes a twentieth of a second; one query that waits for a lock would take longer than this."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed outbox with many events and states waiting."""
    path = tmp_path / "o.sqlite"
    outbox = Outbox(path)
    for number in range(1, EVENTS + 1):
        event = Message("event", "t/events", f"{number} ".encode() * 60, location="A", sequence=number)
        outbox.append([event, Message("state", f"s/{number % 7}", b"s", retain=True)], {"A": f"{number}"}, number)
    outbox.close()
    return path


def _overwrite(path: Path, pages: list[int]) -> None:
    data = bytearray(path.read_bytes())
    for page in pages:
        data[PAGE * page : PAGE * (page + 1)] = random.Random(page).randbytes(PAGE)
    path.write_bytes(data)


def _drop(table: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute(f"DROP TABLE {table}")

    return spoil


def _lose_key(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM meta WHERE key = 'sequence'")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: _overwrite(path, [0]),
        lambda path: path.write_bytes(b"not a database at all" * 1000),
        lambda path: path.write_bytes(path.read_bytes()[: 20 * PAGE]),
        lambda path: _overwrite(path, list(range(1, 40))),
        _drop("meta"),
        _drop("messages"),
        _lose_key,
    ],
    ids=["header", "no database", "cut off", "many pages", "no meta", "no messages", "no sequence"],
)
def test_a_damaged_file_is_kept_aside_and_a_new_epoch_begins(path: Path, spoil: Callable[[Path], None]) -> None:
    before = Outbox(path)
    epoch = before.epoch
    before.close()
    spoil(path)
    damaged = path.read_bytes()
    assert "damaged" in check_outbox(path)
    assert path.read_bytes() == damaged, "a check changes nothing"
    outbox = Outbox(path)
    try:
        assert outbox.epoch != epoch
        assert (outbox.losses.damaged, outbox.last_sequence) == (1, 0)
        outbox.append([Message("event", "t/events", b"new", sequence=1)], {"A": "new"}, 1)
        assert outbox.states()["A"] == "new"
    finally:
        outbox.close()
    assert len([file for file in path.parent.glob("*.damaged-*") if file.suffix[-4:] not in ("-wal", "-shm")]) == 1
    assert check_outbox(path) == ""


def test_what_can_still_be_read_is_taken_over_in_order_and_what_cannot_is_lost(path: Path) -> None:
    pages = len(path.read_bytes()) // PAGE
    _overwrite(path, [pages // 2, pages // 2 + 7])
    outbox = Outbox(path)
    try:
        saved = [s.message for s in outbox.pending(10 * EVENTS) if s.message.sequence]
        numbers = [message.sequence for message in saved]
        assert numbers == sorted(numbers, key=lambda n: n or 0)
        assert len(numbers) > EVENTS / 2
        assert all(message.payload.split()[0] == str(message.sequence).encode() for message in saved)
        lost = {n for ranges in outbox.lost().values() for low, high in ranges for n in range(low, high + 1)}
        if numbers[0] == 1:
            assert lost == set(range(1, EVENTS + 1)) - set(numbers)
    finally:
        outbox.close()


def test_what_was_lost_and_what_the_broker_retains_are_known_after_the_damage_too(path: Path) -> None:
    before = Outbox(path, OutboxLimits(events=EVENTS - 1))
    before.append([Message("event", "t/events", b"x", location="A", sequence=EVENTS + 1)], {}, EVENTS + 1)
    epoch, lost, retained = before.epoch, before.lost(), before.retained()
    assert lost[epoch]
    before.close()
    _lose_key(path)
    outbox = Outbox(path)
    assert outbox.epoch != epoch
    assert (outbox.lost(), outbox.retained(), outbox.states()) == (lost, retained, {"A": f"{EVENTS}"})
    outbox.close()


@pytest.mark.parametrize("first_version", [False, True], ids=["made today", "brought up from the first form"])
def test_behind_a_spoilt_first_page_everything_is_still_there(tmp_path: Path, *, first_version: bool) -> None:
    path = tmp_path / "o.sqlite"
    if first_version:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA auto_vacuum=INCREMENTAL")
            _to_1(database)
            database.execute("PRAGMA user_version = 1")
            database.commit()
    outbox = Outbox(path)
    epoch = outbox.epoch
    for number in range(1, EVENTS + 1):
        outbox.append(
            [Message("event", "t/events", b"x" * 300, location="A", sequence=number)], {"A": f"{number}"}, number
        )
    outbox.close()
    _overwrite(path, [0])
    outbox = Outbox(path)
    try:
        assert outbox.epoch != epoch
        assert [s.message.sequence for s in outbox.pending(10 * EVENTS)] == list(range(1, EVENTS + 1))
        assert outbox.states() == {"A": f"{EVENTS}"}
        assert outbox.lost() == {}
    finally:
        outbox.close()
    assert sorted(file.name for file in tmp_path.iterdir() if "damaged" not in file.name) == ["o.sqlite"]


def test_damage_that_shows_at_work_is_met_at_work(path: Path) -> None:
    outbox = Outbox(path)
    epoch = outbox.epoch
    pages = len(path.read_bytes()) // PAGE
    outbox._call(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    with path.open("r+b") as file:
        for page in range(2, pages):
            file.seek(PAGE * page)
            file.write(b"\x5a" * PAGE)
    outbox._call(lambda database: database.execute("PRAGMA shrink_memory").fetchall())  # nothing of it is in memory
    new = [Message("event", "t/events", b"new", sequence=EVENTS + 1)]
    with pytest.raises(StorageError, match="is a new one, since the former was damaged: what is told is counted anew"):
        outbox.append(new, {}, EVENTS + 1)
    assert outbox.epoch != epoch
    assert outbox.last_sequence == 0
    with pytest.raises(StorageError, match="is a new one"):
        outbox.append(new, {}, EVENTS + 1, epoch)
    outbox.append([Message("event", "t/events", b"anew", sequence=1)], {}, 1, outbox.epoch)
    payloads = [stored.message.payload for stored in outbox.pending(10 * EVENTS)]
    assert b"anew" in payloads
    assert b"new" not in payloads
    outbox.close()


def _flip_bytes(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 2000)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _mix_pages(data: bytearray, rng: random.Random) -> None:
    """Pages of the file in the place of others, so that the trees of its tables may lead in circles."""
    whole, pages = bytes(data), len(data) // PAGE
    for _ in range(rng.randrange(1, 8)):
        to, of = PAGE * rng.randrange(pages), PAGE * rng.randrange(pages)
        data[to : to + PAGE] = whole[of : of + PAGE]


@pytest.mark.parametrize("spoil", [_flip_bytes, _mix_pages])
@pytest.mark.parametrize("seed", range(12))
def test_no_damage_hangs_or_ends_it(path: Path, spoil: Callable[[bytearray, random.Random], None], seed: int) -> None:
    data = bytearray(path.read_bytes())
    spoil(data, random.Random(seed))
    path.write_bytes(data)
    with within(MAX_S):
        outbox = Outbox(path)
        outbox.append([Message("event", "t/events", b"new", sequence=1)], {}, outbox.last_sequence + 1)
        assert outbox.depth().total > 0
        outbox.close()


@pytest.mark.parametrize("spoil", [lambda path: _overwrite(path, list(range(30, 40))), _drop("meta")])
def test_the_new_epoch_comes_after_the_damaged_file_s_though_the_clock_was_set_back(
    path: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Outbox(path)
    epoch = before.epoch
    before.close()
    spoil(path)
    monkeypatch.setattr("kardus.support.identifiers.time", clock_of(time_ns=lambda: 10**18))  # 2001
    outbox = Outbox(path)
    try:
        assert outbox.epoch > epoch
    finally:
        outbox.close()


@pytest.mark.parametrize("noted", ["400", "4" * 5000, "\u0664\u0660", "many"])
def test_how_far_an_epoch_came_is_known_of_a_damaged_file_too(path: Path, noted: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        before = database.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
        database.execute("UPDATE meta SET value = ? WHERE key = 'sequence'", (noted,))
        database.execute("DELETE FROM messages WHERE sequence > 10")
        database.execute("DROP TABLE states")
    outbox = Outbox(path)
    assert outbox.losses.damaged == 1
    assert not outbox.confirm(before, [(1, 2**63 - 1)])
    assert outbox.confirm(before, [(1, 10)])
    outbox.close()
