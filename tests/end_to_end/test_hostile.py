"""What anybody may publish under the agent's nose (FAULTS 27 to 29), against a real agent and a real Mosquitto."""

import json
import random
import re
import urllib.request
from pathlib import Path

from PIL import Image

from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
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
FIRST, SECOND, LAST = LOCATIONS[0], LOCATIONS[1], LOCATIONS[-1]
HIGHEST = 2**62
NONSENSE = (
    b"{not json",
    b'{"revision": 4611686018427387904, "sku": "Tea"' + b" " * 10_000_000 + b"}",
    b'{"revision": 4611686018427387904, "sku": "Tea", "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b'{"revision": NaN, "sku": "Tea"}',
    b'{"revision": "4611686018427387904", "sku": "Tea"}',
    b"\xff\xfe\x00",
)


def _word(revision: int, sku: str | None) -> bytes:
    return json.dumps({"revision": revision, "sku": sku}).encode()


def _metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        return float(re.findall(rf"^{name} (.*)$", answer.read().decode(), re.MULTILINE)[0])


def _elsewhere() -> list[tuple[str, bytes]]:
    """Of another site, of another agent, of another version, of nobody; and commands that can't be carried out."""
    strange = Topics(SITE, "other")
    return [
        (expected_topic("other-site", FIRST), _word(HIGHEST, "Tea-Peach")),
        (expected_topic(SITE, "Z-99"), _word(HIGHEST, "Tea-Peach")),
        (f"kardus/v2/{SITE}/expected/{FIRST}", _word(HIGHEST, "Tea-Peach")),
        (strange.command("log-level"), b'{"level": "error"}'),
        (f"{TOPICS.base}/expected/{FIRST}", _word(HIGHEST, "Tea-Peach")),
        (TOPICS.command("log-level"), b'{"level": "nonsense"}'),
        (TOPICS.command("log-level"), b"[" * 60_000),
        (TOPICS.command("dance"), b"{}"),
        (TOPICS.command("acknowledge"), b'{"location": "Z-99"}'),
    ]


def test_nothing_hostile_is_applied_and_the_last_good_value_stays(tmp_path: Path, mosquitto: Mosquitto) -> None:
    names, port = skus(), free_port()
    stock = [StockLine(location, names[name] if name else None) for location, name in STOCK.items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, stock, replace=False)
    Image.fromarray(still()).save(tmp_path / "now.jpg", quality=95)
    extra = f"[verdict]\ngrace_s = 0\n[health]\nport = {port}\n"
    source = 'type = "file", path = "now.jpg"'
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, interval_s=0.2, extra=extra)
    agent = AgentProcess(config)
    with (
        WmsSide(mosquitto.port, judged=False) as wms,
        MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as anybody,
    ):
        anybody.publish([(TOPICS.command("log-level"), b'{"level": "error"}'), *_elsewhere()], retain=True)
        agent.start()
        wms.wait_for(lambda: {s["verdict"] for s in wms.states.values()} == {"match"} and len(wms.states) == len(STOCK))
        before = {location: state["expected"] for location, state in wms.states.items()}

        anybody.publish([(expected_topic(SITE, FIRST), payload) for payload in NONSENSE], retain=True)
        anybody.publish([(TOPICS.command("log-level"), b'{"level": "error"}'), *_elsewhere()], retain=True)
        anybody.publish(_shuffled(), retain=True)
        anybody.publish([(expected_topic(SITE, LAST), _word(HIGHEST, "last word"))], retain=True)
        wms.wait_for(lambda: (wms.states[LAST]["expected"] or {}).get("sku") == "last word")
        wms.wait_for(lambda: wms.states[SECOND]["expected"]["revision"] == HIGHEST + 9)

        assert wms.states[SECOND]["expected"]["sku"] == "SKU-9"
        assert _metric(port, "kardus_expected_refused_total") == len(NONSENSE)
        forged = json.dumps({"epoch": wms.events[0]["epoch"], "contiguous_to": 2**63 - 1}).encode()
        anybody.publish([(TOPICS.ack, forged), (TOPICS.ack, b'{"epoch": 7}')], retain=False)
        wms.wait_for(lambda: _metric(port, "kardus_acks_refused_total") == 2)
        code, log = agent.terminate()
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        for location in set(LOCATIONS) - {SECOND, LAST}:
            state = wms.states[location]
            assert (state["verdict"], state["expected"]["sku"]) == ("match", before[location]["sku"])
            assert state["expected"]["revision"] == before[location]["revision"]
        assert {e["location"] for e in wms.events if e["verdict"] not in ("match", "unmanaged")} <= {SECOND, LAST}
    assert code == 0
    assert log.count(f"expected stock of {FIRST} refused") == len(NONSENSE)
    assert "it is retained: publish commands without the retain flag" in log, "its level is as it was"
    assert f"an acknowledgement up to event {2**63 - 1} is refused" in log
    assert "Traceback" not in log


def _shuffled() -> list[tuple[str, bytes]]:
    """FAULTS 28: revisions out of order, each twice, and the highest again with other words."""
    words = [(HIGHEST + number, f"SKU-{number}") for number in range(1, 10)] * 2
    random.Random(28).shuffle(words)
    return [(expected_topic(SITE, SECOND), _word(*word)) for word in [*words, (HIGHEST + 9, "late"), (1, "stale")]]
