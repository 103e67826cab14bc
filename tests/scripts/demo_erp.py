"""Kardus with a real ERP, end to end: Tryton's stock -> sync -> agent -> receiver -> deliver -> draft count in Tryton.

    python -m tests.scripts.demo_erp [--environment FOLDER]

Tryton 8.2.1 is installed from the package index into an environment of its own (`--environment` keeps it). Two things
happen on the simulated rack. A wrong variant is put somewhere and stays: a draft count appears, a person confirms it,
the expectation follows, the alert closes. Another one is put right before anyone has confirmed: its draft is cancelled.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

from kardus.contract.topics import ROOT
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.console import out
from simulator.demo.broker import run_broker
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script, write_script
from tests.patience import PATIENCE_S
from tests.tryton import USER, Tryton, running_tryton
from warehouse.connectors.errors import ConnectorError
from warehouse.connectors.tryton_rpc import TrytonLogin, TrytonRpc

SITE = "demo"
Found = TypeVar("Found")
FOLLOWS_S = 10.0
"""A movement in Tryton is expected on the shelf within so many seconds."""
INTERVAL_S = 0.5
WRONG_AT, SLIP_AT, RIGHTED_AT, FRAMES = 30, 60, 120, 4000
MORE_PRODUCTS = 4
"""Products of the ERP that no camera knows."""
LOCATIONS = tuple(slot.location for slot in Rack().slots())
WRONG, SLIP = LOCATIONS[7], LOCATIONS[2]


@dataclass
class Outcome:
    """What happened, with how many seconds it took."""

    seconds: dict[str, float] = field(default_factory=dict)
    inventories: list[dict[str, Any]] = field(default_factory=list)
    """Tryton's, made by Kardus."""
    expected: str = ""
    """What stood at WRONG by the WMS's word,"""
    seen: str = ""
    """and by the camera's."""


class Site:
    """What is published on the site, with the time."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str, dict[str, Any]]] = []

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come; pictures aren't kept."""
        with contextlib.suppress(ValueError):
            self.messages.append((time.monotonic(), topic, json.loads(payload)))

    def alert(self, location: str, status: str) -> float:
        """When an event first said so of a location's alert; 0: not yet."""
        for moment, topic, told in list(self.messages):
            if topic.endswith("/events") and told["data"]["location"] == location:
                alert = told["data"]["alert"]
                if alert is not None and alert["status"] == status:
                    return moment
        return 0.0

    def expects(self, location: str, sku: str) -> float:
        """When this product was first expected at a location; 0: not yet."""
        for moment, topic, told in list(self.messages):
            if topic == f"{ROOT}/{SITE}/expected/{location}" and told.get("sku") == sku:
                return moment
        return 0.0

    def matching(self) -> int:
        """Locations whose last state is a match."""
        states = {
            t["data"]["location"]: t["data"]["verdict"] for _, topic, t in self.messages if topic.endswith("/state")
        }
        return list(states.values()).count("match")


def play(
    folder: Path,
    environment: Path | None = None,
    client: Path | None = None,
    on_draft: Callable[[Tryton], None] = lambda _: None,
    on_end: Callable[[Tryton], None] = lambda _: None,
) -> Outcome:
    """Play it in a folder.

    Args:
        folder: for everything that it leaves.
        environment: where Tryton is installed, or will be.
        client: Tryton's web client, to be served too.
        on_draft: called when a draft count waits for a person, who confirms it after that.
        on_end: called at the end.

    Raises:
        TimeoutError: something doesn't happen in time.
    """
    skus = list(dict.fromkeys(stock.sku for stock in DrawnPictures().stock()))
    stock = {location: skus[place % len(skus)] for place, location in enumerate(LOCATIONS)}
    products = [*skus, *(f"OTHER-{number}" for number in range(1, MORE_PRODUCTS + 1))]
    outcome = Outcome(expected=stock[WRONG], seen=_other_variant(stock[WRONG]))
    began_s = time.monotonic()
    with running_tryton(folder, stock, products, environment, client) as tryton:
        outcome.seconds["Tryton is set up: 15 locations, 15 products"] = time.monotonic() - began_s
        _write_files(folder, stock, tryton)
        with contextlib.closing(_rpc(tryton, "admin")) as person, run_broker("auto") as broker:
            site = Site()
            topics = [(f"{ROOT}/{SITE}/#", 1)]
            with MqttClient(BrokerSettings("127.0.0.1", broker.port), topics, site.take), _running(folder, broker.port):
                _play_through(outcome, site, person, lambda: on_draft(tryton))
                on_end(tryton)
        outcome.inventories = [one for one in tryton.inventories() if one["by"] == USER]
    return outcome


def _play_through(outcome: Outcome, site: Site, person: TrytonRpc, on_draft: Callable[[], None]) -> None:
    _wait(lambda: site.matching() >= len(LOCATIONS) - 1, "every location is seen to be right")
    began_s = _wait(lambda: site.alert(WRONG, "open"), f"an alert at {WRONG}")
    draft = _wait(lambda: _draft(person, WRONG), f"a draft count for {WRONG}")
    outcome.seconds["alert -> draft count in Tryton"] = time.monotonic() - began_s
    on_draft()
    context = person.call("res.user", "get_preferences", True)
    person.call("stock.inventory", "confirm", [draft], context=context)
    confirmed_s = time.monotonic()
    followed_s = _wait(lambda: site.expects(WRONG, outcome.seen), f"{outcome.seen} is expected at {WRONG}")
    outcome.seconds["confirmed by a person -> expectation"] = max(0.0, followed_s - confirmed_s)
    closed_s = _wait(lambda: site.alert(WRONG, "resolved"), f"the alert at {WRONG} closes")
    outcome.seconds["confirmed by a person -> alert closed"] = closed_s - confirmed_s
    righted_s = _wait(lambda: site.alert(SLIP, "resolved"), f"the alert at {SLIP} closes")
    _wait(lambda: _cancelled(person, SLIP), f"the draft of {SLIP} is cancelled")
    outcome.seconds["put right before anyone confirmed -> draft cancelled"] = time.monotonic() - righted_s


def _write_files(folder: Path, stock: dict[str, str], tryton: Tryton) -> None:
    classes: dict[str, str | None] = dict(stock)  # the class whose face is shown is called as its SKU
    changes = (
        Change(WRONG_AT, ChangeKind.WRONG_VARIANT, WRONG, name=_other_variant(stock[WRONG])),
        Change(SLIP_AT, ChangeKind.WRONG_VARIANT, SLIP, name=_other_variant(stock[SLIP])),
        Change(RIGHTED_AT, ChangeKind.PLACE, SLIP, name=stock[SLIP]),
    )
    write_script(folder / "script.json", Script(1, FRAMES, classes, classes, changes))
    login = f'kind = "tryton"\nurl = "{tryton.url}"\ndatabase = "wms"\nuser = "{USER}"\n'
    login += f'password_file = "{tryton.password_file}"\nwarehouse = "WH"\n'
    (folder / "sync.toml").write_text(f"poll_s = 1\n[source]\n{login}", encoding="utf-8")
    (folder / "deliver.toml").write_text(f"[targets.erp]\n{login}", encoding="utf-8")


def _write_agent(folder: Path, port: int) -> Path:
    source = f'type = "simulated", seed = 1, script = "{folder / "script.json"}"'
    key = DEMO_KEY.read_text(encoding="utf-8").strip()
    path = folder / "agent.toml"
    path.write_text(
        f'[agent]\nsite = "{SITE}"\nname = "rack-agent"\ndata_dir = "data"\n'
        f'[model]\nbundle = "{DEMO_BUNDLE}"\ntrust = ["{key}"]\n[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'
        + camera_toml(Rack(), source, interval_s=INTERVAL_S),
        encoding="utf-8",
    )
    return path


@contextlib.contextmanager
def _running(folder: Path, port: int) -> Iterator[None]:
    """The warehouse side's three services, and the agent."""
    database = ["--database", folder / "kardus.sqlite"]
    broker = ["--site", SITE, "--host", "127.0.0.1", "--port", port]
    with contextlib.ExitStack() as stack:
        _start(stack, "warehouse", "receive", *database, *broker)
        _wait((folder / "kardus.sqlite").exists, "the receiver runs")
        _start(stack, "warehouse", "sync", folder / "sync.toml", *broker)
        _start(stack, "warehouse", "deliver", folder / "deliver.toml", *database)
        _start(stack, "edge_agent", "run", _write_agent(folder, port))
        yield


def _start(stack: contextlib.ExitStack, *words: object) -> None:
    process = subprocess.Popen([sys.executable, "-m", *map(str, words)])
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _rpc(tryton: Tryton, user: str) -> TrytonRpc:
    login = TrytonLogin(url=tryton.url, database="wms", user=user, password_file=tryton.password_file)
    return TrytonRpc(login, "demo", ConnectorError)


def _draft(person: TrytonRpc, location: str) -> int:
    found = person.all("stock.inventory", [["location.code", "=", location], ["state", "=", "draft"]], [])
    return int(found[0]["id"]) if found else 0


def _cancelled(person: TrytonRpc, location: str) -> bool:
    return bool(person.all("stock.inventory", [["location.code", "=", location], ["state", "=", "cancelled"]], []))


def _other_variant(sku: str) -> str:
    """Another one of its family."""
    stock = DrawnPictures().stock()
    category = next(one.category for one in stock if one.sku == sku)
    return next(one.sku for one in stock if one.category == category and one.sku != sku)


def _wait(look: Callable[[], Found], what: str) -> Found:
    until_s = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > until_s:
            raise TimeoutError(f"not within {PATIENCE_S:.0f} s: {what}")
        time.sleep(0.1)
    return found


def _print(outcome: Outcome) -> None:
    table = Table("number", "location", "state", "lines", "note", title="Inventories > Inventories in Tryton")
    for one in outcome.inventories:
        lines = ", ".join(f"{sku}: {quantity:g}" for sku, quantity in one["lines"].items())
        table.add_row(one["number"], one["location"], one["state"], lines, "\n".join(one["notes"]))
    out.print(table)
    for what, seconds in outcome.seconds.items():
        out.print(f"{seconds:6.1f} s  {what}")


def main() -> None:
    """Play it, and show what Tryton's users see."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, help="where Tryton is installed, or will be")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kardus-erp-") as folder:
        _print(play(Path(folder), given.environment))


if __name__ == "__main__":
    main()
