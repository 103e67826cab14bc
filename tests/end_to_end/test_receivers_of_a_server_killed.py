"""Two receivers of a group on one PostgreSQL, killed at random under load: every event is stored, and none twice."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.clusters import Cluster
from tests.patience import wait_until
from tests.publishers import SITE, Publisher
from warehouse.store.address import address_of
from warehouse.store.checking import check_database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

AGENTS = 3
NAMES = ("one", "two")


def _start(mosquitto: Mosquitto, url: str, folder: Path, name: str) -> subprocess.Popen[bytes]:
    words = ["receive", "--database", url, "--pictures", folder / "pictures", "--site", SITE, "--group", "team"]
    words += ["--host", "127.0.0.1", "--port", mosquitto.port, "--name", name]
    command = [sys.executable, "-m", "warehouse", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _count(cluster: Cluster, database: str) -> int:
    return int(str(cluster.execute("SELECT count(*) FROM events", database)[0][0]))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_receivers_killed_at_random_lose_nothing_and_store_nothing_twice(
    kills: int, cluster: Cluster, tmp_path: Path
) -> None:
    broker, rng = Mosquitto(tmp_path / "roomy", "max_queued_messages 0\n"), random.Random(kills)
    broker.start()
    database = cluster.make_database("kardus_template")
    url, agents = cluster.url(database), [Publisher(f"box-{n}") for n in range(AGENTS)]
    running = {name: _start(broker, url, tmp_path, name) for name in NAMES}
    for name in NAMES:
        broker.wait_for_subscription(f"kardus-receive-{SITE}-{name}")
    over = threading.Event()

    def load() -> None:
        with MqttClient(BrokerSettings("127.0.0.1", broker.port)) as connection:
            while not over.wait(0.05):
                connection.publish([event for agent in agents for event in agent.events(10)], retain=False)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(kills):
            before, name = _count(cluster, database), rng.choice(NAMES)
            wait_until(lambda before=before: _count(cluster, database) > before)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.3))  # the moment is what is random here
            running[name].send_signal(signal.SIGKILL)
            running[name].wait()
            running[name] = _start(broker, url, tmp_path, name)
        over.set()
        thread.join()
        total = sum(agent.sequence for agent in agents)
        wait_until(lambda: _count(cluster, database) >= total)
        with open_database(url, make=False) as opened:
            stored = StoreReader(opened).events(limit=10 * total)
            assert StoreReader(opened).missing_events() == []
        assert sorted(event.envelope.id for event in stored) == sorted(id_ for agent in agents for id_ in agent.ids)
        assert [event.number for event in stored] == list(range(1, total + 1))
        assert check_database(address_of(url)).problems == []
    finally:
        over.set()
        thread.join()
        for process in running.values():
            process.kill()
            process.wait()
        broker.kill()
