"""Every message of a run, on the wire: its content type under MQTT 5, and read strictly by the CloudEvents SDK."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cloudevents.core.formats.json import JSONFormat
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from PIL import Image

from edge_agent.records import Message
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract import messages, receipts
from kardus.mqtt.content_type import CLOUD_EVENT
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, skus, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.racks import still
from tests.end_to_end.test_commands import TOPICS, Caller
from tests.node import run_node
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import Publisher
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

ALL_TYPES = {
    messages.EVENT_TYPE,
    messages.STATE_TYPE,
    messages.STATUS_TYPE,
    messages.HEALTH_TYPE,
    messages.COVERAGE_TYPE,
    messages.MODEL_TYPE,
    receipts.LOST_TYPE,
}


class Wire:
    """Everything under `kardus/`, with its content type."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        """Topic, content type and payload."""
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "wire", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("kardus/#", 1)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def events(self, kind: str) -> list[bytes]:
        """The messages of a CloudEvents type."""
        return [payload for _, _, payload in list(self.seen) if f'"type":"{kind}"'.encode() in payload]

    def _take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.payload and "/$echo-" not in message.topic:
            self.seen.append((message.topic, getattr(message.properties, "ContentType", ""), bytes(message.payload)))


@contextmanager
def _wire(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()


@pytest.fixture
def stored(tmp_path: Path) -> Message:
    """What an agent of a former version left in the outbox, to be delivered by this one."""
    topic, payload = Publisher("box").lost([(1, 2)])
    message = Message("event", topic, payload.replace(b'"datacontenttype"', b'"subject":"","datacontenttype"'))
    assert messages.Envelope[receipts.Lost].model_validate_json(message.payload).subject == ""
    (tmp_path / "data").mkdir()
    outbox = Outbox(tmp_path / "data" / "outbox.sqlite")
    outbox.append([message], {}, 0)
    outbox.close()
    return message


@pytest.fixture
def seen(tmp_path: Path, mosquitto: Mosquitto, stored: Message) -> list[tuple[str, str, bytes]]:
    """Everything that was published in a run: topic, content type, payload."""
    Image.fromarray(still()).save(tmp_path / "now.jpg", quality=95)
    source, key = 'type = "file", path = "now.jpg"', DEMO_KEY.read_text().strip()
    votes = "[verdict]\nvotes = 1\nwindow = 1\n"
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, key, source, interval_s=3600, extra=votes)
    with _wire(mosquitto.port) as wire, Caller.version_5(mosquitto.port) as caller:
        lines = [StockLine(location, next(iter(skus().values()))) for location in LOCATIONS]
        publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, lines, replace=False)
        agent = AgentProcess(config)
        agent.start()
        wait_until(lambda: len(wire.events(messages.STATE_TYPE)) >= len(LOCATIONS))
        assert caller.ask("coverage")["ok"]
        assert caller.ask("resend", epoch="another-epoch", first=1, last=1)["ok"]
        wait_until(lambda: len(wire.events(receipts.LOST_TYPE)) == 2)  # and the stored one
        agent.kill()
        wait_until(lambda: b'"connection lost"' in wire.events(messages.STATUS_TYPE)[-1])  # the will
        return list(wire.seen)


def test_every_message_is_read_strictly_and_says_what_it_is(
    seen: list[tuple[str, str, bytes]], stored: Message
) -> None:
    kinds = set()
    for topic, content_type, payload in seen:
        if "/commands/" in topic:
            continue
        if "/agents/" not in topic or "/evidence/" in topic:
            assert content_type == ("image/jpeg" if "/evidence/" in topic else "application/json"), topic
            continue
        assert content_type == CLOUD_EVENT, topic
        if payload != stored.payload:
            event = JSONFormat().read(None, payload)
            assert event.get_source() == f"/{TOPICS.base}"
            kinds.add(event.get_type())
    assert kinds == ALL_TYPES
    assert (stored.topic, CLOUD_EVENT, stored.payload) in seen


JAVASCRIPT = """
import { readFileSync } from "node:fs";
import { HTTP } from "cloudevents";

const kinds = new Set();
for (const body of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body });
  event.validate();
  kinds.add(event.type);
}
console.log(JSON.stringify([...kinds]));
"""


@pytest.mark.slow
def test_the_sdk_for_javascript_reads_every_message_too(
    seen: list[tuple[str, str, bytes]], stored: Message, tmp_path: Path
) -> None:
    events = [text.decode() for _, kind, text in seen if kind == CLOUD_EVENT and text != stored.payload]
    (tmp_path / "events.json").write_text(json.dumps(events))
    path = str(tmp_path / "events.json")
    found = json.loads(run_node(tmp_path / "node", JAVASCRIPT, path, packages=("cloudevents@10.0.0",)))
    assert set(found) == ALL_TYPES
