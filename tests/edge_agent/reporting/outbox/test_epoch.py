"""When an outbox counts anew: after a start of the machine that it wasn't closed before."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.records import Message
from edge_agent.reporting.outbox import epoch
from edge_agent.reporting.outbox.outbox import Outbox

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
