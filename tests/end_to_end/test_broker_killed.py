"""Picture in, event out, with the broker killed and back in between: nothing lost, no duplicate id."""

import json
import queue
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from kardus.contract.messages import LocationEvent
from kardus.contract.topics import agents_filter
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.judge import judge_demo
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures
from simulator.script import demo_script
from tests.agents import LOCATIONS, SITE, AgentProcess, skus, write_config
from tests.brokers import Mosquitto
from tests.patience import PATIENCE_S
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

OUTAGE_S = 2.5
WAIT_S = PATIENCE_S


class PersistentReceiver:
    """A WMS side whose session outlives the broker: what is published while it is away reaches it later."""

    def __init__(self, port: int) -> None:
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.offline = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "wms", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._take
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()
        self._client.subscribe(agents_filter(SITE), 1)
        assert subscribed.wait(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        if "/evidence/" in message.topic:
            return  # a picture
        content = json.loads(message.payload)
        if message.topic.endswith("/events"):
            self.events.put(content)
        elif message.topic.endswith("/status") and content["data"]["reason"] == "stopped":
            self.offline.set()


def test_nothing_is_lost_when_the_broker_is_killed_in_between(tmp_path: Path, mosquitto: Mosquitto) -> None:
    script = demo_script(LOCATIONS, DrawnPictures().stock(), 31)
    stock = [StockLine(location, sku) for location, sku in script.expected.items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, stock, replace=False)
    receiver = PersistentReceiver(mosquitto.port)
    source = 'type = "simulated", seed = 31'
    key = DEMO_KEY.read_text().strip()
    agent = AgentProcess(write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, key, source, interval_s=0.25))
    agent.start()
    received = [receiver.events.get(timeout=WAIT_S)]
    while received[-1]["data"]["verdict"] != "mismatch":
        received.append(receiver.events.get(timeout=WAIT_S))
    mosquitto.kill()
    threading.Event().wait(OUTAGE_S)  # the length of the outage is what is tested, not something to wait for
    mosquitto.start()
    code, log = agent.finish()
    assert code == 0, log
    assert "connection to the broker lost" in log
    assert receiver.offline.wait(WAIT_S)
    while not receiver.events.empty():
        received.append(receiver.events.get())
    receiver.close()
    by_id = {event["id"]: event["data"] for event in received}
    sequences = sorted(data["sequence"] for data in by_id.values())
    assert sequences == list(range(1, len(by_id) + 1))
    assert any(data["historical"] for data in by_id.values())
    in_order = sorted(by_id.values(), key=lambda data: data["sequence"])
    assert judge_demo(script, skus(), [LocationEvent.model_validate(data) for data in in_order]).passed
