"""Commands to a running agent, over MQTT 5 and 3.1.1, with a real Mosquitto; and the evidence of an alert."""

import base64
import io
import json
import queue
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from PIL import Image

from kardus.contract.topics import Topics
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, skus, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.racks import STOCK, still
from tests.patience import PATIENCE_S
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

KEY = DEMO_KEY.read_text().strip()
TOPICS = Topics(SITE, "box")
WAIT_S = PATIENCE_S
WRONG = LOCATIONS[0]
"""The WMS expects something else there."""


class Caller:
    """Sends commands and waits for their replies."""

    def __init__(self, port: int, version: MQTTProtocolVersion) -> None:
        """Connect."""
        self._replies: queue.SimpleQueue[tuple[bytes, dict[str, Any]]] = queue.SimpleQueue()
        self._topic = f"tests/replies/{uuid.uuid4()}"
        self._five = version == MQTTProtocolVersion.MQTTv5
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"caller-{uuid.uuid4()}", protocol=version)
        subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.message_callback_add(self._topic, self._take)  # amqtt sends what nobody asked for, too
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(self._topic, 1)
        subscribed.get(timeout=WAIT_S)

    @classmethod
    def version_5(cls, port: int) -> Self:
        """Over MQTT 5."""
        return cls(port, MQTTProtocolVersion.MQTTv5)

    def __enter__(self) -> Self:
        """Connected already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def ask(self, name: str, /, *, retain: bool = False, **arguments: Any) -> dict[str, Any]:
        """Send a command; its reply."""
        correlation = str(uuid.uuid4())
        more = None
        if self._five:
            more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            more.ResponseTopic, more.CorrelationData = self._topic, correlation.encode()
        else:
            arguments |= {"response_topic": self._topic, "correlation": correlation}
        self._client.publish(TOPICS.command(name), json.dumps(arguments), 1, retain=retain, properties=more)
        data, reply = self._replies.get(timeout=WAIT_S)
        assert (data.decode() if self._five else reply["correlation"]) == correlation
        assert reply["command"] == name
        return reply

    def _take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self._replies.put((getattr(message.properties, "CorrelationData", b""), json.loads(message.payload)))

    def forget(self, name: str) -> None:
        """Clear a retained command."""
        self._client.publish(TOPICS.command(name), b"", 1, retain=True).wait_for_publish(WAIT_S)


@pytest.fixture(params=[MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311], ids=["5", "3.1.1"])
def caller(request: pytest.FixtureRequest, mosquitto: Mosquitto) -> Iterator[Caller]:
    """Somebody on the WMS side."""
    with Caller(mosquitto.port, request.param) as caller:
        yield caller


@pytest.fixture
def agent(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[AgentProcess]:
    """An agent that looks at a rack once an hour, on which one carton isn't what the WMS expects."""
    names = skus()
    stock = {location: names[name] if name else None for location, name in STOCK.items()}
    stock[WRONG] = next(sku for sku in names.values() if sku != stock[WRONG])
    publish_stock(
        BrokerSettings("127.0.0.1", mosquitto.port),
        SITE,
        [StockLine(location, sku) for location, sku in stock.items()],
        replace=False,
    )
    Image.fromarray(still()).save(tmp_path / "now.jpg", quality=95)
    source = 'type = "file", path = "now.jpg"'
    agent = AgentProcess(
        write_config(
            tmp_path,
            mosquitto.port,
            DEMO_BUNDLE,
            KEY,
            source,
            interval_s=3600,
            extra="[verdict]\nvotes = 1\nwindow = 1\n",
        )
    )
    agent.start()
    yield agent
    assert agent.terminate()[0] == 0


def _documented() -> list[str]:
    """The examples of docs/brokers.md."""
    text = (Path(__file__).parents[2] / "docs" / "brokers.md").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.startswith("    mosquitto_rr ")]


def test_the_examples_with_mosquitto_rr_get_a_reply_and_its_exit_code_says_no_more(
    mosquitto: Mosquitto, agent: AgentProcess
) -> None:
    assert agent.process
    if shutil.which("mosquitto_rr") is None:
        pytest.fail("mosquitto_rr is not installed: apt-get install mosquitto-clients, then run the tests again")
    examples = _documented()
    assert [words[2] for words in map(shlex.split, examples)] == ["5", "311"]
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(lambda: wms.states.get(WRONG, {}).get("verdict") == "mismatch")
        for location, is_right in ((WRONG, True), ("nowhere", False)):
            for example in examples:
                words = example.replace("jakarta-1", SITE).replace("aisle-a", "box").replace("A-03-2-05", location)
                there = ["-h", "127.0.0.1", "-p", str(mosquitto.port), "-W", str(round(WAIT_S))]
                done = subprocess.run([*shlex.split(words), *there], capture_output=True, text=True, check=False)
                assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, is_right), done.stderr


def test_commands_are_carried_out_and_answered(
    tmp_path: Path, mosquitto: Mosquitto, agent: AgentProcess, caller: Caller
) -> None:
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(
            lambda: wms.states.get(WRONG, {}).get("verdict") == "mismatch" and len(wms.states) == len(LOCATIONS)
        )
        (alert,) = [event for event in wms.events if event["verdict"] == "mismatch"] or [wms.states[WRONG]]
        captured = wms.states[LOCATIONS[1]]["last_verified"]

        assert caller.ask("acknowledge", location=WRONG, by="picker 7")["ok"]
        wms.wait_for(lambda: wms.states[WRONG]["alert"]["status"] == "acknowledged")
        assert wms.states[WRONG]["alert"]["by"] == "picker 7"
        refused = caller.ask("acknowledge", location=LOCATIONS[1])
        assert "no alert that stands" in refused["error"]

        said = {"location": WRONG, "truth": "product", "sku": wms.states[WRONG]["expected"]["sku"], "by": "picker 7"}
        assert "has changed" in caller.ask("correct", captured="2020-01-01T00:00:00Z", **said)["error"]
        found = caller.ask("correct", captured=alert["last_verified" if "since" in alert else "captured"], **said)
        assert found["result"] == {"verdict": "match", "corrected": True}
        wms.wait_for(lambda: wms.states[WRONG]["alert"]["status"] == "resolved")
        assert (wms.states[WRONG]["alert"]["reason"], wms.states[WRONG]["corrected"]) == ("corrected", True)

        snapshot = caller.ask("snapshot", camera="rack")["result"]["jpeg"]
        assert Image.open(io.BytesIO(base64.b64decode(snapshot))).size == (1920, 1080)
        assert "no such camera 'left': one of rack" in caller.ask("snapshot", camera="left")["error"]

        assert caller.ask("capture")["result"] == {"locations": len(LOCATIONS)}
        before = len(wms.messages)
        assert caller.ask("rebirth")["result"] == {"states": len(LOCATIONS)}
        wms.wait_for(
            lambda: (
                {topic for topic, _ in wms.messages[before:]}
                >= {TOPICS.status, TOPICS.health("rack"), *(TOPICS.state(location) for location in LOCATIONS)}
            )
        )
        assert wms.states[LOCATIONS[1]]["last_verified"] >= captured

        assert caller.ask("coverage")["result"] == {"total": len(LOCATIONS), "verified": len(LOCATIONS)}
        wms.wait_for(lambda: any(topic == TOPICS.coverage for topic, _ in wms.messages))
        assert caller.ask("log-level", level="error")["ok"]
        assert "no such command" in caller.ask("dance")["error"]
        assert "it expired" in caller.ask("rebirth", expires="2020-01-01T00:00:00Z")["error"]
        assert alert["location"] == WRONG


def test_the_evidence_of_an_alert_is_published_and_given_on_request(
    mosquitto: Mosquitto, agent: AgentProcess, caller: Caller
) -> None:
    pictures: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: pictures.put((message.topic, bytes(message.payload)))
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    client.subscribe(f"{TOPICS.base}/locations/+/evidence/#", 1)
    topic, jpeg = pictures.get(timeout=WAIT_S)
    event = topic.rsplit("/", 1)[1]
    assert topic == TOPICS.evidence(WRONG, event)
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"
    result = caller.ask("evidence", event=event)["result"]
    assert base64.b64decode(result["crop"]) == jpeg
    assert Image.open(io.BytesIO(base64.b64decode(result["frame"]))).width > 1000
    assert "no pictures of event" in caller.ask("evidence", event=str(uuid.uuid4()))["error"]
    client.disconnect()
    client.loop_stop()


def test_a_retained_command_is_carried_out_at_no_connection(
    tmp_path: Path, mosquitto: Mosquitto, caller: Caller, agent: AgentProcess
) -> None:
    """FAULTS 29: it arrives at once as a message like any other, and retained at every later connection."""
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(lambda: wms.statuses[-1:] == ["online"])
        caller.ask("log-level", level="error", retain=True)
        mosquitto.kill()
        mosquitto.start()
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(lambda: wms.statuses[-1:] == ["online"])
    with Caller(mosquitto.port, MQTTProtocolVersion.MQTTv5) as later:
        later.forget("log-level")
