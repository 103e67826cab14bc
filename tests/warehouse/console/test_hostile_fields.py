"""Every text in every message of an agent, one after the other, is text on every page."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from kardus.contract.messages import Alert, CameraHealth, Candidate, Coverage, LastPicture, Model, Verified
from kardus.contract.model_status import ModelStatus
from kardus.contract.verdicts import Verdict
from kardus.support.control_characters import STEERING
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.test_hostile_words import Elements, mark
from tests.warehouse.console.test_pages import paths
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import writer_of
from warehouse.console.identity.roles import Role
from warehouse.receiving.parsing import parse_message
from warehouse.store.database import Database
from warehouse.store.records import DeadLetter

Path = tuple[str | int, ...]
NOW = datetime.now(UTC)
HOSTILE = mark("hostile") + "\x1b[31m\u202e\ufffe"
HELD = ("A-01", "B-01")
"""Racks, of which a page may be asked for."""


def _messages(agent: str, location: str) -> list[Message]:
    """One of each kind, with every text that it may have."""
    box = Publisher(agent)
    writer, model = box._writer, Model(name="m", version="1")
    alert = Alert(id=f"alert-{agent}", status="acknowledged", opened=NOW, by="somebody", reason="r")
    last = (LastPicture(camera="cam", captured=NOW),)
    covered = (Verified(location=location, verdict=Verdict.STALE, last_verified=NOW, reason="r"),)
    return [
        box.event(location, Verdict.MISMATCH, alert),
        box.state(location, Verdict.MISMATCH, "Tea", "Milk"),
        writer.online(1, "0.1", NOW, epoch=box.epoch, sequence=1, reason="r", last_pictures=last),
        writer.health(CameraHealth(camera="cam", status="moved", reason="r", since=NOW)),
        writer.coverage(Coverage(since=NOW, until=NOW, total=1, verified=0, locations=covered)),
        writer.model_status(
            ModelStatus(model=model, sha256="0" * 64, phase="refused", candidate=model, reason="r", since=NOW)
        ),
    ]


def _with_all(message: Message) -> Any:
    """What a message says, with texts where there may be some."""
    said = json.loads(message[1])
    data = said["data"]
    if "seen" in data:
        top = [Candidate(sku="Milk", likelihood=0.9).model_dump()]
        data |= {"reason": "r", "seen_at": ["C-1"], "seen": data["seen"] | {"category": "c", "name": "n", "top": top}}
    return said


def _texts(said: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(said, str):
        yield path
    places: Any = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for key, inner in places:
        yield from _texts(inner, (*path, key))


def _changed(said: Any, path: Path) -> bytes:
    copy = json.loads(json.dumps(said))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = HOSTILE
    return json.dumps(copy).encode()


def _hostile() -> list[tuple[str, list[Message]]]:
    """For each text its location, and an agent's messages, one of which has something hostile for it."""
    kinds = [list(_texts(_with_all(message))) for message in _messages("box", "A-01-01")]
    found: list[tuple[str, list[Message]]] = []
    for kind, texts in enumerate(kinds):
        for path in texts:
            location = f"{HELD[len(found) % 2]}-{len(found):02d}"
            messages = _messages(f"box-{len(found)}", location)
            topic = messages[kind][0]
            messages[kind] = topic, _changed(_with_all(messages[kind]), path)
            found.append((location, messages))
    return found


def test_every_text_of_every_message_is_text_on_every_page(file_database: Database) -> None:
    told = _hostile()
    parsed = [parse_message(SITE, *message) for _, messages in told for message in messages]
    taken = sum(not isinstance(one, DeadLetter) for one in parsed)
    assert taken > len(parsed) - len(told), "some of them are taken as they are"
    writer_of(file_database).write(parsed)
    browser = Browser(console_over(file_database), Role.ADMINISTRATOR)
    pages = [(path, {"name": rack}) for path in paths("GET") if "{" not in path and path != "/live" for rack in HELD]
    seen = 0
    for path, asked in [*pages, *(("/location", {"code": location}) for location, _ in told)]:
        answer = browser.get(path, params=asked)
        assert answer.status_code < 500 or answer.status_code == 503, (path, answer.text)
        if "html" in answer.headers.get("content-type", ""):
            found = Elements(answer.text)
            assert found.marks == [], (path, asked)
            assert "544439" not in answer.text
            assert STEERING.search(answer.text) is None, (path, asked)
            seen += "HOSTILE" in found.words
    assert seen > 10, "they are shown"
