"""`kardus-wms receive` killed at random moments under load: every event is stored, and none twice."""

import json
import random
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from kardus.contract.topics import Topics
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.conftest import BIN
from tests.patience import PATIENCE_S
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.store.reader import StoreReader

AGENTS = 3


def _command(mosquitto: Mosquitto, path: Path) -> list[str]:
    words = ("receive", "--sqlite", path, "--site", SITE, "--host", "127.0.0.1", "--port", mosquitto.port, "--json")
    return [str(BIN / "kardus-wms"), *map(str, words)]


def _count(path: Path) -> int:
    with sqlite3.connect(path, timeout=PATIENCE_S) as database:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])


def _begin(mosquitto: Mosquitto, path: Path) -> None:
    """The first start, with which the broker begins to keep what comes."""
    process = subprocess.Popen(_command(mosquitto, path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
    process.terminate()
    assert process.wait() == 0


def _kill_often(mosquitto: Mosquitto, path: Path, kills: int, each: int, seed: int) -> None:
    agents, rng = [Publisher(f"box-{n}") for n in range(AGENTS)], random.Random(seed)
    _begin(mosquitto, path)
    over = threading.Event()

    def load() -> None:
        with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as connection:
            while not over.is_set():
                connection.publish([event for agent in agents for event in agent.events(each)], retain=False)

    thread = threading.Thread(target=load)
    thread.start()
    for _ in range(kills):
        before = _count(path)
        process = subprocess.Popen(_command(mosquitto, path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda before=before: _count(path) > before)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.3))  # the moment is what is random here
        process.send_signal(signal.SIGKILL)
        process.wait()
    over.set()
    thread.join()
    _assert_all_once(mosquitto, path, agents)


def _assert_all_once(mosquitto: Mosquitto, path: Path, agents: list[Publisher]) -> None:
    total = sum(agent.sequence for agent in agents)
    process = subprocess.Popen(_command(mosquitto, path), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: _count(path) >= total, 600)
    process.terminate()
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert json.loads(output.splitlines()[-1])["dead_letters"] == 0
    with StoreReader.open(path) as reader:
        stored = reader.events(limit=10 * total)
        assert reader.missing_events() == []
    for agent in agents:
        assert [event.envelope.id for event in stored if event.agent == agent.topics.agent] == agent.ids
    acks: dict[str, int] = {}
    take = lambda topic, text: acks.update({topic: json.loads(text)["contiguous_to"]})  # noqa: E731
    with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), [(Topics(SITE, "+").ack, 1)], take):
        wait_for(lambda: acks == {agent.topics.ack: agent.sequence for agent in agents})


@pytest.fixture
def roomy(tmp_path: Path) -> Mosquitto:
    """A broker that queues whatever comes."""
    broker = Mosquitto(tmp_path / "roomy", "max_queued_messages 0\n")
    broker.start()
    return broker


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_receiver_killed_at_random_moments_loses_nothing_and_stores_nothing_twice(
    roomy: Mosquitto, tmp_path: Path
) -> None:
    try:
        _kill_often(roomy, tmp_path / "k.sqlite", kills=30, each=20, seed=2)
    finally:
        roomy.kill()
