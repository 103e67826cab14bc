"""A changed configuration is applied without dropping the connection, and a wrong one is refused with the reason."""

import json
import os
import queue
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kardus.contract.homeassistant import discovery_topic
from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, skus, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.racks import STOCK, still
from tests.end_to_end.test_commands import Caller
from tests.patience import PATIENCE_S
from tests.wms_side import WmsSide, is_told_that_stock_may_come
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

KEY = DEMO_KEY.read_text().strip()
TOPICS = Topics(SITE, "box")
LEFT, RIGHT = LOCATIONS[0], LOCATIONS[1]


class Edited:
    """A running agent with the first location alone in its configuration, to be edited."""

    def __init__(self, folder: Path, port: int) -> None:
        """Write the configuration."""
        Image.fromarray(still()).save(folder / "now.jpg", quality=95)
        source = 'type = "file", path = "now.jpg"'
        self.path = write_config(folder, port, DEMO_BUNDLE, KEY, source, interval_s=0.1, extra="[verdict]\nvotes = 3\n")
        self.head, *self._tables = self.path.read_text().split("[[cameras.locations]]")
        self.agent = AgentProcess(self.path)
        self.write(self.head, LEFT)

    def write(self, head: str, *locations: str) -> None:
        """Replace the file at once, as editors do."""
        tables = [table for table in self._tables if any(f'"{location}"' in table for location in locations)]
        new = self.path.with_suffix(".new")
        new.write_text("[[cameras.locations]]".join([head, *tables]))
        new.replace(self.path)


@pytest.fixture
def edited(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Edited]:
    """It runs."""
    names = skus()
    lines = [StockLine(location, names[name] if name else None) for location, name in STOCK.items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, lines, replace=False)
    edited = Edited(tmp_path, mosquitto.port)
    edited.agent.start()
    yield edited
    if edited.agent.process and edited.agent.process.poll() is None:
        edited.agent.terminate()


def _hang_up(edited: Edited) -> None:
    assert edited.agent.process
    os.kill(edited.agent.process.pid, signal.SIGHUP)


def _is_match(wms: WmsSide, location: str) -> bool:
    return wms.states.get(location, {}).get("verdict") == "match"


def test_locations_come_and_go_over_the_same_connection(mosquitto: Mosquitto, edited: Edited) -> None:
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(lambda: _is_match(wms, LEFT))
        edited.write(edited.head, LEFT, RIGHT)
        wms.wait_for(lambda: _is_match(wms, RIGHT))  # the file's change was noticed, its expectation subscribed to
        edited.write(edited.head, RIGHT)
        _hang_up(edited)
        wms.wait_for(lambda: TOPICS.state(LEFT) in wms.cleared)
        assert TOPICS.state(RIGHT) not in wms.cleared
        code, log = edited.agent.terminate()
        assert code == 0
        assert log.count("connected to 127.0.0.1") == 1
        assert "offline" not in wms.statuses[:-1]
        assert not [event for event in wms.events if event["verdict"] not in ("match", "unmanaged")]


def test_a_location_may_leave_the_configuration_while_its_grace_lasts(mosquitto: Mosquitto, edited: Edited) -> None:
    """Its grace ends a moment later: nobody sees it any more, and the agent goes on."""
    head = edited.head.replace("[verdict]\n", "[verdict]\ngrace_s = 10\n")
    with WmsSide(mosquitto.port) as wms, Caller.version_5(mosquitto.port) as caller:
        edited.write(head, LEFT, RIGHT)
        wms.wait_for(lambda: _is_match(wms, LEFT) and _is_match(wms, RIGHT))
        publish_stock(
            BrokerSettings("127.0.0.1", mosquitto.port), SITE, [StockLine(LEFT, skus()["Tea-Peach"])], replace=False
        )
        wms.wait_for(lambda: is_told_that_stock_may_come(wms, LEFT))
        edited.write(head, RIGHT)
        wms.wait_for(lambda: TOPICS.state(LEFT) in wms.cleared)
        began = time.monotonic()
        while time.monotonic() < began + 12:  # the grace, and two ticks
            assert caller.ask("capture")["ok"]
        assert edited.agent.terminate()[0] == 0


def test_a_wrong_configuration_is_refused_with_the_reason_and_the_old_one_stays(
    mosquitto: Mosquitto, edited: Edited
) -> None:
    with WmsSide(mosquitto.port) as wms, Caller.version_5(mosquitto.port) as caller:
        wms.wait_for(lambda: _is_match(wms, LEFT))
        for text, said in (
            ("no toml [", "not valid TOML"),
            (edited.head.replace("votes = 3", "votes = 99"), "votes = 99 can never be reached"),
            (edited.head.replace('name = "box"', 'name = "other"'), "agent.name: can't be changed"),
            (edited.head.replace("[[cameras]]", '[[cameras]]\nreference = "gone.png"'), "gone.png: no such picture"),
        ):
            edited.write(text, LEFT)
            reply = caller.ask("reload")
            assert not reply["ok"]
            assert said in reply["error"]
        edited.write(edited.head.replace("votes = 3", "votes = 4"), LEFT)
        assert caller.ask("reload")["result"] == {"locations": 1}
        code, log = edited.agent.terminate()
        assert code == 0
        assert "Traceback" not in log
        assert _is_match(wms, LEFT)


def test_home_assistant_is_introduced_to_what_there_is(mosquitto: Mosquitto, edited: Edited) -> None:
    topic = discovery_topic("homeassistant", TOPICS)
    documents: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def take(at: str, payload: bytes) -> None:
        if at == topic:
            documents.put(json.loads(payload) if payload else {})

    broker = BrokerSettings("127.0.0.1", mosquitto.port)
    with MqttClient(broker, [(topic, 1)], take) as home, Caller.version_5(mosquitto.port) as caller:
        with WmsSide(mosquitto.port) as wms:
            wms.wait_for(lambda: _is_match(wms, LEFT))
        wanted = edited.head.replace("[[cameras]]", "[homeassistant]\ndiscovery = true\n[[cameras]]")
        edited.write(wanted, LEFT, RIGHT)
        assert caller.ask("reload")["ok"]
        assert len(documents.get(timeout=PATIENCE_S)["components"]) == 5
        home.publish([("homeassistant/status", b"online")], retain=False)
        assert len(documents.get(timeout=PATIENCE_S)["components"]) == 5
        edited.write(wanted, LEFT)
        assert caller.ask("reload")["ok"]
        assert sorted(len(part) for part in documents.get(timeout=PATIENCE_S)["components"].values())[:2] == [1, 1]
        edited.write(edited.head, LEFT)
        assert caller.ask("reload")["ok"]
        assert documents.get(timeout=PATIENCE_S) == {}, "taken back"


def test_a_camera_gets_another_source_and_another_is_added(
    tmp_path: Path, mosquitto: Mosquitto, edited: Edited
) -> None:
    with WmsSide(mosquitto.port) as wms, Caller.version_5(mosquitto.port) as caller:
        wms.wait_for(lambda: _is_match(wms, LEFT))
        bare = still() // 2 + 60
        Image.fromarray(bare).save(tmp_path / "other.jpg", quality=95)
        right = edited.path.read_text()
        both = edited.head.replace("now.jpg", "other.jpg")
        edited.write(both, LEFT)
        text = edited.path.read_text()
        camera = right[right.index("[[cameras]]") :].replace('"rack"', '"second"').replace(LEFT, "Z-9")
        edited.path.write_text(text + "\n" + camera)
        assert caller.ask("reload")["result"] == {"locations": 2}
        wms.wait_for(lambda: "Z-9" in wms.states)
        snapshots = [json.dumps(caller.ask("snapshot", camera=name)["ok"]) for name in ("rack", "second")]
        assert snapshots == ["true", "true"]
        edited.path.write_text(right)
        assert caller.ask("reload")["result"] == {"locations": 1}
        wms.wait_for(lambda: {TOPICS.state("Z-9"), TOPICS.health("second")} <= wms.cleared)
        assert edited.agent.terminate()[0] == 0
