"""What a target says of us, and who else delivers: a pause that is asked for, an address that is gone, a takeover."""

import itertools
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from kardus.support.health_page import HealthPage
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import (
    NAME,
    REFUSALS,
    held_by,
    queue_of,
    settings_of,
    settle,
    told_of,
    worker_of,
)
from tests.warehouse.connectors.deliver.rigs import WebhookRig
from tests.warehouse.connectors.deliver.served import Answer
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver import queue, renewal
from warehouse.connectors.deliver.health import report
from warehouse.connectors.deliver.target import TargetError
from warehouse.connectors.deliver.upkeep import refused_events
from warehouse.connectors.deliver.worker import TargetStatus
from warehouse.connectors.retry_after import MAX_RETRY_AFTER_S, retry_after_s
from warehouse.store.database import Database, StoreError
from warehouse.store.tables import targets

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("120", "", 120),
        ("Sun, 01 Mar 2026 12:01:00 GMT", "", 60),
        ("Sun, 01 Mar 2026 08:01:00 GMT", "Sun, 01 Mar 2026 08:00:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", "", 0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", "", MAX_RETRY_AFTER_S),
        ("9" * 400, "", MAX_RETRY_AFTER_S),
        ("-5", "", 0),
        ("soon", "nonsense", 0),
        ("", "", 0),
    ],
)
def test_both_forms_of_a_pause_that_is_asked_for(said: str, date: str, seconds: float) -> None:
    assert retry_after_s({"retry-after": said, "date": date}, NOW) == seconds


@given(st.text(), st.text())
def test_whatever_is_said_is_a_pause_that_ends(said: str, date: str) -> None:
    assert 0 <= retry_after_s({"retry-after": said, "date": date}, NOW) <= MAX_RETRY_AFTER_S


def test_a_target_that_asks_for_a_pause_gets_it(
    file_database: Database, rig: WebhookRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def answer(_: object) -> Answer:
        asked.append(time.monotonic())
        return Answer(429, headers={"Retry-After": "2"})

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    monkeypatch.setattr("warehouse.connectors.deliver.worker.backoff_s", lambda *_, **__: 0.0)
    worker.start()
    wait_until(lambda: len(asked) >= 2)
    worker.stop()
    assert asked[1] - asked[0] > 1.5
    assert refused_events(file_database) == []


@pytest.mark.parametrize("status", [301, 402, 410, 415, 421, 431, 451, 460, 499, 529])
def test_an_answer_that_any_event_would_get_sets_nothing_aside(
    file_database: Database, rig: WebhookRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    with monkeypatch.context() as patch:
        patch.setattr(rig.service, "answer", lambda _: Answer(status))
        for _ in range(REFUSALS + 1):
            with pytest.raises(TargetError, match=f"the server says {status}"):
                worker.round()
    settle(worker)
    assert rig.told() == [("A-1", "Milk")]


def test_whoever_was_taken_over_from_tells_nothing_of_what_he_had_read(
    file_database: Database, rig: WebhookRig, tmp_path: Path
) -> None:
    box = Publisher()
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    states = itertools.chain(["open"], itertools.repeat("acknowledged", 3), ["resolved"])
    write(file_database, *(told_of(box, "A-1", "Milk", status=status) for status in states))
    worker.round()  # it has read all five, and told one
    held = update(targets).where(targets.c.name == NAME)
    with file_database.writing() as connection:
        connection.execute(held.values(holder="another, process 1", held_until=time.time() + 100, done=5))
    worker._queue._held_until_s = 0.0  # it was stopped for a while
    with pytest.raises(TargetError, match="another, process 1 delivers to it already"):
        worker.round()
    with file_database.writing() as connection:
        connection.execute(held.values(held_until=0.0))
    settle(worker)
    assert len(rig.told()) == 1
    with file_database.reading() as connection:
        assert connection.execute(select(targets.c.done)).scalar() == 5


def test_whoever_was_taken_over_from_while_he_told_notes_nothing(
    file_database: Database, rig: WebhookRig, tmp_path: Path
) -> None:
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))

    def take_over(_: str) -> None:
        with file_database.writing() as connection:
            connection.execute(update(targets).values(holder="another, process 1", done=7))

    rig.service.before = take_over
    with pytest.raises(StoreError, match="another one delivers to it"):
        worker.round()
    with file_database.reading() as connection:
        assert connection.execute(select(targets.c.done)).scalar() == 7


def test_a_target_is_held_for_as_long_as_it_is_told(
    file_database: Database, rig: WebhookRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "TARGET_LEASE_S", 2 * PATIENCE_S)
    monkeypatch.setattr(queue, "RENEW_S", 2 * PATIENCE_S - 0.2)  # of a lease that is 0.2 s old
    monkeypatch.setattr(renewal, "RENEW_S", 0.2)
    held: set[float] = set()

    def is_renewed() -> bool:
        with file_database.reading() as connection:
            held.add(connection.execute(select(targets.c.held_until)).scalar_one())
        return len(held) >= 4

    rig.service.before = lambda _: wait_until(is_renewed)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    worker.start()
    wait_until(lambda: worker.status.delivered == 1)
    worker.stop()
    assert min(held) > time.time()
    with file_database.reading() as connection:
        assert connection.execute(select(targets.c.held_until)).scalar_one() == 0, "and not any longer"


def test_what_was_taken_over_or_let_go_is_not_taken_back_by_renewing(database: Database) -> None:
    mine = queue_of(database)
    mine.renew()
    with database.reading() as connection:
        assert connection.execute(select(targets.c.holder)).scalar() == "", "it wasn't held"
    assert mine.hold() == ""
    mine._held_until_s = time.time() + 1
    mine.release()
    mine.renew()
    with database.reading() as connection:
        assert connection.execute(select(targets.c.held_until)).scalar() == 0
    held_by(database, "another, process 1")
    mine.renew()
    with database.reading() as connection:
        assert connection.execute(select(targets.c.holder)).scalar() == "another, process 1"
    with pytest.raises(StoreError, match="another one has delivered"):
        mine.hold()


@pytest.mark.parametrize(
    ("address", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "localhost")]
)
def test_the_health_page_is_served_at_any_kind_of_address(address: str, written: str) -> None:
    with HealthPage(address, 0, lambda: report({"erp": TargetStatus(delivered=3)})) as page:
        told = httpx2.get(f"http://{written}:{page.port}/").json()
    assert told["erp"]["delivered"] == 3
