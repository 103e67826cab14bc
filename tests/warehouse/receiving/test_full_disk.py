"""A full disk under a real receiver, on both databases: said in a line, nothing lost, nothing twice."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import Mosquitto
from tests.clusters import Cluster, running_cluster
from tests.faults.disks import memory_disk
from tests.publishers import Publisher
from tests.warehouse.receiving.test_receiver import publish, receiving, wait_for
from warehouse.receiving.receiver import Receiver

pytestmark = pytest.mark.root
BEFORE, AFTER = 200, 600
"""Fewer than the 1,000 that Mosquitto queues by default."""


def _fill(disk: Path) -> Path:
    """Leave no room on it."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            return filler


def _through_a_full_disk(
    receiver: Receiver, mosquitto: Mosquitto, disk: Path, mended: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    box = Publisher()
    publish(mosquitto, box.events(BEFORE))
    wait_for(lambda: receiver.status().events == BEFORE)
    filler = _fill(disk)
    publish(mosquitto, box.events(AFTER))
    wait_for(lambda: "nothing can be stored" in receiver.status().problem)
    filler.unlink()
    mended()
    wait_for(lambda: receiver.status().events >= BEFORE + AFTER)
    stored = [event.envelope.id for event in receiver.reader.events(limit=10_000)]
    assert sorted(stored) == sorted(box.ids)  # each once
    assert receiver.reader.missing_events() == []
    wait_for(lambda: not receiver.status().problem)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert all("nothing can be stored" in line and "check the disk" in line and "\n" not in line for line in said)
    assert 1 <= len(said) <= 3  # once each time that it can't be stored any more


@pytest.mark.slow
def test_a_full_disk_under_a_file(mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with memory_disk(tmp_path / "disk", "8m") as disk, receiving(mosquitto, disk / "k.sqlite") as receiver:
        _through_a_full_disk(receiver, mosquitto, disk, lambda: None, caplog)


@pytest.mark.slow
def test_a_full_disk_under_a_server_and_its_log(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as name:  # a socket's path may have 107 characters
        Path(name).chmod(0o755)
        with memory_disk(Path(name) / "d", "160m") as disk:
            monkeypatch.setattr(tempfile, "tempdir", str(disk))
            settings = ("min_wal_size=32MB", "max_wal_size=32MB", "wal_recycle=off")
            with running_cluster(settings, durable=True) as server:
                monkeypatch.undo()
                where = server.url(server.make_database("kardus_template"))
                with receiving(mosquitto, where, pictures=str(tmp_path / "pictures")) as receiver:  # type: ignore[arg-type] # an address is as good as a path
                    _through_a_full_disk(receiver, mosquitto, disk, lambda: _restart(server), caplog)


def _restart(server: Cluster) -> None:
    """A server whose log finds no room ends itself, as PostgreSQL says: its supervisor starts it again."""
    server.kill()
    server.start()
