"""While the disk takes nothing it is said once, and what wasn't stored is found again when it does."""

import logging
from pathlib import Path

import pytest

from edge_agent.config import parse_config
from edge_agent.config.data_folder import OUTBOX_FILE
from edge_agent.records import Message
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.reporting.storage import Storage, open_outbox
from kardus.support.errors import StorageError

CAMERA = {
    "name": "rack",
    "source": {"type": "file", "path": "now.png"},
    "locations": [{"id": "A-1", "corners": [[0, 0], [9, 0], [9, 9], [0, 9]]}],
}


class Disk:
    """An outbox whose disk can be full."""

    def __init__(self) -> None:
        """It takes everything."""
        self.is_full = False

    def probe(self) -> None:
        """Write something."""
        if self.is_full:
            raise StorageError("o.sqlite: full")


def _storage(disk: Disk) -> tuple[Storage, list[str]]:
    told: list[str] = []
    storage = Storage(disk, lambda: told.append("changed"), lambda: told.append("recovered"))  # type: ignore[arg-type]
    return storage, told


def test_a_disk_that_takes_nothing_is_told_once_and_so_is_its_recovery(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    storage, told = _storage(disk)
    storage.tick()
    assert told == []
    disk.is_full = True
    for _ in range(3):
        with caplog.at_level(logging.ERROR), storage.guard():
            disk.probe()
        storage.tick()
    assert (storage.reason, told, len(caplog.records)) == ("o.sqlite: full", ["changed"], 1)
    disk.is_full = False
    storage.tick()
    storage.tick()
    assert (storage.reason, told) == ("", ["changed", "changed", "recovered"])


def test_what_is_no_matter_of_storing_is_not_held_back() -> None:
    storage, told = _storage(Disk())
    with pytest.raises(ZeroDivisionError), storage.guard():
        raise ZeroDivisionError
    assert (storage.reason, told) == ("", [])


def test_the_agent_s_outbox_has_the_limits_of_its_configuration(tmp_path: Path) -> None:
    sections = {
        "agent": {"site": "s", "name": "box", "data_dir": str(tmp_path)},
        "model": {"bundle": "b"},
        "outbox": {"max_events": 1000, "max_evidence_mb": 1},
        "cameras": [CAMERA],
    }
    outbox = open_outbox(parse_config(sections, tmp_path / "agent.toml"))
    assert (tmp_path / OUTBOX_FILE).exists()
    outbox.append([Message("event", "e", str(n).encode(), sequence=n) for n in range(1, 1005)], {}, 1004)
    outbox.append([Message("evidence", "p", bytes(300_000)) for _ in range(4)], {}, 1004)
    waiting = outbox.depth().messages
    assert waiting["event"] <= 1000
    assert 1 <= waiting["evidence"] <= 3
    outbox.close()


def test_an_outbox_that_is_closed_is_said_to_be(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.sqlite")
    assert outbox.is_alive
    outbox.close()
    assert not outbox.is_alive
