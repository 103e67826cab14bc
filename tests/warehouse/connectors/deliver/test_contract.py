"""What every target promises: order for each location, at least once with a key, one bad event is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import NAME, REFUSALS, settings_of, settle, told_of, worker_of
from tests.warehouse.connectors.deliver.rigs import KafkaRig, Rig, rig_of
from tests.warehouse.receiving.making import write
from warehouse.connectors import http_client
from warehouse.connectors.deliver import epcis_capture, queue, webhook
from warehouse.connectors.deliver.target import TargetError
from warehouse.connectors.deliver.upkeep import refused_events, try_again
from warehouse.connectors.deliver.worker import TargetWorker
from warehouse.store.database import Database

KINDS = ("webhook", "tryton", "odoo16", "odoo19", "epcis", "kafka")
SERVED = KINDS[:-1]
COUNTS = KINDS[1:4]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_PAUSE_S", 0.0)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Which target."""
    return str(request.param)


@pytest.fixture
def rig(kind: str, tmp_path: Path) -> Iterator[Rig]:
    """The other side."""
    with rig_of(kind, tmp_path) as found:
        yield found


def _worker(database: Database, rig: Rig, folder: Path) -> TargetWorker:
    return worker_of(database, settings_of(folder, rig.text))


def _up(rig: Rig) -> None:
    if rig.server is not None:
        rig.server.up()


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_what_is_stored_arrives_once_and_in_order_for_each_location(
    file_database: Database, rig: Rig, kind: str, tmp_path: Path
) -> None:
    box = Publisher()
    _up(rig)
    worker = _worker(file_database, rig, tmp_path)
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in (3, 1, 2)), told_of(box, "A-1", "Tea"))
    settle(worker)
    told = rig.told()
    assert [sku for location, sku in told if location == "A-1"][-1] == "Tea"
    assert set(told) | {("A-1", "Milk")} == {("A-1", "Milk"), ("A-1", "Tea"), ("A-2", "Milk"), ("A-3", "Milk")}
    assert len(told) == (3 if kind in COUNTS else 4), "of counts there is one for a location"
    worker.stop()
    assert worker.status.delivered == 4


@pytest.mark.parametrize("kind", SERVED, indirect=True)
def test_a_target_that_is_down_is_waited_for_and_lacks_nothing_then(
    file_database: Database, rig: Rig, tmp_path: Path
) -> None:
    assert rig.server is not None
    worker = _worker(file_database, rig, tmp_path)
    write(file_database, *(told_of(Publisher(), f"A-{n}", "Milk") for n in range(3)))
    for _ in range(REFUSALS + 1):
        with pytest.raises(TargetError) as away:
            worker.round()
        assert "\n" not in str(away.value)
    rig.server.up()
    settle(worker)
    assert [location for location, _ in rig.told()] == ["A-0", "A-1", "A-2"]
    assert refused_events(file_database) == []


@pytest.mark.parametrize("kind", SERVED, indirect=True)
def test_an_answer_that_comes_too_late_counts_as_none_and_telling_again_changes_nothing(
    file_database: Database, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig.server is not None
    _up(rig)
    for module, name in ((http_client, "TIMEOUT_S"), (webhook, "LIMIT_S"), (epcis_capture, "JOB_S")):
        monkeypatch.setattr(module, name, 0.5)
    rig.server.answers.clear()
    worker = _worker(file_database, rig, tmp_path)
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    with pytest.raises(TargetError, match=r"isn't over within 0\.5 s"):
        worker.round()
    rig.server.answers.set()
    monkeypatch.undo()
    settle(worker)
    assert rig.told() == [("A-1", "Milk")]


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_one_event_that_is_refused_is_set_aside_and_its_location_goes_on_in_order(
    file_database: Database, rig: Rig, tmp_path: Path
) -> None:
    box, long = Publisher(), KafkaRig.LONG if isinstance(rig, KafkaRig) else ""
    _up(rig)
    rig.refuse("A-2")
    worker = _worker(file_database, rig, tmp_path)
    write(
        file_database,
        told_of(box, "A-1", "Milk"),
        told_of(box, "A-2", "Milk", reason=long),
        told_of(box, "A-3", "Milk"),
    )
    settle(worker)
    assert sorted(rig.told()) == [("A-1", "Milk"), ("A-3", "Milk")], "the others don't wait"
    (aside,) = refused_events(file_database)
    assert (aside.target, aside.location, aside.id, aside.tries) == (NAME, "A-2", box.ids[1], REFUSALS)
    assert aside.reason
    assert "\n" not in aside.reason
    rig.allow()
    worker.stop()
    again = _worker(file_database, rig, tmp_path)
    write(file_database, told_of(box, "A-2", "Tea", "another alert"))
    settle(again)
    assert [sku for location, sku in rig.told() if location == "A-2"] == ["Tea"], (
        "a later one of the location is delivered"
    )
    assert try_again(file_database, NAME) == 1
    settle(again)
    assert refused_events(file_database) == []
    assert ("A-2", "Milk") in rig.told()
    again.stop()


@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_who_is_killed_between_sending_and_noting_tells_again_and_the_other_side_knows_it_by_its_key(
    file_database: Database, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Publisher()
    _up(rig)
    killed = _worker(file_database, rig, tmp_path)
    write(file_database, told_of(box, "A-1", "Milk"), told_of(box, "A-2", "Milk"))

    class Killed(BaseException):
        """As nothing catches it."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(queue.DeliveryQueue, "note", die)
        with pytest.raises(Killed):
            killed.round()
    assert ("A-1", "Milk") in rig.told()
    killed.stop()
    settle(worker := _worker(file_database, rig, tmp_path))
    assert sorted(rig.told()) == [("A-1", "Milk"), ("A-2", "Milk")]
    worker.stop()
