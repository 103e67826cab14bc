"""Two cameras, 24 locations, hundreds of scripted changes, and every trouble that a camera has.

Each seed is a rack of its own: two bays of 12 locations, one camera each, both watched by one agent through its
readers, a real Mosquitto between it and whoever listens. Every scripted fault and correction, every alert, and
everything said while the view is spoiled is compared with the script. Prints a table; --json writes all of it.

    python -m tests.scripts.long_shelves                                   # drawn cartons, the demo's bundle
    python -m tests.scripts.long_shelves --bundle B --photos F --unknown F # photos in one folder for each class
"""

import argparse
import json
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge_agent.agent import Agent
from edge_agent.camera.reader import ReaderItem
from edge_agent.config import load_config
from edge_agent.config.sources import SimulatedSource
from edge_agent.records import SourceEnded
from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.topics import agents_filter
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.camera import NO_PICTURE, open_shelf
from simulator.demo.broker import run_broker
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.long_script import long_script
from simulator.pictures import DrawnPictures, PhotoPictures
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import ChangeKind, write_script
from tests.scripts.shelf_judge import FAULTS, Judged, Result, Told, hidden, judge_script
from tests.scripts.steps import percent
from train.evaluation.metrics import proportion
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SITE = "long"
LEVELS, POSITIONS, BAYS = 3, 4, (1, 2)
INTERVAL_S = 0.15
FROZEN_AFTER_S = 1.0
"""The least that a configuration allows; a frozen picture lasts longer here. No view is doubted for its many alerts:
hundreds of changes in a minute are this script's own."""
ARRIVAL_S = 10.0
NAMES = {
    ChangeKind.FROZEN: "frozen",
    ChangeKind.DARK: "dark",
    ChangeKind.OVER_EXPOSED: "over-exposed",
    ChangeKind.BLURRED: "blurred",
    ChangeKind.COVERED: "covered",
    ChangeKind.MOVED: "moved",
    ChangeKind.DEAD: NO_PICTURE,
}


@dataclass(frozen=True)
class Model:
    """What judges, and what it is shown."""

    bundle: Path
    key: str
    photos: Path | None
    unknown: Path | None


def play_rack(model: Model, seed: int, faults: int, work: Path) -> list[Result]:
    """Play one rack, and judge each of its cameras. The seeds of its scripts are 2 x seed and the next."""
    sources = [_source(model, seed, bay, faults, work) for bay in BAYS]
    shelves = [open_shelf(source) for source in sources]
    events: list[LocationEvent] = []
    stopped = threading.Event()

    def take(topic: str, payload: bytes) -> None:
        if topic.endswith("/events"):
            events.append(Envelope[LocationEvent].model_validate_json(payload).data)
        elif topic.endswith("/status") and json.loads(payload)["data"]["reason"] == "stopped":
            stopped.set()

    with run_broker("mosquitto") as running:
        address = BrokerSettings("127.0.0.1", running.port)
        stock = {loc: sku for shelf in shelves for loc, sku in shelf.script.expected.items()}
        publish_stock(address, SITE, [StockLine(location, sku) for location, sku in stock.items()], replace=False)
        config = work / f"agent-{seed}.toml"
        config.write_text(_config(model, running.port, work / f"data-{seed}", sources))
        with MqttClient(address, [(agents_filter(SITE), 1)], take):
            agent = Agent(load_config(config))
            moments = {bay: _moments(agent, f"bay-{bay}") for bay in BAYS}
            agent.run()
            stopped.wait(ARRIVAL_S)
    results = []
    for bay, shelf in zip(BAYS, shelves, strict=True):
        own = [event for event in events if event.camera == f"bay-{bay}"]
        told = [Told(bisect_right(moments[bay], event.captured.timestamp()) - 1, event) for event in own]
        results.append(judge_script(shelf.script, shelf.skus(), partial(hidden, shelf), told, NAMES))
    return results


def _moments(agent: Agent, camera: str) -> list[float]:
    """When each picture of a camera was taken (Unix time, to the millisecond below); grows while the agent runs."""
    moments: list[float] = []
    reader = agent._cameras[camera].reader
    hand_over: Callable[[ReaderItem], None] = reader._hand_over

    def note(item: ReaderItem) -> None:
        if not isinstance(item, SourceEnded):
            moments.append(int(item.captured.timestamp() * 1000) / 1000)
        hand_over(item)

    reader._hand_over = note
    return moments


def _source(model: Model, seed: int, bay: int, faults: int, work: Path) -> SimulatedSource:
    rack = Rack(levels=LEVELS, positions=POSITIONS, bay=bay)
    pictures = PhotoPictures(model.photos, model.unknown) if model.photos else DrawnPictures()
    script = long_script([s.location for s in rack.slots()], pictures.stock(), 2 * seed + bay - 1, faults)
    file = work / f"script-{seed}-{bay}.json"
    write_script(file, script)
    return SimulatedSource(
        type="simulated",
        levels=LEVELS,
        positions=POSITIONS,
        bay=bay,
        script=file.resolve(),
        photos=model.photos,
        unknown=model.unknown,
        live=True,
    )


def _config(model: Model, port: int, data: Path, sources: Sequence[SimulatedSource]) -> str:
    trust = f'trust = ["{model.key}"]' if model.key else "allow_unsigned = true"
    head = (
        f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "{data.resolve()}"\n'
        f'[model]\nbundle = "{model.bundle.resolve()}"\n{trust}\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[view]\nfrozen_after_s = {FROZEN_AFTER_S}\ndoubt_s = 0.0\n\n'
    )
    return head + "\n".join(_camera(source) for source in sources)


def _camera(source: SimulatedSource) -> str:
    settings = {k: v for k, v in source.model_dump(mode="json").items() if v is not None}
    inside = ", ".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    rack = Rack(levels=source.levels, positions=source.positions, bay=source.bay)
    return camera_toml(rack, inside, f"bay-{source.bay}", INTERVAL_S)


def print_table(results: Sequence[Result]) -> None:
    """The figures, each with n and its 95 % Wilson interval."""
    changes = [change for result in results for change in result.changes]
    table = Table("what", "value", title="Long shelves", title_justify="left")
    for kind in (*FAULTS, "put right"):
        own = [change for change in changes if change.what == kind]
        table.add_row(f"{str(kind).replace('_', ' ')}: told within 5 frames", _in_time(own))
    faults = [change for change in changes if change.what != "put right"]
    table.add_row("all faults: told within 5 frames", _in_time(faults))
    reported = sum(change.reported_in_time for change in faults)
    table.add_row("the same, where the product may be left open", _rate(reported, len(faults)))
    alerted = sum(change.alerted_in_time for change in faults)
    table.add_row("the same, whatever was said to be wrong there", _rate(alerted, len(faults)))
    table.add_row("all faults: told at all", _rate(sum(c.told is not None for c in faults), len(faults)))
    alerts = sum(result.alerts for result in results)
    false = sum(len(result.false_alerts) for result in results)
    needless = sum(len(result.needless) for result in results)
    table.add_row("alerts of the wrong kind, of all alerts", _rate(false, alerts))
    table.add_row("alerts where nothing was wrong, of all alerts", _rate(needless, alerts))
    table.add_row("true alerts that name another product", str(sum(len(r.misnamed) for r in results)))
    said = sum(len(result.spoken_while_invalid) for result in results)
    table.add_row("other events than stale and obstructed while the view is spoiled", str(said))
    troubles = [trouble for result in results for trouble in result.troubles]
    for kind in NAMES:
        own_troubles = [trouble for trouble in troubles if trouble.kind is kind]
        noticed, named = (sum(getattr(t, what) for t in own_troubles) for what in ("noticed", "named"))
        value = f"{_rate(noticed, len(own_troubles))}; {named} called so"
        table.add_row(f"{kind.replace('_', ' ')}: noticed", value)
    table.add_row("events of uncertain", str(sum(result.doubts for result in results)))
    Console(width=140).print(table)


def _in_time(changes: Sequence[Judged]) -> str:
    return _rate(sum(change.in_time for change in changes), len(changes))


def _rate(hits: int, n: int) -> str:
    return f"{hits} of {n}: {percent(proportion('', hits, n).model_dump())}"


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Everything that was judged."""
    return [
        {
            "changes": [asdict(change) | {"in_time": change.in_time} for change in result.changes],
            "alerts": result.alerts,
            "false_alerts": _told(result.false_alerts),
            "needless": _told(result.needless),
            "misnamed": _told(result.misnamed),
            "spoken_while_invalid": _told(result.spoken_while_invalid),
            "troubles": [asdict(trouble) for trouble in result.troubles],
            "doubts": result.doubts,
        }
        for result in results
    ]


def _told(told: Sequence[Told]) -> list[dict[str, Any]]:
    return [{"frame": t.frame, "event": t.event.model_dump(mode="json")} for t in told]


def main() -> None:
    """Play every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--unknown", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[700, 701, 702, 703, 704])
    parser.add_argument("--faults", type=int, default=50, help="of each camera")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    key = DEMO_KEY.read_text(encoding="utf-8").strip() if asked.bundle == DEMO_BUNDLE else ""
    model = Model(asked.bundle, key, *(path and path.resolve() for path in (asked.photos, asked.unknown)))
    results = []
    with tempfile.TemporaryDirectory() as work:
        for seed in asked.seeds:
            results += play_rack(model, seed, asked.faults, Path(work))
            print(f"seed {seed} played", flush=True)
            if asked.json:
                asked.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    print_table(results)


if __name__ == "__main__":
    main()
