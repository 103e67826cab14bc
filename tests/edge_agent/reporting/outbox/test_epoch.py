"""When an outbox counts anew: after a start of the machine that it wasn't closed before."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.records import Message
from edge_agent.reporting.outbox import epoch
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.reporting.outbox.schema import meta_of
from kardus.contract.ranges import Range

Boot = Callable[[str], None]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Boot:
    """Lets the machine start."""

    def start(name: str) -> None:
        monkeypatch.setattr(epoch, "boot_id", lambda: name)

    return start


def _event(number: int) -> Message:
    return Message("event", "t/events", str(number).encode(), sequence=number)


def _as_after_a_kill(outbox: Outbox, path: Path) -> Path:
    """The file as it is while it is open."""
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{path}.killed{suffix}")
    outbox.close()
    return Path(f"{path}.killed")


def test_after_a_start_of_the_machine_that_it_was_not_closed_before_it_counts_anew(
    tmp_path: Path, boot: Boot, caplog: pytest.LogCaptureFixture
) -> None:
    boot("first")
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.append([_event(1), _event(2)], {"L": "state"}, 2)
    before = outbox.epoch
    file = _as_after_a_kill(outbox, tmp_path / "o.sqlite")
    boot("second")
    with_new_count = Outbox(file)
    assert with_new_count.epoch != before
    assert "a new epoch begins after event 2" in caplog.text
    assert with_new_count.last_sequence == 0
    assert with_new_count.states() == {"L": "state"}
    with_new_count.append([_event(1)], {}, 1)
    after = with_new_count.epoch
    assert [stored.message.sequence for stored in with_new_count.pending(9)] == [1, 2, 1]
    with_new_count.confirm(before, [(1, 9)])
    assert [stored.message.sequence for stored in with_new_count.pending(9)] == [1]
    with_new_count.close()
    boot("third")
    again = Outbox(file)
    assert (again.epoch, again.last_sequence) == (after, 1)
    again.close()


TOO_FAR = [[(1, 2**63 - 1)], [(1, 0), (2, 3 + epoch.FORGOTTEN_AT_MOST)], [(1, 2), (2**62, 2**62)]]


def _in_a_third_epoch(path: Path, boot: Boot) -> tuple[Outbox, list[str]]:
    """An outbox with two events of each of three epochs, and their names."""
    outbox = Outbox(path, delivery="confirmed")
    names: list[str] = []
    for name in ("first", "second", "third"):
        boot(name)
        file = path if not names else _as_after_a_kill(outbox, path)
        outbox.close()
        path = file
        outbox = Outbox(path, delivery="confirmed")
        outbox.append([_event(1), _event(2)], {}, 2)
        names.append(outbox.epoch)
    assert len(set(names)) == 3
    return outbox, names


@pytest.mark.parametrize("ranges", TOO_FAR)
def test_an_acknowledgement_far_beyond_what_an_epoch_can_have_come_to_changes_nothing_in_any_epoch(
    tmp_path: Path, boot: Boot, ranges: list[Range]
) -> None:
    outbox, names = _in_a_third_epoch(tmp_path / "o.sqlite", boot)
    for name in names:
        assert not outbox.confirm(name, ranges)
        assert outbox.depth().total == 6
    assert outbox.confirm(names[0], [(1, 2 + epoch.FORGOTTEN_AT_MOST)]), "a disk may have forgotten so many"
    assert outbox.depth().total == 4
    assert not outbox.confirm(names[1], ranges), "its own end is known as long as anything of it is kept"
    assert outbox.depth().total == 4
    outbox.close()


def test_before_the_first_event_of_an_epoch_nothing_of_it_can_be_acknowledged(tmp_path: Path, boot: Boot) -> None:
    boot("first")
    outbox = Outbox(tmp_path / "o.sqlite", delivery="confirmed")
    outbox.append([_event(1), _event(2)], {}, 2)
    before, file = outbox.epoch, _as_after_a_kill(outbox, tmp_path / "o.sqlite")
    boot("second")
    again = Outbox(file, delivery="confirmed")
    assert not again.confirm(again.epoch, [(1, 1)])
    assert not again.confirm(before, [(1, 2**63 - 1)])
    assert again.depth().total == 2
    assert again.confirm(before, [(1, 9)]), "what the disk has forgotten"
    assert again.depth().total == 0
    again.close()


def test_of_a_file_of_an_earlier_version_what_is_kept_says_how_far_an_epoch_came(tmp_path: Path, boot: Boot) -> None:
    outbox, names = _in_a_third_epoch(tmp_path / "o.sqlite", boot)
    outbox._call(lambda database: database.execute("DELETE FROM meta WHERE key LIKE 'end_of %'"))
    assert not outbox.confirm(names[0], [(1, 2**63 - 1)])
    assert outbox.confirm(names[0], [(1, 2)])
    outbox.close()


def test_the_ends_of_epochs_of_which_nothing_is_kept_are_not_kept(tmp_path: Path, boot: Boot) -> None:
    outbox, names = _in_a_third_epoch(tmp_path / "o.sqlite", boot)
    assert outbox.confirm(names[0], [(1, 2)])
    boot("fourth")
    again = Outbox(_as_after_a_kill(outbox, next(tmp_path.glob("*.killed.killed"))), delivery="confirmed")
    again.append([_event(1)], {}, 1)
    ends = again._call(lambda database: {key for key in meta_of(database) if key.startswith("end_of ")})
    assert ends == {f"end_of {name}" for name in names[1:]}
    again.close()


def test_what_is_asked_for_of_an_earlier_epoch_and_never_was_is_not_lost(tmp_path: Path, boot: Boot) -> None:
    outbox, names = _in_a_third_epoch(tmp_path / "o.sqlite", boot)
    assert outbox.send_again(names[0], 1, 2**63 - 1) == [(1, 2)]
    assert outbox.lost() == {names[0]: [(3, 2 + epoch.FORGOTTEN_AT_MOST)]}
    outbox.close()


@pytest.mark.parametrize("closed", [True, False])
def test_it_counts_on_over_a_kill_and_over_a_start_that_it_was_closed_before(
    tmp_path: Path, boot: Boot, *, closed: bool
) -> None:
    boot("first")
    file = tmp_path / "o.sqlite"
    outbox = Outbox(file)
    outbox.append([_event(1)], {}, 1)
    before = outbox.epoch
    killed = _as_after_a_kill(outbox, file)
    boot("second" if closed else "first")
    again = Outbox(file if closed else killed)
    assert (again.epoch, again.last_sequence) == (before, 1)
    again.close()
