"""The outbox: durable before it is sent, in order, and never half a transaction."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.records import Message
from edge_agent.reporting.outbox.check import check_outbox
from edge_agent.reporting.outbox.message import OutboxLimits
from edge_agent.reporting.outbox.outbox import ASKED_AT_MOST, Outbox
from kardus.support.errors import KardusError
from tests.clocks import clock_of

WRITER = """
import sys
from pathlib import Path
from edge_agent.records import Message
from edge_agent.reporting.outbox.outbox import Outbox
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
    assert (again.epoch, again.last_sequence, again.depth().total) == (epoch, 3, 3)
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


def test_a_location_whose_state_is_none_is_forgotten(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([], {"A": "a", "B": "b"}, 0)
    outbox.append([], {"A": None, "C": None}, 0)
    assert outbox.states() == {"B": "b"}
    outbox.close()


def test_a_failed_transaction_stores_nothing_of_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    nonsense = Message("nonsense", "t", b"")  # type: ignore[arg-type]
    with pytest.raises(KardusError, match=r"o\.sqlite: the outbox failed"):
        outbox.append([_event("good"), nonsense], {"L": "x"}, 7)
    assert (outbox.depth().total, outbox.states(), outbox.last_sequence) == (0, {}, 0)
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


def test_an_outbox_in_use_or_not_there_yet_is_in_order(tmp_path: Path) -> None:
    assert check_outbox(tmp_path / "o.sqlite") == ""
    outbox = Outbox(tmp_path / "o.sqlite")
    assert check_outbox(tmp_path / "o.sqlite") == ""
    outbox.close()


def test_an_outbox_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    path.mkdir()
    assert check_outbox(path) == f"{path}: cannot be read (Is a directory): check the folder's rights"


def test_whatever_goes_wrong_at_work_is_told_to_whoever_asked(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(ZeroDivisionError):
        outbox._call(lambda _: 1 // 0)
    assert outbox.depth().total == 0
    outbox.close()
    with pytest.raises(KardusError, match="is closed"):
        outbox.depth()


def _of(location: str, text: str, *, urgent: bool = False) -> Message:
    return Message("event", f"{location}/events", text.encode(), location=location, urgent=urgent)


def _texts(outbox: Outbox) -> list[str]:
    return [stored.message.payload.decode() for stored in outbox.pending(1000)]


def test_an_open_alert_overtakes_and_takes_what_came_before_it_at_its_location_along(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([_of("A", "a1"), _of("B", "b1"), _of("A", "a2"), _of("B", "b2", urgent=True), _of("B", "b3")], {}, 5)
    assert _texts(outbox) == ["b1", "b2", "a1", "a2", "b3"]
    outbox.append([_of("A", "a3", urgent=True)], {}, 6)
    assert _texts(outbox) == ["a1", "b1", "a2", "b2", "a3", "b3"]
    outbox.close()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.booleans()), max_size=30))
def test_whatever_overtakes_the_order_within_a_location_holds(entries: list[tuple[str, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder) / "o.sqlite")
        for number, (location, urgent) in enumerate(entries, start=1):
            outbox.append([_of(location, f"{location}{number}", urgent=urgent)], {}, number)
        texts = _texts(outbox)
        outbox.close()
    for location in "ABC":
        numbers = [int(text[1:]) for text in texts if text[0] == location]
        assert numbers == sorted(numbers)
    assert len(texts) == len(entries)
    urgent_ones = [index for index, text in enumerate(texts) if entries[int(text[1:]) - 1][1]]
    needed = {text[0] for index, text in enumerate(texts) if index in urgent_ones}
    last_urgent = max(urgent_ones, default=-1)
    assert all(text[0] in needed for text in texts[: last_urgent + 1]), "nobody else goes before an alert"


def _numbered(first: int, last: int) -> list[Message]:
    return [Message("event", "t/events", str(n).encode(), sequence=n) for n in range(first, last + 1)]


def test_what_was_sent_by_a_clock_that_was_ahead_is_sent_again_when_that_is_set_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, now = Outbox(tmp_path / "o.sqlite", delivery="confirmed"), time.time()
    outbox.append(_numbered(1, 2), {}, 2)
    with monkeypatch.context() as ahead:
        for part in ("outbox", "rows"):
            ahead.setattr(f"edge_agent.reporting.outbox.{part}.time", clock_of(time=lambda: now + 86_400))
        outbox.delivered([stored.id for stored in outbox.pending(10)])
        assert outbox.send_unconfirmed_again(older_than_s=60) == 0
    assert outbox.send_unconfirmed_again(older_than_s=60) == 2
    outbox.close()


def test_a_confirmed_event_stays_until_it_is_confirmed_and_can_be_sent_again(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", delivery="confirmed")
    outbox.append([*_numbered(1, 6), Message("state", "s", b"x", retain=True)], {}, 6)
    outbox.delivered([stored.id for stored in outbox.pending(10)])
    assert outbox.pending(10) == []
    assert (outbox.depth().total, outbox.depth().unconfirmed) == (0, 6)
    outbox.confirm("another epoch", [(1, 6)])
    assert outbox.depth().unconfirmed == 6
    outbox.confirm(outbox.epoch, [(1, 2), (5, 5)])
    assert outbox.depth().unconfirmed == 3
    assert outbox.send_again(outbox.epoch, 3, 4) == [(3, 4)]
    assert _texts(outbox) == ["3", "4"]
    assert outbox.send_unconfirmed_again(older_than_s=3600) == 0
    assert outbox.send_unconfirmed_again(older_than_s=-1) == 1
    assert _texts(outbox) == ["3", "4", "6"]
    assert outbox.lost() == {}
    outbox.close()


@pytest.mark.parametrize("ranges", [[(1, 7)], [(1, 0), (5, 7)], [(1, 2**63 - 1)], [(1, 2), (2**62, 2**62)]])
def test_a_confirmation_beyond_the_last_event_changes_nothing(tmp_path: Path, ranges: list[tuple[int, int]]) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", delivery="confirmed")
    outbox.append(_numbered(1, 6), {}, 6)
    assert not outbox.confirm(outbox.epoch, ranges)
    assert outbox.depth().unconfirmed + outbox.depth().total == 6
    assert outbox.confirm(outbox.epoch, [(1, 6)])
    assert outbox.depth().unconfirmed + outbox.depth().total == 0
    assert outbox.confirm("an earlier epoch", [(1, 2**63 - 1)]), "how far that one went is not known any more"
    outbox.close()


def test_of_an_epoch_that_nothing_is_known_of_no_endless_range_is_lost(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    assert outbox.send_again("of a disk that is gone", 501, 1000) == []
    assert outbox.lost() == {"of a disk that is gone": [(501, 1000)]}
    assert outbox.send_again("of a disk that is gone", 1001, 2**63 - 1) == []
    assert outbox.lost() == {"of a disk that is gone": [(501, 1000 + ASKED_AT_MOST)]}
    outbox.close()


def test_what_is_asked_for_and_gone_is_announced_as_lost(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append(_numbered(1, 5), {}, 5)
    outbox.delivered([stored.id for stored in outbox.pending(3)])
    assert outbox.send_again(outbox.epoch, 2, 9) == [(4, 5)]
    assert outbox.lost() == {outbox.epoch: [(2, 3)]}, "what was never decided isn't lost"
    outbox.close()


def test_beyond_its_limit_the_oldest_that_are_no_alerts_go_and_are_counted_and_told(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", OutboxLimits(events=10))
    alert = Message("event", "t/events", b"alert", sequence=1, urgent=True)
    outbox.append([alert, *_numbered(2, 14)], {}, 14)
    assert _texts(outbox) == ["alert", *map(str, range(6, 15))]
    assert outbox.losses.dropped["event"] == 4
    assert outbox.lost() == {outbox.epoch: [(2, 5)]}
    epoch = outbox.epoch
    outbox.close()
    again = Outbox(tmp_path / "o.sqlite", OutboxLimits(events=10))
    assert again.lost() == {epoch: [(2, 5)]}
    again.close()


def test_pictures_have_a_limit_of_their_own(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", OutboxLimits(evidence_bytes=1000))
    for number in range(1, 9):
        outbox.append([*_numbered(number, number), Message("evidence", f"p/{number}", b"x" * 300)], {}, number)
    waiting = outbox.depth().messages
    assert waiting["event"] == 8
    assert 1 <= waiting["evidence"] <= 3
    assert outbox.losses.dropped == {"event": 0, "state": 0, "evidence": 8 - waiting["evidence"]}
    assert outbox.lost() == {}
    outbox.close()


def test_the_age_of_the_oldest_message_is_known(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    assert outbox.depth().oldest_unix_s is None
    outbox.append([_event("a")], {}, 1)
    oldest = outbox.depth().oldest_unix_s
    assert oldest
    assert abs(time.time() - oldest) < 60
    outbox.close()


def test_what_the_broker_retains_is_known_until_it_is_cleared(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([Message("state", topic, b"x", retain=True) for topic in ("a", "b")], {}, 0)
    outbox.append([Message("event", "c", b"x"), Message("state", "a", b"", retain=True)], {}, 0)
    assert outbox.retained() == {"b"}
    outbox.close()
    again = Outbox(tmp_path / "o.sqlite")
    assert again.retained() == {"b"}
    again.close()


def test_whoever_sends_is_told_of_what_is_new(tmp_path: Path) -> None:
    outbox, told = Outbox(tmp_path / "o.sqlite"), []
    outbox.on_news = lambda: told.append(outbox.last_sequence)
    outbox.append([_event("a")], {}, 1)
    assert len(told) == 1
    outbox.pending(10)
    assert len(told) == 1
    outbox.close()


def test_pictures_that_were_delivered_make_room_for_others(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite", OutboxLimits(events=100, evidence_bytes=1000))
    for _ in range(4):
        outbox.append([Message("evidence", "p", bytes(900))], {}, 0)
        assert outbox.depth().messages["evidence"] == 1
        outbox.delivered([stored.id for stored in outbox.pending(10)])
    assert outbox.losses.dropped["evidence"] == 0
    outbox.close()


def test_an_outbox_opened_again_counts_what_is_stored(tmp_path: Path) -> None:
    limits = OutboxLimits(events=1000, evidence_bytes=1000)
    outbox = Outbox(tmp_path / "o.sqlite", limits)
    outbox.append([Message("evidence", "p", bytes(900)), *_numbered(1, 900)], {}, 900)
    outbox.close()
    again = Outbox(tmp_path / "o.sqlite", limits)
    again.append([Message("evidence", "q", bytes(900)), *_numbered(901, 1050)], {}, 1050)
    assert (again.losses.dropped["evidence"], again.depth().messages["evidence"]) == (1, 1)
    assert again.depth().messages["event"] <= 1000
    again.close()


def test_the_oldest_that_waits_is_as_old_as_it_was_stored(tmp_path: Path) -> None:
    outbox, before = Outbox(tmp_path / "o.sqlite"), time.time()
    assert outbox.depth().oldest_unix_s is None
    outbox.append([_event("a")], {}, 1)
    oldest = outbox.depth().oldest_unix_s
    assert oldest is not None
    assert before <= oldest <= time.time()
    outbox.close()
