"""Acknowledge, comment, look again: what agents answer, what is noted, and that it happens once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kardus.contract.commands import Reply
from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.identifiers import uuid7
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.publishers import SITE
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of, console_over
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions
from warehouse.store.tables import audit

Asked = list[tuple[str, dict[str, Any]]]


@contextmanager
def agents(broker: Mosquitto, answer: Callable[[str, dict[str, Any]], Reply | None]) -> Iterator[Asked]:
    """Takes the commands of every agent, and answers as `answer` says."""
    asked: Asked = []

    def take(topic: str, payload: bytes) -> None:
        name, said = topic.rpartition("/")[2], json.loads(payload)
        asked.append((topic, said))
        if (reply := answer(name, said)) is not None:
            client.send(said["response_topic"], reply.model_dump_json().encode())

    with MqttClient(BrokerSettings("127.0.0.1", broker.port), [(Topics(SITE, "+").commands_filter, 1)], take) as client:
        yield asked


def done(name: str, said: dict[str, Any]) -> Reply:
    """As an agent that does what it is asked."""
    return Reply(command=name, ok=True, correlation=said["correlation"], result={"locations": 15})


@pytest.fixture
def asking(mosquitto: Mosquitto) -> Iterator[AgentQuestions]:
    """Connected to a real broker."""
    with AgentQuestions(BrokerSettings("127.0.0.1", mosquitto.port), SITE) as found:
        wait_for(lambda: found._session.is_subscribed)
        yield found


def test_an_agent_is_asked_and_its_answer_comes_back(hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions) -> None:
    console = console_over(hall.console.database, asking)
    with client_of(console, "act", name="forklift 3") as client, agents(mosquitto, done) as asked:
        found = client.post("/alerts/alert-1/acknowledge", json={"by": "Wati"})
        assert (found.status_code, found.json()["answered"]) == (200, True)
        looked = client.post("/looks", json={"location": "A-02-1"})
        assert looked.status_code == 200
        assert [one["agent"] for one in looked.json()["items"]] == ["box", "other"]
        assert [one["result"] for one in looked.json()["items"]] == [{"locations": 15}] * 2
    first, *others = asked
    assert first[0] == Topics(SITE, "box").command("acknowledge")
    assert (first[1]["location"], first[1]["by"]) == ("A-02-1", "Wati")
    assert sorted((topic, said["camera"]) for topic, said in others) == [
        (Topics(SITE, name).command("capture"), "cam") for name in ("box", "other")
    ]
    log = hall.client.get("/audit").json()["items"]
    noted = [(one["action"], one["subject"]) for one in log if one["actor"].startswith("forklift 3")]
    assert noted == [("look", "A-02-1"), ("acknowledge", "alert-1")]


def test_an_agent_that_refuses_or_is_silent(
    hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", 0.3)
    console = console_over(hall.console.database, asking)

    def refuse(name: str, said: dict[str, Any]) -> Reply:
        return Reply(command=name, ok=False, error="no alert that stands", correlation=said["correlation"], result={})

    with client_of(console, "act") as client:
        silent = client.post("/alerts/alert-1/acknowledge", json={})
        assert (silent.status_code, silent.json()["answered"]) == (202, False)
        monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", PATIENCE_S)
        with agents(mosquitto, refuse):
            refused = client.post("/alerts/alert-1/acknowledge", json={})
        assert (refused.status_code, "no alert that stands" in refused.json()["detail"]) == (409, True)


def test_without_a_broker_everything_else_works(hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions) -> None:
    bare = hall.client.post("/looks", json={"location": "A-02-1"})
    assert (bare.status_code, "--host" in bare.json()["detail"]) == (503, True)
    mosquitto.kill()
    wait_for(lambda: asking._session.connection is None)
    with client_of(console_over(hall.console.database, asking)) as client:
        lost = client.post("/looks", json={"location": "A-02-1"})
        assert (lost.status_code, "broker can't be reached" in lost.json()["detail"]) == (503, True)
        assert client.get("/events").status_code == 200
        assert client.post("/looks", json={"location": "nowhere"}).status_code == 404


def test_a_comment_that_is_sent_again_is_stored_once(hall: Hall) -> None:
    id_ = uuid7()
    said = {"id": id_, "text": " It's the jasmine.\n", "by": "Wati"}
    first, again = (hall.client.post("/alerts/alert-1/comments", json=said) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["text"], first.json()["by"]) == ("It's the jasmine.", "tests: Wati")
    other = hall.client.post("/alerts/alert-1/comments", json={**said, "text": "else"})
    assert other.status_code == 409
    hall.client.post("/alerts/alert-1/comments", json={"text": "second"})
    found = hall.client.get("/alerts/alert-1/comments").json()["items"]
    assert [one["text"] for one in found] == ["It's the jasmine.", "second"]
    assert hall.client.post("/alerts/none/comments", json={"text": "x"}).status_code == 404
    assert [one["action"] for one in hall.client.get("/audit?action=comment").json()["items"]] == ["comment"] * 2


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001, "a\x00b", None, 5])
def test_a_comment_says_something(hall: Hall, text: object) -> None:
    assert hall.client.post("/alerts/alert-1/comments", json={"text": text}).status_code == 422


def test_who_looks_at_a_picture_is_noted_before_it_is_seen(hall: Hall) -> None:
    event = hall.box.ids[29]
    with client_of(hall.console, "read", "pictures", name="Budi") as viewer:
        shown = viewer.get(f"/evidence/{event}")
        assert (shown.headers["content-type"], shown.content[:2]) == ("image/jpeg", b"\xff\xd8")
        again = viewer.get(f"/evidence/{event}", headers={"If-None-Match": shown.headers["etag"]})
        assert again.status_code == 304
        assert viewer.get(f"/evidence/{uuid7()}").status_code == 404
    log = hall.client.get(f"/audit?action=picture&subject={event}").json()["items"]
    assert [one["actor"].split(" ")[0] for one in log] == ["Budi", "Budi"]
    assert all(one["address"] for one in log)
    with hall.console.database.writing() as connection:
        audit.drop(connection)
    unnoted = hall.client.get(f"/evidence/{event}")
    assert (unnoted.status_code, b"\xff\xd8" in unnoted.content) == (503, False)
