"""A target's place in the database, whichever that is: restarts, two at once, retention, and people's commands."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select, update

from kardus.support.errors import UsageError
from simulator.demo.broker import free_port
from tests.clocks import clock_of
from tests.conftest import BIN
from tests.in_process import call
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import (
    NAME,
    REFUSALS,
    held_by,
    held_elsewhere,
    queue_of,
    settings_of,
    settle,
    told_of,
    worker_of,
)
from tests.warehouse.connectors.deliver.rigs import WebhookRig
from tests.warehouse.receiving.making import retention_of, write
from warehouse.__main__ import main
from warehouse.connectors.deliver import queue
from warehouse.connectors.deliver.queue import DeliveryQueue, ForgottenError
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetError
from warehouse.connectors.deliver.upkeep import forget_target, known_targets, refused_events, try_again
from warehouse.connectors.deliver.worker import TargetWorker
from warehouse.store.database import Database, StoreError
from warehouse.store.reader import StoreReader
from warehouse.store.retention import RetentionLimits
from warehouse.store.tables import deliveries, events, targets


def test_a_refusal_with_a_text_that_no_column_takes_is_noted(database: Database) -> None:
    box, waiting = Publisher(), queue_of(database)
    write(database, told_of(box, "A-1", "Milk"))
    assert waiting.hold() == ""
    taken = waiting.fresh(10)
    waiting.note(taken[-1].number, {taken[0].number: "no\x00way"}, taken, ())
    with database.reading() as connection:
        assert connection.execute(select(deliveries.c.reason).limit(1)).scalar() == "no\N{REPLACEMENT CHARACTER}way"


def test_a_restart_goes_on_where_the_last_one_ended(database: Database, rig: WebhookRig, tmp_path: Path) -> None:
    box, settings = Publisher(), settings_of(tmp_path, rig.text)
    for number in range(3):
        write(database, told_of(box, f"A-{number}", "Milk"))
        settle(worker := worker_of(database, settings))
        worker.stop()
        queue_of(database).release()
    assert [location for location, _ in rig.told()] == ["A-0", "A-1", "A-2"]
    assert rig.server
    assert len(rig.server.asked) == 3, "each was told once"


def test_what_waits_by_a_clock_that_was_ahead_is_told_when_that_is_set_right(
    database: Database, rig: WebhookRig, tmp_path: Path
) -> None:
    rig.refuse("A-1")
    worker = worker_of(database, settings_of(tmp_path, rig.text))
    write(database, told_of(Publisher(), "A-1", "Milk"))
    worker.round()
    rig.allow()
    with database.writing() as connection:
        connection.execute(update(deliveries).values(due=time.time() + 1e7))
    settle(worker)
    assert rig.told() == [("A-1", "Milk")]


def test_a_location_is_held_up_by_its_own_event_only_and_goes_on_in_order(
    database: Database, rig: WebhookRig, tmp_path: Path
) -> None:
    box = Publisher()
    rig.refuse("A-1")
    worker = worker_of(database, settings_of(tmp_path, rig.text).model_copy(update={"refusals": 1000}))
    write(database, *(told_of(box, "A-1", "Milk", f"alert {n}") for n in range(3)), told_of(box, "A-2", "Milk"))
    while rig.told() != [("A-2", "Milk")]:
        worker.round()
    rig.allow()
    settle(worker)
    assert list(rig.service.bodies) == ["alert-A-2", "alert 0", "alert 1", "alert 2"]
    assert queue_of(database).standing().waiting == 0


def test_a_later_event_of_a_location_waits_though_the_target_would_take_it(
    database: Database, rig: WebhookRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Publisher()
    monkeypatch.setattr(queue, "backoff_s", lambda *_, **__: 1000.0)
    rig.refuse("A-1")
    worker = worker_of(database, settings_of(tmp_path, rig.text))
    write(database, told_of(box, "A-1", "Milk", "first"))
    worker.round()
    rig.allow()
    write(database, told_of(box, "A-1", "Milk", "second"), told_of(box, "A-2", "Milk", "other"))
    settle(worker)
    assert list(rig.service.bodies) == ["other"]
    with database.writing() as connection:
        connection.execute(update(deliveries).values(due=0.0))
    settle(worker)
    assert list(rig.service.bodies) == ["other", "first", "second"]


def test_a_new_target_begins_with_the_next_event_unless_it_is_to_begin_with_the_first(database: Database) -> None:
    write(database, *Publisher().events(3))
    later = DeliveryQueue(database, "later", refusals=3, from_beginning=False)
    assert later.fresh(10) == []
    assert [one.number for one in queue_of(database).fresh(10)] == [1, 2, 3]


class _Taking:
    """A target that takes, or refuses, whatever it is told."""

    name, batch = "taking", 50

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.told: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def wants(self, _: Outgoing) -> bool:
        return True

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        self.before()
        self.told += [one.location for one in events]
        return {one.number: "no" for one in events} if self.refuses else {}

    def stop(self) -> None: ...

    def close(self) -> None: ...


def test_a_target_is_held_by_one_process_and_one_that_has_ended_is_taken_over_from(database: Database) -> None:
    mine = queue_of(database)
    with held_elsewhere() as (process, other):
        held_by(database, other)
        assert mine.hold() == other
        process.kill()
        process.wait()
        assert mine.hold() == ""
    held_by(database, "another-machine, process 1")
    again = queue_of(database)
    assert again.hold() == "another-machine, process 1"
    for seconds in (1e7, -1e7):
        held_by(database, "another-machine, process 1", seconds)
        assert queue_of(database).hold() == "", "no clock is so far off"


@pytest.mark.parametrize("ahead_s", [-7200.0, -200.0, -2.0, 2.0, 30.0, 7200.0])
def test_a_deliverer_with_another_clock_is_taken_over_from_only_when_it_stops_renewing(
    database: Database, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    mine, elsewhere, passed_s = queue_of(database), "another-machine, process 1", [0.0]
    monkeypatch.setattr(queue, "time", clock_of(monotonic=lambda: time.monotonic() + passed_s[0]))
    for renewed in range(4):
        held_by(database, elsewhere, ahead_s + queue.TARGET_LEASE_S + renewed * queue.RENEW_S)
        assert mine.hold() == elsewhere
        passed_s[0] += queue.RENEW_S
    assert mine.hold() == elsewhere, "it is late"
    passed_s[0] += queue.RENEW_S
    assert mine.hold() == ""


def test_a_running_target_that_is_forgotten_is_told_nothing_again_and_says_so(database: Database) -> None:
    write(database, *(told_of(Publisher(f"box-{n}"), f"OLD-{n}", "Milk") for n in range(4)))
    target = _Taking()
    worker = TargetWorker(NAME, target, queue_of(database, from_beginning=False))
    worker.round()
    write(database, told_of(Publisher("new"), "NEW", "Milk"))
    worker.round()
    forget_target(database, NAME)
    for _ in range(3):
        with pytest.raises(ForgottenError, match="start `kardus-wms deliver` again"):
            worker.round()
    assert target.told == ["NEW"]
    assert known_targets(database) == [], "nothing is kept for it again"


def test_a_target_that_is_forgotten_while_it_is_told_is_told_nothing_more(database: Database) -> None:
    """Whether it tells what is new, or again what was refused."""
    for tries in (0, 1):
        target = _Taking(refuses=bool(tries))
        worker = TargetWorker(NAME, target, queue_of(database))
        write(database, *(told_of(Publisher(f"box-{tries}-{n}"), "A-1", "Milk") for n in range(3)))
        for _ in range(tries):
            worker.round()
        with database.writing() as connection:
            connection.execute(update(deliveries).values(due=0.0))
        target.refuses, target.before = False, lambda: forget_target(database, NAME)
        with pytest.raises(ForgottenError):
            worker.round()
        told = list(target.told)
        with pytest.raises(ForgottenError):
            worker.round()
        assert target.told == told


def test_whoever_was_held_up_while_another_delivered_and_ended_goes_on_from_there(database: Database) -> None:
    """As a machine that was suspended: what it had read is told already."""
    target = _Taking()
    worker = TargetWorker(NAME, target, queue_of(database))
    write(database, *(told_of(Publisher(f"box-{n}"), "A-1", "Milk") for n in range(3)))
    worker.round()  # it has read all, and told one
    with database.writing() as connection:
        connection.execute(update(targets).values(holder="another, process 1", held_until=0.0, done=3))
    with pytest.raises(StoreError, match="another one has delivered"):
        worker.round()
    settle(worker)
    assert target.told == ["A-1"]
    assert queue_of(database).standing().done == 3


def test_whoever_was_taken_over_from_while_he_told_again_notes_nothing(database: Database) -> None:
    target = _Taking(refuses=True)
    worker = TargetWorker(NAME, target, queue_of(database))
    write(database, told_of(Publisher(), "A-1", "Milk"))
    worker.round()
    with database.writing() as connection:
        connection.execute(update(deliveries).values(due=0.0))
    target.refuses, target.before = False, lambda: held_by(database, "another, process 1")
    with pytest.raises(StoreError, match="another one delivers to it"):
        worker.round()
    assert queue_of(database).standing().waiting == 1


def test_events_are_kept_until_every_target_was_told(file_database: Database) -> None:
    box, old = Publisher(), datetime.now(UTC) - timedelta(days=40)
    write(file_database, *box.events(4))
    with file_database.writing() as connection:
        connection.execute(update(events).values(received=old))
    waiting = queue_of(file_database)
    assert waiting.hold() == ""
    worker = retention_of(file_database, RetentionLimits(days=30))
    worker.round()
    assert len(StoreReader(file_database).events()) == 4
    waiting.note(2, {}, [], ())
    worker.round()
    assert [event.number for event in StoreReader(file_database).events()] == [3, 4]
    forget_target(file_database, NAME)
    worker.round()
    assert StoreReader(file_database).events() == []


def test_what_people_ask_for_that_is_not_there_is_named(database: Database) -> None:
    queue_of(database)
    with pytest.raises(UsageError, match="nothing of it is set aside"):
        try_again(database, f"{NAME}:7")
    with pytest.raises(UsageError, match="write TARGET:NUMBER"):
        try_again(database, f"{NAME}:x")
    with pytest.raises(UsageError, match="no target of this name"):
        forget_target(database, "nobody")
    assert known_targets(database) == [NAME]


@pytest.mark.slow
def test_the_command_killed_in_the_middle_of_telling_tells_again_and_serves_how_it_goes(
    file_database: Database, rig: WebhookRig, tmp_path: Path
) -> None:
    box, port = Publisher(), free_port()
    settings_of(tmp_path, rig.text)
    words = [BIN / "kardus-wms", "deliver", tmp_path / "deliver.toml", "--database", file_database.address.path]
    command = [*map(str, words), "--json", "--health", f"127.0.0.1:{port}"]
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(3)))
    victims: list[subprocess.Popen[str]] = []

    def kill(location: str) -> None:
        if location == "A-1" and victims:
            victims.pop().send_signal(signal.SIGKILL)

    rig.service.before = kill
    rig.refuse("A-2")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True) as first:
        victims.append(first)
        assert first.wait(PATIENCE_S) == -signal.SIGKILL
    assert [location for location, _ in rig.told()] == ["A-0", "A-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        wait_until(lambda: bool(refused_events(file_database)), "the third is set aside")
        wait_until(lambda: f'kardus_deliver_aside{{target="{NAME}"}} 1' in _page(port, "metrics"), "the page says so")
        assert json.loads(_page(port, ""))[NAME]["problem"] == ""
        rig.allow()
        assert try_again(file_database, NAME) == 1
        wait_until(lambda: len(rig.told()) == 3, "it is sent again")
        second.terminate()
        told, _ = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0
    last = json.loads(told.splitlines()[-1])["targets"][NAME]
    assert (last["done"], last["refused"]) == (3, REFUSALS)
    assert [request.headers["webhook-id"] for request in rig.server.asked][1:3] == ["alert-A-1"] * 2, "told again"


def _page(port: int, name: str) -> str:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/{name}", timeout=PATIENCE_S).text
    except httpx2.TransportError:
        return ""  # it isn't there yet


def test_the_command_lists_what_is_set_aside_and_sends_it_again(
    file_database: Database, rig: WebhookRig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.refuse("A-1")
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    settle(worker)
    words = ("deliver", tmp_path / "deliver.toml", "--database", file_database.address.path)
    (told,) = json.loads(call(capsys, main, *words, "--aside", "--json").stdout)
    assert (told["target"], told["number"], told["location"], told["tries"]) == (NAME, 1, "A-1", REFUSALS)
    assert f"{NAME}:1 A-1 refused {REFUSALS} times" in call(capsys, main, *words, "--aside").stdout
    assert "1 events are tried again" in call(capsys, main, *words, "--again", f"{NAME}:1").stdout
    assert "and 1 events that waited" in call(capsys, main, *words, "--forget", NAME).stdout
    assert known_targets(file_database) == []


def test_who_is_held_elsewhere_is_told(database: Database, rig: WebhookRig, tmp_path: Path) -> None:
    worker = worker_of(database, settings_of(tmp_path, rig.text))
    with database.writing() as connection:
        connection.execute(update(targets).values(holder="another-machine, process 1", held_until=time.time() + 100))
    with pytest.raises(TargetError, match="another-machine, process 1 delivers to it already"):
        worker.round()


@pytest.mark.parametrize("number", ["9" * 23, "9" * 5000, "-1", "²"])
def test_a_number_that_no_event_has_is_refused_in_a_line(file_database: Database, number: str) -> None:
    with pytest.raises(UsageError, match="--again erp:"):
        try_again(file_database, f"erp:{number}")
