"""Whatever agents, people and files say is shown as it is written, on every page and live, and never as markup.

Each field says a mark of its own, so that one that no page shows, or that is an element, is told from the others.
"""

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from kardus.contract.commands import Reply
from kardus.contract.enrolment import ANSWER, EnrolmentAnswer
from kardus.contract.messages import Alert, CameraHealth, Model
from kardus.contract.model_status import ModelStatus
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from tests.brokers import Mosquitto
from tests.publishers import Publisher, jpeg
from tests.scripts.page_routes import routes
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_acting import agents, asking
from tests.warehouse.console.test_live import watching
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import pictures_of, write
from tests.warehouse.teaching.judged import say
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.identity.people import add_person
from warehouse.console.identity.roles import Role
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.store.tables import audit, comments, offers, present, tasks
from warehouse.teaching.requesting import request_enrolment

__all__ = ["asking"]
HERE = "A-01-1-01"
SHOWN = (
    *("health reason", "status reason", "runs on", "version", "model reason", "candidate", "reason", "category"),
    *("expected", "seen", "acknowledged by", "comment", "commenter", "taken by", "answer", "title", "offered by"),
    *("person", "actor", "address", "action", "subject", "detail", "named", "class", "warning", "model of event"),
)
"""Fields whose words come from outside."""
ANSWERED = {"file": "a.bundle", "name": "a", "version": "1", "size": 1, "sha256": "0" * 64}


def mark(field: str) -> str:
    """What would be an element, an attribute's end and an expression, were it taken for one."""
    return f"\"'><b class=mark>{field.upper()}{{{{7*77777}}}}"


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        """Read it."""
        super().__init__()
        self.marks: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element, whose attributes show words too."""
        if ("class", "mark") in attrs or any(name == "class=mark" for name, _ in attrs):
            self.marks.append(f"<{tag} {attrs}>")
        self.words += "".join(f" {value}" for _, value in attrs if value)

    def handle_data(self, data: str) -> None:
        """Text."""
        self.words += data


def said_by_agents(database: Database) -> Publisher:
    """Events, states, a camera's health, an agent's status, a model's."""
    box, now = Publisher(), datetime.now(UTC)
    alert = Alert(id="alert-1", status="acknowledged", opened=now, by=mark("acknowledged by"))
    model = Model(name=mark("model of event"), version="1")
    box._writer = type(box._writer)(box.topics, model, 3600.0)
    event, (topic, payload) = box.event(HERE, Verdict.MISMATCH, alert), box.state(HERE, Verdict.MISMATCH, "x", "y")
    content = json.loads(payload.replace(b"alert-A-01-1-01", b"alert-1"))
    content["data"] |= {"reason": mark("reason")}
    content["data"]["expected"]["sku"] = mark("expected")
    content["data"]["seen"] |= {"sku": mark("seen"), "category": mark("category")}
    told = json.loads(event[1])
    told["data"] |= {name: content["data"][name] for name in ("reason", "expected", "seen") if name in told["data"]}
    candidate = Model(name=mark("candidate"), version="2")
    status = ModelStatus(
        model=model, sha256="0" * 64, phase="refused", candidate=candidate, reason=mark("model reason"), since=now
    )
    box._writer._runs_on = mark("runs on")
    write(
        database,
        (event[0], json.dumps(told).encode()),
        (topic, json.dumps(content).encode()),
        box.picture(HERE, box.ids[0], jpeg()),
        box._writer.health(CameraHealth(camera="cam", status="moved", reason=mark("health reason"), since=now)),
        box._writer.model_status(status),
        box._writer.online(1, mark("version"), now, reason=mark("status reason")),
    )
    return box


def said_by_people(database: Database, box: Publisher, folder: Path) -> None:
    """Comments, tasks, offers, names, what was done, labels, a request and the desk's answer to it."""
    now = present()
    add_person(database, mark("person"), "operator", "")
    offered = {"at": now, "by": mark("offered by"), "agent": "box", "sha256": "1" * 64, "title": mark("title")}
    noted = {name: mark(name) for name in ("actor", "address", "action", "subject", "detail")}
    said = {"id": uuid7(), "alert": "alert-1", "at": now, "by": mark("commenter"), "text": mark("comment")}
    with database.noting() as connection:
        connection.execute(insert(comments).values(**said))
        connection.execute(
            insert(tasks).values(alert="alert-1", taken_by=mark("taken by"), taken=now, done_by="", done=None)
        )
        connection.execute(insert(offers).values(**offered, former_sha256="", former_title="", answer=mark("answer")))
        connection.execute(insert(audit).values(at=now, **noted))
    say(database, box.ids[0], StatedTruth.PRODUCT, mark("named"))
    place, store = folder / uuid7(), pictures_of(database)
    request_enrolment(database, store, place, mark("named"), name=mark("class"), events=[box.ids[0]])
    answer = ANSWERED | {"nearest": mark("nearest"), "request": place.name, "warnings": [mark("warning")]}
    (place / ANSWER).write_text(EnrolmentAnswer.model_validate(answer).model_dump_json())


def pages(box: Publisher) -> list[tuple[str, dict[str, str]]]:
    """Every page, with something on it."""
    asked = {"code": HERE, "name": "A-01", "agent": "box", "camera": "cam", "sku": mark("named")}
    found = [(route.path, asked) for route in routes() if "GET" in (route.methods or ()) and "{" not in route.path]
    more = [("/rack", {"name": mark("asked")}), ("/?", {"aisle": mark("asked")}), ("/trends", {"aisle": mark("asked")})]
    return [*((path, more) for path, more in found if path != "/live"), (f"/teaching/{box.ids[0]}", {}), *more]


@pytest.mark.parametrize("language", ["en", "id"])
def test_words_from_outside_are_words_on_every_page(file_database: Database, tmp_path: Path, language: str) -> None:
    box = said_by_agents(file_database)
    said_by_people(file_database, box, tmp_path)
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR, language, requests=tmp_path)
    seen = ""
    for path, asked in pages(box):
        answer = browser.get(path, params=asked)
        assert answer.status_code < 500 or answer.status_code == 503, (path, answer.text)
        if "html" not in answer.headers.get("content-type", ""):
            continue
        found = Elements(answer.text)
        assert found.marks == [], path
        assert "544439" not in answer.text, path
        seen += found.words
    assert {field for field in SHOWN if field.upper() not in seen} == set()


def test_words_from_outside_are_words_live(file_database: Database, tmp_path: Path) -> None:
    box = said_by_agents(file_database)
    said_by_people(file_database, box, tmp_path)
    asked = [(Role.SUPERVISOR, f"/live?view={view}", "en") for view in ("rack&of=A-01", "work", "fleet", "racks")]
    with watching(console_over(file_database), *asked) as watchers:
        event = json.loads(box.sent[0][1])
        event["data"] |= {"expected": {"sku": mark("expected"), "revision": 1, "age_s": 0}, "reason": mark("reason")}
        topic, _ = box.event(HERE, Verdict.MISMATCH)
        event["id"], event["data"]["sequence"] = box.ids[-1], 2
        write(file_database, (topic, json.dumps(event).encode()))
        rack, work, fleet, racks = [watcher.next()["data"] for watcher in watchers]
    for told, field in ((rack, "expected"), (work, "comment"), (fleet, "health reason"), (racks, "")):
        found = Elements(told)
        assert found.marks == []
        assert field.upper() in found.words


def test_what_an_agent_answers_is_text_and_no_page(
    file_database: Database, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    said_by_agents(file_database)
    browser = Browser(console_over(file_database, asking), Role.SUPERVISOR)

    def refuse(name: str, said: dict[str, Any]) -> Reply:
        return Reply(command=name, ok=False, error=mark("refused"), correlation=said["correlation"], result={})

    def answer(name: str, said: dict[str, Any]) -> Reply:
        told = {"remarks": [mark("remark")], "jpeg": mark("jpeg"), "corners": {mark("place"): mark("corner")}}
        return Reply(command=name, ok=True, error=mark("refused"), correlation=said["correlation"], result=told)

    paths = ["/commission/layout", "/commission/picture", "/camera", "/now", "/view"]
    for how in (refuse, answer):
        with agents(mosquitto, how):
            for path in paths:
                found = browser.get(path, params={"agent": "box", "camera": "cam", "location": HERE})
                kind = found.headers["content-type"]
                assert found.headers["x-content-type-options"] == "nosniff"
                assert Elements(found.text).marks == [] or kind in ("text/plain; charset=utf-8", "application/json")
            told = browser.post("/work", do="acknowledge", alerts="alert-1")
            assert Elements(told.text).marks == []
