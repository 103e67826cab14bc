"""What a live agent recorded is judged again as the agent judged it, word for word."""

import json
import shutil
from pathlib import Path

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, drawn_stock, skus, still_frames, write_config
from tests.brokers import Mosquitto
from tests.conftest import run_command
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

KEY = DEMO_KEY.read_text().strip()
FIRST, SECOND = LOCATIONS[:2]


def test_a_recording_replayed_with_the_agent_s_configuration_gives_the_agent_s_events(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    stock = drawn_stock(3) | {FIRST: "Tea-Lemon", SECOND: "Milk-Low-Fat"}
    frames = tmp_path / "frames"
    still_frames(frames, [stock, stock | {FIRST: "Tea-Peach", SECOND: None}], each=5)
    broken = sorted(frames.iterdir())[4]
    broken.write_bytes(broken.read_bytes()[:1000])
    names = skus()
    lines = [StockLine(location, names[name] if name else None) for location, name in stock.items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, lines, replace=False)
    source = f'type = "folder", path = "{frames}"'
    config = write_config(
        tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, extra="[recording]\nmax_mb = 100\n", interval_s=0.05
    )
    agent = AgentProcess(config)
    with WmsSide(mosquitto.port) as wms:
        agent.start()
        assert agent.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        lived = [_said(event) for event in wms.events]
    kept = shutil.move(tmp_path / "data" / "recording", tmp_path / "shift")
    replayed = json.loads(run_command("kardus-agent", "replay", kept, "--config", config, "--json").stdout)["changes"]
    assert len(lived) > len(LOCATIONS)
    assert {"match", "mismatch", "empty", "stale"} <= {verdict for _, verdict, *_ in lived}
    assert lived == [
        (change["location"], change["verdict"], change["expected"], change["seen"], change["reason"])
        for change in replayed
    ]


def _said(event: dict[str, object]) -> tuple[object, ...]:
    expected, seen = event["expected"], event["seen"]
    wanted = expected["sku"] if isinstance(expected, dict) else None
    found = (seen["sku"] or seen["name"]) if isinstance(seen, dict) else None
    return event["location"], event["verdict"], wanted, found, event["reason"]
