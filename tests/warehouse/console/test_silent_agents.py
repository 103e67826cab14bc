"""Agents that are offline or silent: nobody waits for the one, nobody is told that the other knows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from kardus.contract.commands import Snapshot
from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.identifiers import uuid7
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of, console_over
from tests.warehouse.console.test_acting import agents, asking, done
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestion, AgentQuestions, Unanswered
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.snapshots import NoPicture, Snapshots
from warehouse.store.database import Database
from warehouse.store.tables import audit, sent_once

__all__ = ["asking"]
CAMERA = "agent=box&camera=cam"


@contextmanager
def box(broker: Mosquitto) -> Iterator[MqttClient]:
    """Says the agent's statuses, as itself."""
    with MqttClient(BrokerSettings("127.0.0.1", broker.port)) as client:
        yield client
        client.publish([(Topics(SITE, "box").status, b"")], retain=True)


def say(client: MqttClient, asking: AgentQuestions, message: Message, *, is_offline: bool) -> None:
    """Let the server hear a status."""
    client.publish([message], retain=True)
    wait_for(lambda: ("box" in asking._offline) is is_offline)


@pytest.fixture(name="impatient")
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that waits for an agent that is offline fails, however slow the machine is."""
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", PATIENCE_S)
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE_S


def test_invented_cameras_of_an_agent_that_is_offline_leave_nothing_behind(
    mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    kept = Snapshots()
    with box(mosquitto) as client:
        say(client, asking, Publisher().offline(), is_offline=True)
        found = {kept.get(asking, "box", f"cam-{number}") for number in range(100)}
    assert found == {NoPicture.OFFLINE}
    assert not kept._asked


def commands(browser: Browser, alert: str) -> dict[str, Any]:
    """Whatever somebody can ask of an agent, by what it is."""
    return {
        "now": browser.get(f"/now?{CAMERA}&location=A-02-1"),
        "view": browser.get(f"/view?{CAMERA}"),
        "camera": browser.get(f"/camera?{CAMERA}"),
        "layout": browser.get(f"/commission/layout?{CAMERA}"),
        "picture": browser.get(f"/commission/picture?{CAMERA}"),
        "acknowledge": browser.post("/work", do="acknowledge", alerts=alert),
    }


@pytest.mark.usefixtures("impatient")
def test_an_agent_that_is_offline_is_asked_nothing_and_nobody_waits(
    hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    console = console_over(hall.console.database, asking)
    browser = Browser(console, Role.SUPERVISOR)
    with agents(mosquitto, lambda *_: None) as asked, box(mosquitto) as agent, client_of(console, "act") as client:
        say(agent, asking, hall.box.offline(), is_offline=True)
        found = commands(browser, "alert-1")
        assert [one.status_code for one in found.values()] == [404, 404, 200, 503, 503, 503]
        for name, answer in found.items():
            assert "agent is offline" in words_of(answer.text), name
        api = client.post("/alerts/alert-1/acknowledge", json={})
        assert (api.status_code, "offline" in api.json()["detail"], api.headers["retry-after"]) == (503, True, "30")
        assert asked == []
        assert "agen luring" in Browser(console, Role.VIEWER, "id").get(f"/now?{CAMERA}&location=A").text.lower()


@pytest.mark.usefixtures("impatient")
def test_of_two_agents_the_one_that_is_there_is_asked(hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions) -> None:
    with (
        agents(mosquitto, done) as asked,
        box(mosquitto) as agent,
        client_of(console_over(hall.console.database, asking), "act") as client,
    ):
        say(agent, asking, hall.box.offline(), is_offline=True)
        found = client.post("/looks", json={"location": "A-02-1"})
        told = {one["agent"]: (one["answered"], one["offline"]) for one in found.json()["items"]}
        assert (found.status_code, told) == (202, {"box": (False, True), "other": (True, False)})
        assert [topic for topic, _ in asked] == [Topics(SITE, "other").command("capture")]


def test_who_is_back_or_forgotten_is_asked_and_a_new_connection_begins_anew(
    mosquitto: Mosquitto, asking: AgentQuestions
) -> None:
    voice = Publisher()
    question = [AgentQuestion("box", "snapshot", Snapshot(camera="cam"))]
    with agents(mosquitto, done), box(mosquitto) as agent:
        for other in (voice.online(), (voice.topics.status, b"")):
            say(agent, asking, voice.offline(), is_offline=True)
            assert asking.ask(question) == [Unanswered.OFFLINE]
            say(agent, asking, other, is_offline=False)
            assert asking.ask(question) != [Unanswered.OFFLINE]
        asking._offline.add("long ago")
        asking._forget(2)
        assert asking._offline == set()


def test_an_acknowledgement_counts_when_the_agent_has_it_and_is_asked_for_until_then(
    hall: Hall, mosquitto: Mosquitto, asking: AgentQuestions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", 0.3)
    database = hall.console.database
    browser, key = Browser(console_over(database, asking), Role.OPERATOR), uuid7()
    silent = browser.post("/work", do="acknowledge", alerts="alert-1", id=key)
    assert (silent.status_code, "it is asked again" in silent.text) == (504, True)
    assert _sent(database) == 0
    with agents(mosquitto, done) as asked:
        monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", PATIENCE_S)
        for _ in range(2):
            assert browser.post("/work", do="acknowledge", alerts="alert-1", id=key).status_code == 204
        assert browser.post("/work", do="acknowledge", alerts="alert-1", id=uuid7()).status_code == 204
    assert len(asked) == 1, "who has confirmed it isn't asked again"
    with database.reading() as connection:
        chosen = select(audit.c.detail).where(audit.c.action == "acknowledge").order_by(audit.c.number)
        assert list(connection.execute(chosen).scalars()) == ["no answer yet", "done", ""]


def _sent(database: Database) -> Any:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(sent_once)).scalar()


def test_where_a_location_is_shown_it_is_said_that_its_agent_is_offline(database: Database) -> None:
    one, other = Publisher("one"), Publisher("other")
    write(database, one.state("A-01-1-01"), other.state("A-01-1-02"), other.state("B-01-1-01"), one.online())
    viewer, reader = (Browser(console_over(database), Role.VIEWER, language) for language in ("en", "id"))
    paths = ("/", "/rack?name=A-01", "/location?code=A-01-1-02")
    assert not any("Agents that are offline" in viewer.get(path).text for path in paths)
    write(database, other.offline())
    told = [words_of(viewer.get(path).text) for path in paths]
    assert "Agents that are offline: 1 of 2. What they saw last is shown." in told[0]
    assert all("Agents that are offline: other. What they saw last is shown." in one for one in told[1:])
    assert all("Agen yang luring" in words_of(reader.get(path).text) for path in paths)
    assert "Agents that are offline" not in words_of(viewer.get("/location?code=A-01-1-01").text)
    write(database, one.offline())
    assert "offline: one, other." in words_of(viewer.get("/rack?name=A-01").text)
    assert "offline: other." in words_of(viewer.get("/rack?name=B-01").text)
