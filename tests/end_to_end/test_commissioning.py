"""A camera without locations is laid out over MQTT from its rack's labels, by several people, and back again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kardus.contract.topics import Topics
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.rack_labels import RackLabels
from simulator.scene import Rack
from tests.agents import SITE, AgentProcess
from tests.brokers import Mosquitto
from tests.end_to_end.test_commands import Caller
from tests.scripts.rack_labels import overlap
from tests.wms_side import WmsSide

TOPICS = Topics(SITE, "box")
SIZE = (960, 540)
RACK = Rack(2, 2, *SIZE, labels=RackLabels("qr", 3.0))
OUTLINES = {slot.location: slot.corners for slot in RACK.slots()}
HEAD = (
    f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "data"\n'
    f'[model]\nbundle = "{DEMO_BUNDLE}"\ntrust = ["{DEMO_KEY.read_text().strip()}"]\n'
    '[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[verdict]\nvotes = 1\nwindow = 1\n'
)
CAMERA = '[[cameras]]\nname = "{name}"\ninterval_s = 0.2\nsource = {{ type = "file", path = "rack.png" }}\n'
FIXED = '[[cameras.locations]]\nid = "B-1"\ncorners = [[0, 0], [90, 0], [90, 90], [0, 90]]\n'


@pytest.fixture
def agent(tmp_path: Path, mosquitto: Mosquitto) -> AgentProcess:
    """Two cameras: one that may be laid out, and has no locations yet, and one that may not."""
    RACK.background(np.random.default_rng(1)).save(tmp_path / "rack.png")
    path = tmp_path / "agent.toml"
    waiting = CAMERA.format(name="rack") + 'layout = "rack.json"\n'
    path.write_text(HEAD.format(port=mosquitto.port) + waiting + CAMERA.format(name="fixed") + FIXED)
    return AgentProcess(path)


def _layout(proposals: list[dict[str, Any]]) -> dict[str, Any]:
    locations = [{"id": one["id"], "facings": [one["corners"]]} for one in proposals]
    return {"picture_size": list(SIZE), "locations": locations}


def _health(wms: WmsSide) -> dict[str, Any]:
    told = [m["data"] for topic, m in list(wms.messages) if topic == TOPICS.health("rack")]
    return told[-1] if told else {}


def test_a_camera_is_laid_out_from_its_labels_and_back(mosquitto: Mosquitto, agent: AgentProcess) -> None:
    agent.start()
    with WmsSide(mosquitto.port) as wms, Caller.version_5(mosquitto.port) as caller:
        wms.wait_for(lambda: "no locations yet" in _health(wms).get("reason", "") and "B-1" in wms.states)
        read = caller.ask("layout", camera="rack")["result"]
        assert (read["revision"], read["layout"], read["writable"]) == (0, None, True)
        assert caller.ask("snapshot", camera="rack", newest=True)["ok"]
        found = caller.ask("find-labels", camera="rack")["result"]
        assert {one["id"] for one in found["proposals"]} == set(OUTLINES)
        assert min(overlap(np.array(one["corners"]), OUTLINES[one["id"]]) for one in found["proposals"]) > 0.85
        layout = _layout(found["proposals"])
        saved = caller.ask("set-layout", camera="rack", based_on=0, layout=layout, by="Wati")["result"]
        assert saved["history"][0] | {"at": ""} == {
            "revision": 1,
            "by": "Wati",
            "at": "",
            "restored": None,
            "added": sorted(OUTLINES),
            "removed": [],
            "moved": [],
            "mask": False,
        }
        sides = {one["location"]: one["side_px"] for one in saved["prospects"]}
        assert sides.keys() == OUTLINES.keys()
        assert min(sides.values()) > 100
        wms.wait_for(lambda: set(OUTLINES) < wms.states.keys() and _health(wms)["reason"] == "")
        _is_refused(caller, layout)
        _comes_back_after_a_kill(agent, wms)
        assert caller.ask("layout", camera="rack")["result"]["revision"] == 1
        gone = min(OUTLINES)
        fewer = {**layout, "locations": [one for one in layout["locations"] if one["id"] != gone]}
        assert caller.ask("set-layout", camera="rack", based_on=1, layout=fewer, by="Budi")["ok"]
        wms.wait_for(lambda: TOPICS.state(gone) in wms.cleared)
        back = caller.ask("restore-layout", camera="rack", based_on=2, revision=1, by="Wati")["result"]
        assert [(one["by"], one["added"], one["removed"]) for one in back["history"][:2]] == [
            ("Wati", [gone], []),
            ("Budi", [], [gone]),
        ]
        assert back["layout"]["locations"] == layout_of(saved)
        assert caller.ask("reload")["result"] == {"locations": 5}
    code, log = agent.terminate()
    assert code == 0
    assert log.count("the configuration was read again") == 2, "by what was saved, not by the last reload"


def layout_of(result: dict[str, Any]) -> Any:
    """The locations that a reply says."""
    return result["layout"]["locations"]


def _is_refused(caller: Caller, layout: dict[str, Any]) -> None:
    """What can't be used changes nothing; the reason is said."""
    one, *others = layout["locations"]
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"layout": {**layout, "locations": [one, {**one, "id": "C-1"}]}}, "and C-1 lie over each other"),
        ({"layout": {**layout, "locations": [{**one, "id": "B-1"}, *others]}}, "'B-1' stands there twice"),
        ({"layout": {**layout, "picture_size": [960, 960]}}, "a picture of another shape"),
        ({"based_on": 0}, "was laid out anew meanwhile by Wati (revision 1, yours was 0)"),
        ({"camera": "fixed", "based_on": 0}, 'layout = "NAME.json" in [[cameras]]'),
        ({"camera": "none"}, "no such camera 'none'"),
    )
    for changed, said in wrong:
        asked: dict[str, Any] = {"camera": "rack", "based_on": 1, "layout": layout, **changed}
        reply = caller.ask("set-layout", **asked)
        assert (reply["ok"], said in reply["error"]) == (False, True), reply["error"]
    assert (
        "revision 7 of camera 'rack' isn't kept: 1 are"
        in (caller.ask("restore-layout", camera="rack", based_on=1, revision=7)["error"])
    )
    assert caller.ask("layout", camera="rack")["result"]["revision"] == 1
    assert caller.ask("layout", camera="fixed")["result"]["layout"]["locations"][0]["id"] == "B-1"


def _comes_back_after_a_kill(agent: AgentProcess, wms: WmsSide) -> None:
    """What was saved holds, also where the file is torn afterwards."""
    agent.kill()
    folder = agent.config.parent / "data" / "layouts"
    with Image.open(folder / "rack.1.jpg") as view:
        assert view.size == SIZE
    content = (folder / "rack.json").read_bytes()
    (folder / "rack.json").write_bytes(content[: len(content) // 2])
    before = len(wms.messages)
    agent.start()
    looked = {TOPICS.state(location) for location in OUTLINES}
    wms.wait_for(lambda: looked <= {topic for topic, _ in wms.messages[before:]})
