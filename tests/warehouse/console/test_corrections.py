"""An agent hears what somebody has said of its last look at a location, and of no earlier one."""

from collections.abc import Iterator
from typing import Any

import pytest

from kardus.contract.commands import Reply
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from tests.publishers import SITE
from tests.warehouse.console.conftest import Hall
from tests.warehouse.console.serving import client_of, console_over
from tests.warehouse.console.test_acting import agents, done
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.agents.asking import AgentQuestions


@pytest.fixture
def client(hall: Hall, mosquitto: Mosquitto) -> Iterator[Any]:
    """Of a server with a broker."""
    with AgentQuestions(BrokerSettings("127.0.0.1", mosquitto.port), SITE) as asking:
        wait_for(lambda: asking._session.is_subscribed)
        with client_of(console_over(hall.console.database, asking), "teach", name="desk") as client:
            yield client


def _say(client: Any, event: str, truth: str, **more: Any) -> Any:
    return client.post(f"/events/{event}/label", json={"truth": truth, **more}).json()["told"]


def test_an_agent_is_told_of_its_last_look_alone(hall: Hall, mosquitto: Mosquitto, client: Any) -> None:
    last = hall.box.ids[29]
    there = hall.client.get("/events?location=A-02-1&agent=box").json()["items"]
    earlier = next(one["id"] for one in there if one["id"] != last)
    topic, payload = hall.box.event("A-02-1", Verdict.MATCH)
    corrected = payload.replace(b'"previous":', b'"corrected":true,"previous":')
    assert corrected != payload
    with agents(mosquitto, done) as asked:
        found = _say(client, last, "product", sku="Tea", by="Wati")
        assert found == {"outcome": "told", "reason": ""}
        write(hall.console.database, (topic, corrected))
        assert _say(client, last, "unusable")["outcome"] == "told"
        assert _say(client, earlier, "empty") == {
            "outcome": "not told",
            "reason": "it isn't the last event of this location",
        }
        write(hall.console.database, hall.box.event("A-02-1", Verdict.EMPTY))
        assert _say(client, last, "empty")["outcome"] == "not told"
    ((topic, first), (_, second)) = asked
    assert topic == Topics(SITE, "box").command("correct")
    event = hall.client.get(f"/events/{last}").json()["event"]
    assert (first["location"], first["captured"]) == (event["location"], event["captured"])
    assert (first["truth"], first["sku"], first["by"]) == ("product", "Tea", "desk: Wati")
    assert (second["truth"], second["sku"]) == ("withdrawn", "")


def test_what_was_said_stays_whatever_the_agent_answers(
    hall: Hall, mosquitto: Mosquitto, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", PATIENCE_S)
    event = hall.box.ids[29]

    def refuse(name: str, said: dict[str, Any]) -> Reply:
        return Reply(command=name, ok=False, error="it has changed", correlation=said["correlation"], result={})

    with agents(mosquitto, refuse):
        assert _say(client, event, "empty") == {"outcome": "refused", "reason": "it has changed"}
    monkeypatch.setattr("warehouse.console.agents.asking.ANSWER_S", 0.3)
    assert _say(client, event, "foreign")["outcome"] == "no answer"
    mosquitto.kill()
    assert _say(client, event, "empty")["outcome"] in {"not told", "no answer"}
    bare = hall.client.post(f"/events/{event}/label", json={"truth": "empty"}).json()["told"]
    assert (bare["outcome"], "--host" in bare["reason"]) == ("not told", True)
    assert len(hall.client.get("/labels?which=all").json()["items"]) == 4
