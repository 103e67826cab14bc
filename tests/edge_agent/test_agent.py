"""The agent as a whole, in a process of its own, against a real Mosquitto. Uses the bundle that ships with the demo."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from edge_agent.agent import Agent
from edge_agent.camera.attention import Attention
from edge_agent.camera.still import FolderPictures
from edge_agent.config import load_config
from kardus.contract.messages import Expected
from kardus.contract.topics import expected_topic
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BundleError
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, drawn_stock, grey_frame, skus, still_frames, write_config
from tests.brokers import Mosquitto
from tests.cameras import decoders
from tests.conftest import run_command
from tests.wms_side import WmsSide, is_told_that_stock_may_come
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

KEY = DEMO_KEY.read_text().strip()
FIRST, SECOND, EMPTY = LOCATIONS[0], LOCATIONS[1], LOCATIONS[4]


@pytest.fixture(scope="module")
def stock() -> dict[str, str | None]:
    return drawn_stock(3, empty=(EMPTY,)) | {FIRST: "Tea-Lemon", SECOND: "Milk-Low-Fat"}


@pytest.fixture(scope="module")
def frames(stock: dict[str, str | None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames as expected, then six with the first carton swapped for its sibling and the second gone."""
    folder = tmp_path_factory.mktemp("frames") / "frames"
    still_frames(folder, [stock, stock | {FIRST: "Tea-Peach", SECOND: None}], each=6)
    return folder


def _expect(port: int, stock: dict[str, str | None]) -> None:
    names = skus()
    lines = [StockLine(location, names[name] if name else None) for location, name in stock.items()]
    publish_stock(BrokerSettings("127.0.0.1", port), SITE, lines, replace=False)


def _folder_agent(folder: Path, port: int, frames: Path) -> AgentProcess:
    return AgentProcess(write_config(folder, port, DEMO_BUNDLE, KEY, f'type = "folder", path = "{frames}"'))


class _Attended(FolderPictures):
    """A folder that is told what was made of its pictures."""

    told: ClassVar[list[Attention]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Note what it is told."""
        if name == "attention":
            self.told.append(value)
        super().__setattr__(name, value)


def test_a_source_learns_that_it_may_rest(
    tmp_path: Path, mosquitto: Mosquitto, stock: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    still_frames(tmp_path / "frames", [stock], each=8)
    monkeypatch.setattr("edge_agent.camera.source.FolderPictures", _Attended)
    _expect(mosquitto.port, stock)
    source = f'type = "folder", path = "{tmp_path / "frames"}"'
    Agent(load_config(write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source))).run()
    assert _Attended.told[0] != "rest"
    assert _Attended.told[-1] == "rest"


@pytest.mark.parametrize("part", ["ModelRollout", "open_outbox"])
def test_cameras_connect_while_all_else_is_opened_and_are_let_go_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    connected: list[int] = []

    def load(*_: object) -> None:
        connected.extend(decoders())
        raise BundleError("it is broken")

    monkeypatch.setattr(f"edge_agent.agent.{part}", load)
    config = load_config(write_config(tmp_path, 1, DEMO_BUNDLE, KEY, 'type = "rtsp", url = "rtsp://127.0.0.1:9/x"'))
    with pytest.raises(BundleError, match="it is broken"):
        Agent(config)
    assert len(connected) == 1
    assert not decoders()


def test_pictures_in_verdicts_out(
    tmp_path: Path, mosquitto: Mosquitto, frames: Path, stock: dict[str, str | None]
) -> None:
    _expect(mosquitto.port, stock)
    with WmsSide(mosquitto.port) as wms:
        agent = _folder_agent(tmp_path, mosquitto.port, frames)
        agent.start()
        assert agent.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        alerts = [(e["location"], e["verdict"]) for e in wms.events if e["verdict"] not in ("match", "unmanaged")]
        assert sorted(alerts) == sorted([(FIRST, "mismatch"), (SECOND, "empty")])
        mismatch = next(e for e in wms.events if e["verdict"] == "mismatch")
        assert (mismatch["expected"]["sku"], mismatch["seen"]["sku"]) == ("Tea-Lemon", "Tea-Peach")
        assert mismatch["previous"] == "match"
        assert mismatch["expected"]["revision"] > 0
        assert [e["sequence"] for e in wms.events] == list(range(1, len(wms.events) + 1))
        assert len({e["epoch"] for e in wms.events}) == 1
        assert {loc: s["verdict"] for loc, s in wms.states.items() if s["verdict"] != "match"} == dict(alerts)
        assert wms.statuses[0] == "online"


def test_the_state_is_retained_for_a_consumer_that_starts_later(
    tmp_path: Path, mosquitto: Mosquitto, frames: Path, stock: dict[str, str | None]
) -> None:
    _expect(mosquitto.port, stock)
    agent = _folder_agent(tmp_path, mosquitto.port, frames)
    agent.start()
    assert agent.finish()[0] == 0
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(lambda: len(wms.states) == len(LOCATIONS) and wms.statuses == ["offline"])
        assert wms.states[FIRST]["verdict"] == "mismatch"
        assert wms.events == []


def test_a_restart_without_a_network_still_knows_what_is_expected(
    tmp_path: Path, mosquitto: Mosquitto, frames: Path, stock: dict[str, str | None]
) -> None:
    _expect(mosquitto.port, stock)
    for picture in sorted(frames.iterdir())[:6]:
        (tmp_path / "first").mkdir(exist_ok=True)
        (tmp_path / "first" / picture.name).write_bytes(picture.read_bytes())
    agent = _folder_agent(tmp_path, mosquitto.port, tmp_path / "first")
    agent.start()
    assert agent.finish()[0] == 0
    mosquitto.kill()
    offline = _folder_agent(tmp_path, mosquitto.port, frames)
    offline.start()
    code, log = offline.finish()
    assert code == 0
    assert "stay in the outbox" in log
    mosquitto.start()
    with WmsSide(mosquitto.port) as wms:
        (tmp_path / "none").mkdir()
        grey_frame(tmp_path / "none" / "0.png")
        last = _folder_agent(tmp_path, mosquitto.port, tmp_path / "none")
        last.start()
        wms.wait_for(lambda: any(e["verdict"] == "mismatch" for e in wms.events))
        late = next(e for e in wms.events if e["verdict"] == "mismatch")
        assert (late["expected"]["sku"], late["historical"]) == ("Tea-Lemon", True)
        assert last.finish()[0] == 0


def test_a_changed_expectation_is_judged_at_once_and_is_an_alert_after_its_grace(
    tmp_path: Path, mosquitto: Mosquitto, frames: Path, stock: dict[str, str | None]
) -> None:
    _expect(mosquitto.port, stock)
    still = min(frames.iterdir())
    config = write_config(
        tmp_path,
        mosquitto.port,
        DEMO_BUNDLE,
        KEY,
        f'type = "file", path = "{still}"',
        interval_s=0.05,
        extra="[verdict]\ngrace_s = 10\n",
    )
    agent = AgentProcess(config)
    with WmsSide(mosquitto.port) as wms:
        agent.start()
        wms.wait_for(lambda: wms.states.get(FIRST, {}).get("verdict") == "match")
        wanted = Expected(revision=2**62, sku="Tea-Peach").model_dump_json().encode()
        with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as connection:
            connection.publish(
                [(expected_topic(SITE, FIRST), b"{not json"), (expected_topic(SITE, FIRST), wanted)], retain=True
            )
        wms.wait_for(lambda: is_told_that_stock_may_come(wms, FIRST))
        wms.wait_for(lambda: wms.states[FIRST]["verdict"] == "mismatch")
        code, log = agent.terminate()
        assert code == 0
        assert f"expected stock of {FIRST} refused" in log
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])


def test_an_unreadable_picture_makes_every_location_stale_and_the_next_good_ones_bring_it_back(
    tmp_path: Path, mosquitto: Mosquitto, frames: Path, stock: dict[str, str | None]
) -> None:
    _expect(mosquitto.port, stock)
    good = min(frames.iterdir()).read_bytes()
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.jpg").write_bytes(good if number != 4 else good[: len(good) // 3])
    with WmsSide(mosquitto.port) as wms:
        agent = _folder_agent(tmp_path, mosquitto.port, folder)
        agent.start()
        assert agent.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        history = [e["verdict"] for e in wms.events if e["location"] == FIRST and e["verdict"] != "unmanaged"]
        assert history == ["match", "stale", "match"]
        stale = next(e for e in wms.events if e["verdict"] == "stale")
        assert "4.jpg: not a readable picture" in stale["reason"]


def test_a_corner_outside_the_first_picture_ends_the_agent_with_one_line(tmp_path: Path, mosquitto: Mosquitto) -> None:
    Image.new("RGB", (640, 480)).save(tmp_path / "small.png")
    source = f'type = "file", path = "{tmp_path}/small.png"'
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source)
    result = run_command("kardus-agent", "run", config, check=2)
    assert "lies outside the 640 x 480 picture" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bundle_that_no_trusted_key_signed_is_refused(tmp_path: Path, bundle_file: Path) -> None:
    config = write_config(tmp_path, 1, bundle_file, KEY, 'type = "folder", path = "x"')
    result = run_command("kardus-agent", "run", config, check=1)
    assert result.stderr.startswith(f"error: {bundle_file}: signed by ed25519:")
    assert "not trusted" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_broker_that_cannot_be_reached_does_not_stop_the_agent(tmp_path: Path, frames: Path) -> None:
    agent = _folder_agent(tmp_path, 1, frames)
    agent.start()
    code, log = agent.finish()
    assert code == 0
    assert "127.0.0.1:1: no broker there" in log
    assert "starting without the broker" in log


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('type = "folder", path = "nothere"', "nothere: cannot be listed (No such file or directory): name a folder"),
        ('type = "folder", path = "none"', "none: no picture in it"),
        ('type = "video", path = "nothere.mp4"', "nothere.mp4: cannot be read on (No such file or directory): check"),
        ('type = "simulated", script = "nothere.json"', "nothere.json: cannot be read"),
    ],
)
def test_a_source_that_never_gives_a_picture_ends_the_agent_with_one_line(
    tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "none").mkdir()
    config = write_config(tmp_path, 1, DEMO_BUNDLE, KEY, source)
    result = run_command("kardus-agent", "run", config, check=1)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: camera 'rack' gave no picture: ")
    assert said in errors[0]
    assert "Traceback" not in result.stderr


def test_a_picture_file_that_is_missing_is_said_and_waited_for(tmp_path: Path, mosquitto: Mosquitto) -> None:
    source = 'type = "file", path = "later.jpg"'
    agent = AgentProcess(write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, KEY, source, interval_s=0.05))
    with WmsSide(mosquitto.port) as wms:
        agent.start()
        wms.wait_for(lambda: wms.states.get(FIRST, {}).get("verdict") == "stale")
        code, log = agent.terminate()
    assert code == 0
    assert "WARNING kardus.agent: camera rack: lost" in log
    assert "later.jpg: no such picture: check the path" in log


def test_a_location_that_left_the_configuration_is_cleared_on_the_broker(
    tmp_path: Path, mosquitto: Mosquitto, frames: Path, stock: dict[str, str | None]
) -> None:
    _expect(mosquitto.port, stock)
    agent = _folder_agent(tmp_path, mosquitto.port, frames)
    agent.start()
    assert agent.finish()[0] == 0
    agent.config.write_text(agent.config.read_text().replace(f'"{FIRST}"', '"B-01"'))
    with WmsSide(mosquitto.port) as wms:
        wms.wait_for(lambda: FIRST in wms.states)
        renamed = AgentProcess(agent.config)
        renamed.start()
        assert renamed.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"] and "B-01" in wms.states)
    with WmsSide(mosquitto.port) as later:
        later.wait_for(lambda: len(later.states) == len(LOCATIONS))
        assert FIRST not in later.states
