"""Plays scripted shelves through a real broker and the real agent, and counts what was reported."""

import json
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.config.sources import SimulatedSource
from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.topics import agents_filter
from kardus.contract.verdicts import Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.camera import open_shelf
from simulator.demo.broker import run_broker
from simulator.demo.judge import DemoOutcome, judge_demo
from simulator.recording import camera_toml
from simulator.scene import Rack
from tests.scripts.steps import BIN
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SITE = "pipeline"
ARRIVAL_S = 10.0


@dataclass
class Played:
    """One shelf and what came of it."""

    seed: int
    outcome: DemoOutcome
    doubts: int
    """Locations whose last verdict is `uncertain`."""
    locations: int
    events: list[LocationEvent] = field(default_factory=list)

    @property
    def reported(self) -> int:
        """Faults reported at their location."""
        return sum(fault.reported for fault in self.outcome.faults)


def play_shelf(bundle: Path, key: str, source: SimulatedSource, work: Path) -> Played:
    """Play one simulated source (see docs/configuration.md) and judge what the agent published."""
    shelf = open_shelf(source)
    work.mkdir(parents=True, exist_ok=True)
    events: list[LocationEvent] = []
    stopped = threading.Event()

    def take(topic: str, payload: bytes) -> None:
        if topic.endswith("/events"):
            events.append(Envelope[LocationEvent].model_validate_json(payload).data)
        elif topic.endswith("/status") and json.loads(payload)["data"]["reason"] == "stopped":
            stopped.set()

    with run_broker("mosquitto") as running:
        address = BrokerSettings("127.0.0.1", running.port)
        lines = [StockLine(location, sku) for location, sku in shelf.script.expected.items()]
        publish_stock(address, SITE, lines, replace=False)
        config = work / f"agent-{source.seed}.toml"
        config.write_text(_config(bundle, key, running.port, work / f"data-{source.seed}", source, shelf.rack))
        with MqttClient(address, [(agents_filter(SITE), 1)], take):
            subprocess.run([str(BIN / "kardus-agent"), "run", str(config)], check=True, timeout=300)
            stopped.wait(ARRIVAL_S)
    outcome = judge_demo(shelf.script, shelf.skus(), events)
    last = {event.location: event.verdict for event in events}
    doubts = sum(verdict == Verdict.UNCERTAIN for verdict in last.values())
    return Played(source.seed, outcome, doubts, len(lines), events)


def _config(bundle: Path, key: str, port: int, data: Path, source: SimulatedSource, rack: Rack) -> str:
    settings = {k: v for k, v in source.model_dump(mode="json").items() if v is not None}
    inside = ", ".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    trust = f'trust = ["{key}"]' if key else "allow_unsigned = true"
    return (
        f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "{data}"\n'
        f'[model]\nbundle = "{bundle.resolve()}"\n{trust}\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n\n' + camera_toml(rack, inside)
    )
