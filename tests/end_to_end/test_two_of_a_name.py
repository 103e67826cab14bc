"""Two agents of one name: the log, the status and the metric say so, until one of them is gone."""

import re
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from kardus.mqtt.connection import Handlers
from kardus.mqtt.reasons import NOT_GIVEN, TAKEN_OVER
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import AgentProcess, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.racks import still
from tests.wms_side import WmsSide


def _lost(port: int) -> float:
    """How many connections the agent has lost without a reason, by its metric."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    pattern = rf'^kardus_mqtt_connections_lost_total{{reason="{NOT_GIVEN}"}} (.*)$'
    return float(re.findall(pattern, text, re.MULTILINE)[0])


def test_a_name_that_two_agents_share_is_told(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(still()).save(tmp_path / "now.jpg", quality=95)
    port, source = free_port(), 'type = "file", path = "now.jpg"'
    health = f"[health]\nport = {port}\n"
    key = DEMO_KEY.read_text().strip()
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, key, source, interval_s=3600, extra=health)
    monkeypatch.setattr("kardus.mqtt.session.backoff_s", lambda _: 0.1)  # of the twin, in this process
    with WmsSide(mosquitto.port) as wms:
        agent = AgentProcess(config)
        agent.start()
        wms.wait_for(lambda: wms.statuses[-1:] == ["online"])
        twin = MqttSession(BrokerSettings("127.0.0.1", mosquitto.port), "kardus-tests-box")
        twin.start(Handlers())
        wms.wait_for(lambda: TAKEN_OVER in _reason(wms))  # Mosquitto 2.0.11 doesn't say so: it is inferred
        twin.stop()
        assert _lost(port) >= 3
        wms.wait_for(lambda: wms.statuses[-1] == "online" and _reason(wms) == "")
        code, log = agent.terminate()
    assert code == 0
    assert f"connection to the broker lost ({NOT_GIVEN}; every connection is lost at once, as if {TAKEN_OVER})" in log


def _reason(wms: WmsSide) -> str:
    return [str(message["data"]["reason"]) for topic, message in wms.messages if topic.endswith("/status")][-1]
