"""How many events a second a receiver stores for good, through a real Mosquitto on this machine.

    python -m tests.benchmarks.receiver [ROUNDS]

EVENTS of AGENTS agents wait in the broker (of about 1,000 bytes each, as the agent writes them); then `kardus-wms
receive` runs in a process of its own until all are in its database: each transaction with `synchronous=EXTRA`, and
acknowledged to the broker after it. The time runs from the first event in the database to the last, as seen by looking
every 20 ms. The second row has two receivers of one group on one database.
"""

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.conftest import BIN
from tests.publishers import SITE, Publisher

EVENTS, AGENTS = 10_000, 1000
LOOK_S = 0.02


def rate(events: list[tuple[str, bytes]], names: list[str], group: str) -> float:
    """Events a second, by these receivers of one database."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        broker = Mosquitto(folder / "broker", "max_queued_messages 0\n")
        broker.start()
        try:
            return _rate(broker, folder / "k.sqlite", events, names, group)
        finally:
            broker.kill()


def _rate(broker: Mosquitto, path: Path, events: list[tuple[str, bytes]], names: list[str], group: str) -> float:
    words = [
        "receive",
        "--sqlite",
        path,
        "--site",
        SITE,
        "--host",
        "127.0.0.1",
        "--port",
        broker.port,
        "--group",
        group,
    ]
    commands = [[str(BIN / "kardus-wms"), *map(str, words), "--name", name] for name in names]
    for command in commands:
        subprocess.run([*command, "--seconds", "2"], check=True)
    with MqttClient(BrokerSettings("127.0.0.1", broker.port)) as connection:
        for start in range(0, len(events), 500):
            connection.publish(events[start : start + 500], retain=False)
    processes = [subprocess.Popen(command) for command in commands]
    try:
        return _watch(path, len(events))
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _watch(path: Path, wanted: int) -> float:
    database = sqlite3.connect(path, timeout=30)
    first, began = 0, 0.0
    while (found := int(database.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()[0])) < wanted:
        if found and not first:
            first, began = found, time.monotonic()
        time.sleep(LOOK_S)
    database.close()
    return (wanted - first) / (time.monotonic() - began)


def main(rounds: int) -> None:
    """Measure, and print the table."""
    agents = [Publisher(f"box-{n:04d}") for n in range(AGENTS)]
    events = [agents[n % AGENTS].event(f"A-{n % 15:02d}-1") for n in range(EVENTS)]
    table = Table("receivers", "events/s, median", "lowest", "highest", "n")
    for label, names, group in (("one", ["one"], ""), ("two, sharing", ["one", "two"], "team")):
        found = [rate(events, names, group) for _ in range(rounds)]
        table.add_row(label, *(f"{v:.0f}" for v in (statistics.median(found), min(found), max(found))), str(rounds))
    Console().print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
