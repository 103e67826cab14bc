"""A target that one event breaks isn't one that is away; and one that is away sets nothing aside."""

import itertools
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.patience import wait_until
from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.making import NAME, queue_of, settings_of, told_of, worker_of
from tests.warehouse.connectors.deliver.rigs import WebhookRig
from tests.warehouse.connectors.deliver.served import Answer, Asked
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver import worker as working
from warehouse.connectors.deliver.event_isolation import SUSPECT_AFTER, send_singly
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetBusyError, TargetError
from warehouse.connectors.deliver.upkeep import refused_events, try_again
from warehouse.connectors.deliver.worker import TargetWorker
from warehouse.store.database import Database


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "POLL_S", 0.001)
    monkeypatch.setattr(working, "backoff_s", lambda *_, **__: 0.0)


class Breaking:
    """A target that gives no answer for some locations."""

    name = "breaking"

    def __init__(self, batch: int, *broken: str, retry_after_s: float = 0.0) -> None:
        self.batch, self.broken, self.retry_after_s = batch, set(broken), retry_after_s
        self.error, self.status = TargetError, 0
        self.refuses, self.unwanted = False, set[str]()
        self.told: list[str] = []
        self.attempts = 0

    def wants(self, outgoing: Outgoing) -> bool:
        """What it was told to."""
        return outgoing.location not in self.unwanted

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """It breaks down, or refuses, over some."""
        self.attempts += 1
        if self.refuses:
            return {one.number: "no" for one in events if one.location in self.broken}
        if any(one.location in self.broken for one in events):
            raise self.error("no answer", self.status, retry_after_s=self.retry_after_s)
        self.told += [one.location for one in events]
        return {}

    def stop(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


def test_a_server_that_breaks_down_over_one_event_gets_all_others_and_that_one_is_set_aside(
    file_database: Database, rig: WebhookRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, box = rig.service.answer, Publisher()

    def breaks_down(asked: Asked) -> Answer:
        return Answer(500) if asked.json["data"]["location"] == "A-1" else answer(asked)

    monkeypatch.setattr(rig.service, "answer", breaks_down)
    write(file_database, *(told_of(box, "A-1", "Milk", f"alert {n}") for n in range(2)))
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    worker.start()
    others = itertools.count()

    def both_are_set_aside_while_others_come() -> bool:
        write(file_database, told_of(box, f"B-{next(others)}", "Milk"))
        return len(refused_events(file_database)) == 2

    wait_until(both_are_set_aside_while_others_come)
    count = next(others)
    wait_until(lambda: [location for location, _ in rig.told()] == [f"B-{n}" for n in range(count)])
    worker.stop()
    assert "the server says 500" in refused_events(file_database)[0].reason
    monkeypatch.setattr(rig.service, "answer", answer)
    assert try_again(file_database, NAME) == 2
    again = worker_of(file_database, settings_of(tmp_path, rig.text))
    again.start()
    wait_until(lambda: len(rig.told()) == count + 2)
    again.stop()
    assert list(rig.service.bodies)[count:] == ["alert 0", "alert 1"]


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("place", [0, 4, 7])
def test_wherever_the_event_stands_and_however_many_are_taken_at_a_time_the_others_arrive(
    file_database: Database, batch: int, place: int
) -> None:
    box, target = Publisher(), Breaking(batch, f"A-{place}")
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(8)))
    worker = TargetWorker(NAME, target, queue_of(file_database))
    worker.start()
    others = itertools.count()

    def it_is_set_aside_while_others_come() -> bool:
        write(file_database, told_of(box, f"B-{next(others)}", "Milk"))
        return [one.location for one in refused_events(file_database)] == [f"A-{place}"]

    wait_until(it_is_set_aside_while_others_come)
    worker.stop()
    assert target.told[:7] == [f"A-{n}" for n in range(8) if n != place]


@pytest.mark.parametrize(("status", "retry_after_s"), [(0, 0.0), (503, 0.0), (503, 0.001), (403, 0.0)])
def test_a_target_that_is_away_sets_nothing_aside_however_long(
    file_database: Database, status: int, retry_after_s: float
) -> None:
    box, places = Publisher(), [f"A-{n}" for n in range(5)]
    target = Breaking(1, *places, retry_after_s=retry_after_s)
    target.status = status
    write(file_database, *(told_of(box, place, "Milk") for place in (*places, *places)))
    worker = TargetWorker(NAME, target, queue_of(file_database))
    worker.start()
    wait_until(lambda: worker.status.failures > 10 * SUSPECT_AFTER)
    assert (worker.status.waiting, worker.status.aside, worker.status.done) == (0, 0, 0)
    target.broken.clear()
    wait_until(lambda: sorted(target.told) == sorted([*places, *places]))
    worker.stop()
    assert refused_events(file_database) == []


def test_a_target_that_wants_to_be_left_alone_is_asked_no_more_of_the_same_portion(file_database: Database) -> None:
    box, target = Publisher(), Breaking(1, "A-0", retry_after_s=60.0)
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(3)))
    queue = queue_of(file_database)
    with pytest.raises(TargetError):
        send_singly(target, queue.fresh(3), threading.Event())
    assert target.attempts == 1


def test_a_failure_while_it_is_stopped_says_nothing_of_the_event(file_database: Database) -> None:
    box, target, stopping = Publisher(), Breaking(1, "A-1"), threading.Event()
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(2)))
    found = queue_of(file_database).fresh(2)
    assert list(send_singly(target, found, stopping).refused) == [2]
    stopping.set()
    told = send_singly(target, found, stopping)
    assert (told.answered_of(found), told.refused) == (found[:1], {})
    assert told.ended
    with pytest.raises(TargetError):
        send_singly(target, found[1:], stopping)


def test_a_target_that_is_at_it_still_is_told_nothing_else(file_database: Database) -> None:
    """As a repository whose capture job of several events takes long: one alone would be captured beside it."""
    box, target = Publisher(), Breaking(50, "A-0")
    target.error = TargetBusyError
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(3)))
    worker = TargetWorker(NAME, target, queue_of(file_database))
    for _ in range(3 * SUSPECT_AFTER):
        with pytest.raises(TargetBusyError):
            worker.round()
    assert target.told == []
    assert target.attempts == 3 * SUSPECT_AFTER


@pytest.mark.parametrize("status", [301, 401, 403, 404, 410, 429])
def test_what_any_event_would_meet_is_asked_about_once_in_an_attempt(file_database: Database, status: int) -> None:
    box, target = Publisher(), Breaking(1, "A-0", "A-1", "A-2")
    target.status = status
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(3)))
    worker = TargetWorker(NAME, target, queue_of(file_database))
    for _ in range(2 * SUSPECT_AFTER):
        with pytest.raises(TargetError):
            worker.round()
    assert target.attempts == 2 * SUSPECT_AFTER


class _Limited(Breaking):
    """It takes so many, and then wants to be left alone until it is asked the next time."""

    def __init__(self, most: int, *broken: str) -> None:
        super().__init__(1, *broken)
        self.most = self.left = most

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        if not self.left:
            self.left = self.most
            raise TargetError("not so fast", 429, retry_after_s=0.001)
        self.left -= 1
        return super().send(events)


def _attempt(worker: TargetWorker, target: Breaking) -> None:
    """One, and what it took was never told before."""
    with suppress(TargetError):
        worker.round()
    assert len(set(target.told)) == len(target.told)


@pytest.mark.parametrize("most", [2, 3])
@pytest.mark.parametrize("place", [0, 1])
def test_what_a_target_took_before_it_wanted_to_be_left_alone_is_told_once(
    file_database: Database, most: int, place: int
) -> None:
    box, target = Publisher(), _Limited(most, f"A-{place}")
    target.unwanted = {"C-0", "C-1"}
    places = ("A-0", "A-1", f"A-{place}", "C-0", "A-2", "A-3", "C-1", "A-4")
    write(file_database, *(told_of(box, one, "Milk", f"alert {n}") for n, one in enumerate(places)))
    worker = TargetWorker(NAME, target, queue_of(file_database))
    for _ in range(40):
        _attempt(worker, target)
    assert target.told == [f"A-{n}" for n in range(5) if n != place]
    assert worker.status.delivered == 4
    assert worker.status.passed_over == 2
    standing = queue_of(file_database).standing()
    assert (standing.behind, standing.waiting + standing.aside) == (0, 2), "both of the location that breaks it"


def test_what_failed_before_a_target_wanted_to_be_left_alone_says_nothing_where_it_took_none(
    file_database: Database,
) -> None:
    box, target = Publisher(), _Limited(1, "A-0")
    write(file_database, *(told_of(box, f"A-{n}", "Milk") for n in range(3)))
    with pytest.raises(TargetError, match="not so fast"):
        send_singly(target, queue_of(file_database).fresh(3), threading.Event())
