"""A whole agent whose disk takes nothing any more says so, and goes on looking: FAULTS 14."""

import signal
from pathlib import Path
from typing import Any

import pytest

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import SITE, AgentProcess, drawn_stock, skus, still_frames, write_config
from tests.brokers import Mosquitto
from tests.faults.disks import Image, abort, mounted
from tests.patience import within
from tests.wms_side import WmsSide
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SAID_WITHIN_S = 10.0


def _troubles(wms: WmsSide) -> list[str]:
    said: list[dict[str, Any]] = [m["data"] for topic, m in list(wms.messages) if topic.endswith("/status")]
    return [data["reason"] for data in said if data["status"] == "online" and data.get("reason")]


@pytest.mark.root
def test_an_agent_says_within_ten_seconds_that_its_disk_takes_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    stocks, names = [drawn_stock(seed) for seed in range(1, 9)], skus()
    still_frames(tmp_path / "frames", stocks, each=8)
    lines = [StockLine(location, names[name] if name else None) for location, name in stocks[0].items()]
    publish_stock(BrokerSettings("127.0.0.1", mosquitto.port), SITE, lines, replace=False)
    source = f'type = "folder", path = "{tmp_path}/frames"'
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), source, interval_s=0.3)
    image, agent = Image(tmp_path / "disk.img"), AgentProcess(config)
    with mounted(image.path, tmp_path / "data") as disk, WmsSide(mosquitto.port) as wms:
        agent.start()
        assert agent.process
        try:
            wms.wait_for(lambda: len(wms.events) >= 5)
            with within(SAID_WITHIN_S):
                abort(disk)
                wms.wait_for(lambda: bool(_troubles(wms)))
            assert "check the disk" in _troubles(wms)[0]
            assert agent.process.poll() is None, "it goes on looking"
        finally:
            agent.process.send_signal(signal.SIGKILL)
            agent.finish()
