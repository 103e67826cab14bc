"""Another model takes over from the one in use, or doesn't, while a real agent runs on a real broker."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kardus.inference.preprocess import Pixels
from kardus.mqtt.settings import BrokerSettings
from simulator.scene import Rack
from tests.agents import LOCATIONS, SITE, AgentProcess, skus, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.models.racks import TRUST, Made, blind_in_the_light, demo_members, made
from tests.edge_agent.racks import STOCK, still
from tests.end_to_end.test_commands import Caller
from tests.https_server import HttpsServer, send
from tests.patience import PATIENCE_S
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

NEW = "1.0.1"


class Box:
    """An agent that watches a picture, and whose bundles are signed by the tests' key."""

    def __init__(self, folder: Path, port: int, wms: WmsSide, shadow_s: float, ca_file: Path | None = None) -> None:
        """Write its configuration, and what it is to find."""
        folder.mkdir(exist_ok=True)
        self.folder, self.wms = folder, wms
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.show(still())
        bundle = made("1.0.0").write(folder / "configured.bundle")
        source = f'type = "file", path = "{folder}/now.jpg"'
        path = write_config(folder, port, bundle, TRUST, source, interval_s=0.1)
        more = f'watch_folder = "inbox"\nshadow_s = {shadow_s}\n' + (f'ca_file = "{ca_file}"\n' if ca_file else "")
        path.write_text(path.read_text().replace("[model]\n", f"[model]\nthreads = 1\n{more}"))
        self.agent = AgentProcess(path)
        names = skus()
        lines = [StockLine(location, names[name] if name else None) for location, name in STOCK.items()]
        publish_stock(BrokerSettings("127.0.0.1", port), SITE, lines, replace=False)

    def show(self, picture: Pixels) -> None:
        """What the camera sees from now on."""
        part = self.folder / "now.part.jpg"
        Image.fromarray(picture).save(part, quality=95)
        part.replace(self.folder / "now.jpg")

    def start(self) -> None:
        """Start the agent, and wait until it has judged."""
        before = len(self.wms.messages)
        self.agent.start()
        self.wms.wait_for(lambda: self._judged(before))

    def drop(self, bundle: Made, name: str) -> None:
        """Put a bundle into the watched folder."""
        bundle.write(self.folder / "part")
        (self.folder / "part").replace(self.inbox / name)

    @property
    def status(self) -> dict[str, Any]:
        """What the agent says of its model."""
        said = [m["data"] for topic, m in list(self.wms.messages) if topic.endswith("/box/model")]
        return said[-1] if said else {"phase": "", "model": {}}

    def wait_for(self, phase: str, version: str = "") -> None:
        """Wait for a phase of the change, with this version in use."""
        self.wms.wait_for(
            lambda: self.status["phase"] == phase and version in ("", self.status["model"].get("version"))
        )

    def _judged(self, before: int) -> bool:
        states = [m for topic, m in list(self.wms.messages)[before:] if topic.endswith("/state")]
        return len({m["data"]["location"] for m in states}) == len(LOCATIONS)


@pytest.fixture
def wms(mosquitto: Mosquitto) -> Iterator[WmsSide]:
    with WmsSide(mosquitto.port) as side:
        yield side


def _versions(wms: WmsSide) -> set[str]:
    return {state["model"]["version"] for state in wms.states.values()}


def test_a_command_brings_a_model_that_takes_over_without_a_gap(
    tmp_path: Path, mosquitto: Mosquitto, wms: WmsSide
) -> None:
    new = made(NEW)
    with HttpsServer(tmp_path / "pki", lambda asked: send(asked, new.data)) as server:
        box = Box(tmp_path, mosquitto.port, wms, 0.5, server.ca_file)
        box.start()
        events, before = len(wms.events), len(wms.messages)
        with Caller.version_5(mosquitto.port) as caller:
            command = new.command(f"{server.url}/{NEW}.bundle").model_dump(mode="json", exclude_none=True)
            assert caller.ask("model", **command)["ok"]
            box.wait_for("settled", NEW)
            wrong = caller.ask("model", **(command | {"url": "http://127.0.0.1/a"}))
            assert not wrong["ok"]
        wms.wait_for(lambda: wms.statuses[-1:] == ["online"] and NEW in json.dumps(wms.messages[-50:]))
    code, _ = box.agent.terminate()
    assert code == 0
    phases = [m["data"]["phase"] for topic, m in wms.messages[before:] if topic.endswith("/box/model")]
    order = ["fetching", "verifying", "shadowing", "probation", "settled"]
    told = [order.index(phase) for phase in phases]
    assert told == sorted(told), "a later state may have replaced one that wasn't sent yet; none comes back"
    assert phases[-1] == "settled"
    assert len(wms.events) == events, "no verdict has changed on the way"


def test_a_bad_bundle_in_the_folder_changes_nothing_and_a_good_one_takes_over(
    tmp_path: Path, mosquitto: Mosquitto, wms: WmsSide
) -> None:
    box = Box(tmp_path, mosquitto.port, wms, 0.5)
    box.start()
    classes = json.loads(demo_members()["manifest.json"])["classes"]
    box.drop(made(NEW, classes=[*classes[1:], classes[0]]), "swapped.bundle")
    box.wait_for("refused", "1.0.0")
    assert "swapped.bundle: golden/0.png is" in box.status["reason"]
    box.drop(made("1.0.2"), "good.bundle")
    box.wait_for("settled", "1.0.2")
    code, log = box.agent.terminate()
    assert code == 0
    assert "another model is refused" in log
    box.start()
    box.wait_for("settled", "1.0.2")
    assert box.agent.terminate()[0] == 0


def test_a_model_that_fails_at_work_is_rolled_back_and_the_agent_goes_on(
    tmp_path: Path, mosquitto: Mosquitto, wms: WmsSide
) -> None:
    box = Box(tmp_path, mosquitto.port, wms, 8)
    box.start()
    box.drop(made(NEW, members=blind_in_the_light(demo_members())), "blind.bundle")
    box.wait_for("probation", NEW)
    location = LOCATIONS[0]
    box.show(_with_white(still(), 0))
    box.wait_for("rolled-back", "1.0.0")
    assert "no numbers" in box.status["reason"]
    wms.wait_for(lambda: wms.states[location]["verdict"] not in ("match", "stale"))
    assert box.agent.terminate()[0] == 0


def _with_white(picture: Pixels, slot: int) -> Pixels:
    """The picture with a white sheet in one opening."""
    picture = picture.copy()
    corners = Rack().slots()[slot].corners
    (left, top), (right, bottom) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    picture[int(top) : int(bottom), int(left) : int(right)] = 252
    return picture


@pytest.mark.parametrize(
    "phase",
    [pytest.param("fetching", marks=pytest.mark.slow), "shadowing", pytest.param("probation", marks=pytest.mark.slow)],
)
def test_killed_during_a_change_the_agent_runs_the_old_model_or_the_new_one(
    tmp_path: Path, mosquitto: Mosquitto, wms: WmsSide, phase: str
) -> None:
    new, hold = made(NEW), threading.Event()

    def respond(asked: Any) -> None:
        send(asked, new.data[:1000], len(new.data))
        hold.wait(PATIENCE_S if phase == "fetching" else 0)
        asked.wfile.write(new.data[1000:])

    with HttpsServer(tmp_path / "pki", respond) as server:
        box = Box(tmp_path, mosquitto.port, wms, 3600 if phase == "shadowing" else 0.5, server.ca_file)
        if phase == "probation":
            box.agent.config.write_text(box.agent.config.read_text().replace("shadow_s = 0.5", "shadow_s = 4"))
        box.start()
        with Caller.version_5(mosquitto.port) as caller:
            caller.ask("model", **new.command(f"{server.url}/a").model_dump(mode="json", exclude_none=True))
        box.wait_for(phase)
        box.agent.kill()
        hold.set()
        box.start()
        expected = NEW if phase == "probation" else "1.0.0"
        wms.wait_for(lambda: _versions(wms) == {expected})
        assert box.status["model"]["version"] == expected
        assert box.agent.terminate()[0] == 0
