"""EPCIS documents to a capture endpoint: events together, one that is refused found, jobs waited for."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.connectors.deliver.epcis_stand_in import EpcisStandIn
from tests.warehouse.connectors.deliver.making import REFUSALS, settings_of, settle, told_of, worker_of
from tests.warehouse.connectors.deliver.rigs import EpcisRig
from tests.warehouse.connectors.deliver.served import Answer, Asked, served
from tests.warehouse.receiving.making import write
from warehouse.connectors.deliver import epcis_capture
from warehouse.connectors.deliver.target import TargetError
from warehouse.connectors.deliver.upkeep import refused_events
from warehouse.store.database import Database
from warehouse.store.tables import deliveries

PLACES = [f"A-{number}" for number in range(16)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[EpcisRig]:
    """A repository that is up."""
    service = EpcisStandIn()
    with served(service) as server:
        server.up()
        yield EpcisRig(tmp_path, server, service)


@pytest.mark.parametrize("at_once", [True, False], ids=["refused at once", "refused by the job"])
def test_of_a_document_one_event_that_is_refused_is_found_and_the_others_are_taken(
    file_database: Database, rig: EpcisRig, tmp_path: Path, *, at_once: bool
) -> None:
    rig.service.at_once = at_once
    rig.refuse("A-6")
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, *(told_of(Publisher(), place, "Milk") for place in PLACES))
    worker.round()
    assert sorted(location for location, _ in rig.told()) == sorted(set(PLACES) - {"A-6"})
    assert rig.service.documents == 9, "16 events, and twice 8, 4, 2 and 1"
    settle(worker)
    (aside,) = refused_events(file_database)
    assert (aside.location, "no such read point" in aside.reason or "400" in aside.reason) == ("A-6", True)


def test_doubts_and_what_has_no_identifier_are_not_told_to_partners(
    file_database: Database, rig: EpcisRig, tmp_path: Path
) -> None:
    box = Publisher()
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(box, "A-1", None, verdict=Verdict.UNCERTAIN), told_of(box, "A-2", "Unlisted"))
    write(file_database, told_of(box, "A-3", "Milk"))
    settle(worker)
    assert rig.told() == [("A-3", "Milk")]
    assert worker.status.passed_over == 2


def test_a_job_that_does_not_end_is_asked_for_again_and_not_begun_twice(
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epcis_capture, "JOB_S", 0.3)
    own, running = rig.service.answer, [True]

    def answer(asked: Asked) -> Answer:
        found = own(asked)
        if asked.method == "GET" and running[0]:
            return Answer(body=found.body | {"running": True})
        return found

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    with pytest.raises(TargetError, match="isn't over within"):
        worker.round()
    running[0] = False
    settle(worker)
    assert rig.told() == [("A-1", "Milk")]
    assert rig.service.documents == 1


def test_a_job_that_fails_by_the_repository_s_own_fault_sets_nothing_aside(
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, is_broken = rig.service.answer, [True]
    problem = {"type": "epcisException:ImplementationException", "title": "disk full", "status": 500}

    def answer(asked: Asked) -> Answer:
        if asked.method == "GET" and is_broken[0]:
            return Answer(body={"running": False, "success": False, "errors": [problem]})
        return own(asked)

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"), told_of(Publisher("other"), "A-2", "Milk"))
    for _ in range(REFUSALS + 1):
        with pytest.raises(TargetError, match="disk full"):
            worker.round()
    is_broken[0] = False
    settle(worker)
    assert refused_events(file_database) == []
    assert sorted(location for location, _ in rig.told()) == ["A-1", "A-2"]


@pytest.mark.parametrize("flag", ["running", "success"])
@pytest.mark.parametrize("said", ["false", "true", 0, 1, None, [], "absent"])
def test_a_job_whose_flags_are_no_flags_is_neither_taken_nor_refused(  # noqa: PLR0917
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, said: object
) -> None:
    own, is_odd = rig.service.answer, [True]

    def answer(asked: Asked) -> Answer:
        found = own(asked)
        if asked.method == "GET" and is_odd[0]:
            body = {name: value for name, value in found.body.items() if name != flag}
            return Answer(body=body if said == "absent" else body | {flag: said})
        return found

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    for _ in range(REFUSALS + 1):
        with pytest.raises(TargetError, match="'running' and 'success' must be true or false"):
            worker.round()
    assert (worker.status.delivered, refused_events(file_database)) == (0, [])
    is_odd[0] = False
    settle(worker)
    assert (worker.status.delivered, rig.service.documents) == (1, 1), "it was asked for, and not sent again"


@pytest.mark.parametrize(
    ("status", "is_set_aside"), [("400", True), ("500", False), ("9" * 5000, False), (True, False)]
)
def test_a_status_of_a_job_is_read_also_as_a_text(
    file_database: Database,
    rig: EpcisRig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: object,
    *,
    is_set_aside: bool,
) -> None:
    own = rig.service.answer
    problem = {"title": "no", "status": status}

    def answer(asked: Asked) -> Answer:
        is_job = asked.method == "GET"
        return Answer(body={"running": False, "success": False, "errors": [problem]}) if is_job else own(asked)

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    for _ in range(REFUSALS + 1):
        with contextlib.nullcontext() if is_set_aside else pytest.raises(TargetError, match=r"/capture/[0-9]+: no"):
            worker.round()
            _all_due(file_database)
    assert bool(refused_events(file_database)) == is_set_aside


def _all_due(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(update(deliveries).values(due=0.0))


def test_a_job_that_a_proxy_names_on_another_server_is_asked_for_here(
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = rig.service.answer

    def answer(asked: Asked) -> Answer:
        found = own(asked)
        if asked.method == "POST":
            found.headers["Location"] = f"http://inner.invalid:8080/epcis{found.headers['Location']}?tenant=1"
        return found

    monkeypatch.setattr(rig.service, "answer", answer)
    rig.refuse("A-2")
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, *(told_of(Publisher(place), place, "Milk") for place in ("A-1", "A-2")))
    worker.round()
    assert rig.told() == [("A-1", "Milk")]
    assert (worker.status.delivered, worker.status.refused) == (1, 1)


@pytest.mark.parametrize("location", ["http://127.0.0.2:9/job", "http://127.0.0.2:x/job", "http://127.0.0.2:9"])
def test_a_document_whose_job_cannot_be_asked_for_is_not_sent_again(
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    own, is_down = rig.service.answer, [True]

    def answer(asked: Asked) -> Answer:
        if asked.method == "POST":
            return Answer(202, headers=own(asked).headers | {"Location": location})
        return Answer(404) if is_down[0] else Answer(body={"running": False, "success": True})

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    for number in range(3):
        write(file_database, told_of(Publisher(f"box-{number}"), f"A-{number}", "Milk"))
        with pytest.raises(TargetError, match=r"leads to (another server \(http://127\.0\.0\.2:9\)|'http://127)"):
            worker.round()
        assert rig.service.documents == 1, "more has come, and the first isn't sent again with it"
    is_down[0] = False
    settle(worker)
    assert (worker.status.delivered, rig.service.documents) == (3, 2)


def test_a_job_that_the_repository_has_lost_is_begun_anew_and_one_it_does_not_speak_of_is_not(
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, statuses = rig.service.answer, [503, 401, 404]

    def answer(asked: Asked) -> Answer:
        return Answer(statuses.pop(0)) if asked.method == "GET" and statuses else own(asked)

    monkeypatch.setattr(rig.service, "answer", answer)
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    for status in tuple(statuses):
        with pytest.raises(TargetError, match=str(status)):
            worker.round()
        assert rig.service.documents == 1
    settle(worker)
    assert (worker.status.delivered, rig.service.documents) == (1, 2)


def test_a_job_on_another_server_gets_no_headers_of_ours(
    file_database: Database, rig: EpcisRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.service, "answer", lambda _: Answer(202, headers={"Location": "http://127.0.0.2:9/job"}))
    worker = worker_of(file_database, settings_of(tmp_path, rig.text))
    write(file_database, told_of(Publisher(), "A-1", "Milk"))
    with pytest.raises(TargetError, match=r"leads to another server \(http://127\.0\.0\.2:9\)"):
        worker.round()
