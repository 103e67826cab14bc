"""How soon a change in the WMS's database is published, by NOTIFY: python -m tests.scripts.sync_latency.

A real PostgreSQL with a trigger that notifies, a real Mosquitto, `kardus-wms sync` in a process of its own, and a
subscriber in the agent's place. The time runs from the commit's return to the message's arrival.
"""

import argparse
import queue
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from kardus.contract.topics import expected_filter
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.benchmarks.pairs import median
from tests.brokers import Mosquitto
from tests.clusters import Cluster, running_cluster
from tests.patience import PATIENCE_S
from tests.publishers import SITE

TABLES = """CREATE TABLE places (code text);
CREATE TABLE quants (place text, sku text);
INSERT INTO places SELECT 'A-' || n FROM generate_series(1, {locations}) n;
INSERT INTO quants SELECT code, 'Tea' FROM places;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY stock; RETURN NULL; END';
CREATE TRIGGER t AFTER UPDATE ON quants EXECUTE FUNCTION tell();
"""
SYNC = """poll_s = 3600
[source]
kind = "sql"
url = "{url}"
managed = "SELECT code AS location FROM places"
stock = "SELECT place AS location, sku FROM quants"
listen = "stock"
"""


def measure(cluster: Cluster, folder: Path, locations: int, changes: int) -> list[float]:
    """Seconds of each change."""
    name = cluster.make_database()
    cluster.execute(TABLES.format(locations=locations), name)
    url = cluster.url(name).replace("postgresql://", "postgresql+psycopg://")
    (folder / "sync.toml").write_text(SYNC.format(url=url), encoding="utf-8")
    broker, arrived = Mosquitto(folder / "broker", "max_queued_messages 0\n"), queue.Queue[bytes]()
    broker.start()
    words = ["sync", str(folder / "sync.toml"), "--site", SITE, "--host", "127.0.0.1", "--port", str(broker.port)]
    settings = BrokerSettings("127.0.0.1", broker.port)
    try:
        with (
            subprocess.Popen([sys.executable, "-m", "warehouse", *words]) as process,
            MqttClient(settings, [(expected_filter(SITE), 1)], lambda _, payload: arrived.put(payload)),
            psycopg.connect(cluster.url(name), autocommit=True) as wms,
        ):
            for _ in range(locations):
                arrived.get(timeout=10 * PATIENCE_S)
            took = [_one(wms, arrived, number, locations) for number in range(changes + 1)]
            process.terminate()
    finally:
        broker.kill()
    return took[1:]  # with the first it may not have listened yet


def _one(wms: psycopg.Connection, arrived: "queue.Queue[bytes]", number: int, locations: int) -> float:
    time.sleep(random.uniform(0.2, 0.7))  # at whatever moment of its waiting
    sku = f"SKU-{number}"
    wms.execute("UPDATE quants SET sku = %s WHERE place = %s", [sku, f"A-{number % locations + 1}"])
    began_s = time.monotonic()
    while f'"{sku}"'.encode() not in arrived.get(timeout=10 * PATIENCE_S):
        continue
    return time.monotonic() - began_s


def main() -> None:
    """Print the median and the longest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=600)
    parser.add_argument("--changes", type=int, default=30)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_cluster(durable=True) as cluster:
        took = measure(cluster, Path(folder), words.locations, words.changes)
    found = median(took)
    print(f"median {found.value:.2f} s ({found.low:.2f} to {found.high:.2f}), longest {max(took):.2f} s, n = {found.n}")


if __name__ == "__main__":
    main()
