"""The agent killed while it works: what was decided arrives after the next start, once."""

from pathlib import Path

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import SITE, AgentProcess, drawn_stock, skus, still_frames, write_config
from tests.brokers import Mosquitto
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine


def test_sequences_go_on_without_a_gap_over_kill_9(tmp_path: Path, mosquitto: Mosquitto) -> None:
    stocks = [drawn_stock(seed) for seed in (1, 2, 3)]
    still_frames(tmp_path / "frames", stocks, each=5)
    names = skus()
    lines = [StockLine(location, names[name] if name else None) for location, name in stocks[0].items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, lines, replace=False)
    source = f'type = "folder", path = "{tmp_path}/frames"'
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), source, interval_s=0.15)
    with WmsSide(mosquitto.port) as wms:
        for wanted in (5, 25):
            agent = AgentProcess(config)
            agent.start()
            wms.wait_for(lambda wanted=wanted: len(wms.events) >= wanted)  # type: ignore[misc]
            agent.kill()
        last = AgentProcess(config)
        last.start()
        assert last.finish()[0] == 0
        wms.wait_for(lambda: wms.statuses[-1:] == ["offline"])
        by_id = {event["id"]: event for event in wms.events}
        sequences = sorted(event["sequence"] for event in by_id.values())
        assert sequences == list(range(1, len(by_id) + 1))
        assert len({event["epoch"] for event in by_id.values()}) == 1
        for location in lines:
            history = [
                e for e in sorted(by_id.values(), key=lambda e: e["sequence"]) if e["location"] == location.location
            ]
            assert [e["previous"] for e in history] == [None, *(e["verdict"] for e in history[:-1])]
