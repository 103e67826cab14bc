"""A message that the broker hangs up on, in a running agent: announced as lost, counted, and in nobody's way."""

import urllib.request
from pathlib import Path

from PIL import Image

from edge_agent.records import Message
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.topics import Topics
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import LOCATIONS, SITE, AgentProcess, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.racks import still
from tests.wms_side import WmsSide

TOPICS = Topics(SITE, "box")


def test_what_a_former_version_left_for_a_name_that_mqtt_forbids(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A location's code with a control character was taken once: its messages still wait."""
    (tmp_path / "data").mkdir()
    outbox = Outbox(tmp_path / "data" / "outbox.sqlite")
    name = "A\x85"
    event = Message("event", TOPICS.events(name), b"{}", location=name, sequence=1)
    outbox.append([event, Message("state", TOPICS.state(name), b"{}", retain=True, location=name)], {}, 1)
    epoch = outbox.epoch
    outbox.close()
    Image.fromarray(still()).save(tmp_path / "now.jpg", quality=95)
    port, source = free_port(), 'type = "file", path = "now.jpg"'
    extra, key = f"[health]\nport = {port}\n[verdict]\nvotes = 1\nwindow = 1\n", DEMO_KEY.read_text().strip()
    config = write_config(tmp_path, mosquitto.port, DEMO_BUNDLE, key, source, interval_s=3600, extra=extra)
    with WmsSide(mosquitto.port) as wms:
        agent = AgentProcess(config)
        agent.start()
        lost = {"epoch": epoch, "ranges": [[1, 1]]}
        wms.wait_for(lambda: any(t == TOPICS.lost and m["data"] == lost for t, m in wms.messages))
        wms.wait_for(lambda: len(wms.states) == len(LOCATIONS))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        code, log = agent.terminate()
    assert code == 0
    assert "kardus_outbox_set_aside_total 0.0" not in text
    assert "the broker hangs up on kardus/v1/tests/agents/box/locations/A\\x85/events (malformed packet)" in log
