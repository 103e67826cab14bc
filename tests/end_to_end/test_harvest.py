"""From no photos to proposals: an agent without a model, a real broker, a drawn rack; and the figures' script."""

import json
from pathlib import Path

import pytest

from kardus.mqtt.settings import BrokerSettings
from kardus.support.tabular.tables import read_table
from simulator.demo.play import DEMO_BUNDLE
from tests.agents import LOCATIONS, SITE, AgentProcess, drawn_stock, grey_frame, skus, still_frames, write_config
from tests.brokers import Mosquitto
from tests.conftest import run_command
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

EMPTY = LOCATIONS[4]
SAMPLING = "[harvest]\nsample = true\nsettle_s = 0\n"


def _without_model(folder: Path, port: int, source: str) -> Path:
    """A configuration that collects photos for a first model."""
    path = write_config(folder, port, DEMO_BUNDLE, "", source, extra=SAMPLING)
    text = path.read_text()
    path.write_text(text[: text.index("[model]")] + text[text.index("[mqtt]") :])
    return path


def test_an_agent_without_a_model_judges_nothing_and_collects_what_the_wms_says_of_each_location(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    stock = drawn_stock(3, empty=(EMPTY,))
    names = skus()
    expected = {location: names[name] if name else None for location, name in stock.items()}
    still_frames(tmp_path / "frames", [stock], each=12)
    lines = [StockLine(location, sku) for location, sku in expected.items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, lines, replace=False)
    agent = AgentProcess(_without_model(tmp_path, mosquitto.port, 'type = "folder", path = "frames"'))
    with WmsSide(mosquitto.port) as wms:
        agent.start()
        assert agent.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        assert {state["verdict"] for state in wms.states.values()} == {"uncertain"}
        assert {state["reason"] for state in wms.states.values()} == {
            "there is no model yet: photos are collected for the first one"
        }
        assert {state["last_verified"] for state in wms.states.values()} == {None}, "nobody has looked"
        assert {state["seen"] for state in wms.states.values()} == {None}
        assert {state["model"]["name"] for state in wms.states.values()} == {"none"}
    rows = [row.values for row in read_table(tmp_path / "data" / "harvest" / "labels.csv", ("path", "name"))]
    assert {row["location"]: row["proposed"] for row in rows} == {
        location: sku or "empty" for location, sku in expected.items()
    }
    assert len(rows) == len(LOCATIONS), "a rack at rest is sampled once an hour"
    checked = json.loads(run_command("kardus-train", "check-data", tmp_path / "data" / "harvest", "--json").stdout)
    assert (checked["photos"], checked["proposals"]) == (0, len(LOCATIONS))


def test_the_checks_before_the_first_run_need_no_model(tmp_path: Path, mosquitto: Mosquitto) -> None:
    grey_frame(tmp_path / "rack.png")
    config = _without_model(tmp_path, mosquitto.port, 'type = "file", path = "rack.png"')
    assert "photos are collected for the first" in run_command("kardus-agent", "check", config).stdout
    found = json.loads(run_command("kardus-agent", "slots", "check", config, "--json").stdout)
    assert len(found) == len(LOCATIONS)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_a_reduced_run_of_the_figures(tmp_path: Path) -> None:
    """Wrong labels are mostly dropped, right ones mostly not; the model is about as good as from clean labels."""
    from tests.scripts.harvest import NETWORK, TRAINING, figures

    told = dict(figures(tmp_path, 5, 4, 6, (*NETWORK, *TRAINING)))
    shares = {what: float(value.split(" %")[0]) for what, value in told.items() if " %" in value}
    assert shares["wrong labels dropped"] > 60
    assert shares["right labels dropped"] < 15
    clean, trusted = shares["right by SKU, clean labels"], shares["right by SKU, trusted but for contradicted ones"]
    assert trusted > clean - 10
