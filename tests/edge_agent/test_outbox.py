"""The outbox: durable before it is sent, in order, and never half a transaction."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.errors import KardusError
from edge_agent.outbox.check import check_outbox
from edge_agent.outbox.message import Message
from edge_agent.outbox.outbox import Outbox

WRITER = """
import sys
from pathlib import Path
from edge_agent.outbox.message import Message
from edge_agent.outbox.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]))
while True:
    number = outbox.last_sequence + 1
    payload = str(number).encode()
    outbox.append([Message("event", "t", payload), Message("state", "s", payload, True)], {"L": str(number)}, number)
    print(number, flush=True)
"""


def _event(text: str) -> Message:
    return Message("event", f"topic/{text}", text.encode())


def test_messages_come_back_in_order_and_survive_reopening(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([_event("a"), _event("b")], {}, 2)
    outbox.append([_event("c")], {}, 3)
    epoch = outbox.epoch
    outbox.close()
    again = Outbox(tmp_path / "o.sqlite")
    assert [s.message.payload for s in again.pending(10)] == [b"a", b"b", b"c"]
    assert (again.epoch, again.last_sequence, again.depth()) == (epoch, 3, 3)
    again.close()


def test_what_was_delivered_is_forgotten(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([_event("a"), _event("b"), _event("c")], {}, 3)
    middle = outbox.pending(10)[1]
    outbox.delivered([middle.id])
    assert [s.message.payload for s in outbox.pending(10)] == [b"a", b"c"]
    outbox.close()


def test_a_later_state_replaces_an_unsent_one_and_events_are_all_kept(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    for text in ("1", "2"):
        outbox.append(
            [Message("state", "s", text.encode(), retain=True), Message("event", "e", text.encode())],
            {"L": text},
            int(text),
        )
    assert [s.message.payload for s in outbox.pending(10)] == [b"1", b"2", b"2"]
    assert [s.message.kind for s in outbox.pending(10)].count("state") == 1
    assert outbox.states() == {"L": "2"}
    outbox.close()


def test_a_failed_transaction_stores_nothing_of_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(KardusError, match=r"o\.sqlite: the outbox failed"):
        outbox.append([_event("good"), Message("nonsense", "t", b"")], {"L": "x"}, 7)
    assert (outbox.depth(), outbox.states(), outbox.last_sequence) == (0, {}, 0)
    outbox.close()


def test_a_second_agent_on_the_same_outbox_is_refused(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(KardusError, match="is another agent using it"):
        Outbox(tmp_path / "o.sqlite")
    outbox.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "o.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(KardusError, match="newer version"):
        Outbox(tmp_path / "o.sqlite")


def test_each_file_has_an_epoch_of_its_own(tmp_path: Path) -> None:
    first, second = Outbox(tmp_path / "1.sqlite"), Outbox(tmp_path / "2.sqlite")
    assert first.epoch != second.epoch
    first.close()
    second.close()


def test_the_file_is_written_through(tmp_path: Path) -> None:
    """WAL with synchronous=NORMAL loses commits at a power cut; FULL is 2."""
    outbox = Outbox(tmp_path / "o.sqlite")
    modes = [
        outbox._call(lambda d, p=pragma: d.execute(f"PRAGMA {p}").fetchone()[0])  # type: ignore[misc]
        for pragma in ("journal_mode", "synchronous", "locking_mode")
    ]
    assert modes == ["wal", 2, "exclusive"]
    outbox.close()


@pytest.mark.parametrize("round_number", range(5))
def test_nothing_acknowledged_to_the_writer_is_lost_when_it_is_killed(tmp_path: Path, round_number: int) -> None:
    path = tmp_path / "o.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    for _ in range(20 + 7 * round_number):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    said = max([last, *map(int, rest)])
    files = sorted(tmp_path.iterdir())
    assert check_outbox(path) == ""
    assert sorted(tmp_path.iterdir()) == files
    outbox = Outbox(path)
    events = [int(s.message.payload) for s in outbox.pending(100_000) if s.message.kind == "event"]
    assert events == list(range(1, outbox.last_sequence + 1))
    assert outbox.last_sequence in (said, said + 1)
    assert outbox.states() == {"L": str(outbox.last_sequence)}
    outbox.close()


def _damage(path: Path, first_page: int) -> None:
    """Overwrite a closed outbox from a page (of 4096 bytes) on."""
    data = bytearray(path.read_bytes())
    data[4096 * first_page :] = b"\x5a" * len(data[4096 * first_page :])
    path.write_bytes(data)


def _lose_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE meta")


def _lose_key(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM meta WHERE key = 'sequence'")


@pytest.mark.parametrize(
    "spoil", [lambda path: _damage(path, 0), lambda path: _damage(path, 1), _lose_table, _lose_key]
)
def test_a_damaged_file_is_named_at_once_and_left_alone(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "o.sqlite"
    outbox = Outbox(path)
    outbox.append([_event("a")], {}, 1)
    outbox.close()
    assert check_outbox(path) == ""
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(KardusError, match=r"o\.sqlite: damaged .*move it away"):
        Outbox(path)
    assert path.read_bytes() == before
    assert "o.sqlite: damaged" in check_outbox(path)
    assert [file.name for file in tmp_path.iterdir()] == ["o.sqlite"]


def test_an_outbox_in_use_or_not_there_yet_is_in_order(tmp_path: Path) -> None:
    assert check_outbox(tmp_path / "o.sqlite") == ""
    outbox = Outbox(tmp_path / "o.sqlite")
    assert check_outbox(tmp_path / "o.sqlite") == ""
    outbox.close()


def test_whatever_goes_wrong_at_work_is_told_to_whoever_asked(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(ZeroDivisionError):
        outbox._call(lambda _: 1 // 0)
    assert outbox.depth() == 0
    outbox.close()
    with pytest.raises(KardusError, match="is closed"):
        outbox.depth()
