"""How many events a second receivers store for good, and at what processor time, through a real Mosquitto.

    python -m tests.benchmarks.receiver [ROUNDS] [--before COMMIT] [--events N]

EVENTS of AGENTS agents wait in the broker (of about 1,000 bytes each, as the agent writes them); then `kardus-wms
receive` runs, in a process of its own for each receiver, until all are in its database, each acknowledged to the broker
after its transaction. The time runs from the first event in the database to the last, as seen by looking every 20 ms;
the processor time is that of the receivers alone (the server's own isn't in it). The rows are measured in turn, each
round beginning with another one: SQLite (`synchronous=EXTRA`) with one receiver, PostgreSQL (`fsync` on, a cluster of
its own) with one and with two of one group; and with --before the same of an earlier commit, SQLite with one and two.
"""

import argparse
import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.benchmarks.pairs import median, ratio
from tests.brokers import Mosquitto
from tests.clusters import Cluster, running_cluster
from tests.publishers import SITE, Publisher

ROOT = Path(__file__).parents[2]
EVENTS, AGENTS = 10_000, 1000
LOOK_S = 0.02
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
Messages = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Found:
    """One round of one row."""

    events_s: float
    """Events a second."""
    cpu_us: float
    """Microseconds of the receivers' processor time an event."""


@dataclass(frozen=True)
class Row:
    """Receivers of one database."""

    label: str
    tree: Path
    """The source that they run from."""
    server: bool
    receivers: int


def measure(row: Row, events: Messages, cluster: Cluster) -> Found:
    """One round, with a broker and a database of its own."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        broker = Mosquitto(folder / "broker", "max_queued_messages 0\n")
        broker.start()
        try:
            return _measure(row, events, broker, folder, cluster)
        finally:
            broker.kill()


def _measure(row: Row, events: Messages, broker: Mosquitto, folder: Path, cluster: Cluster) -> Found:
    database = cluster.make_database("kardus_template") if row.server else ""
    where = cluster.url(database) if row.server else str(folder / "k.sqlite")
    words = ["receive", "--site", SITE, "--host", "127.0.0.1", "--port", str(broker.port), "--sqlite", where]
    words += ["--pictures", str(folder / "pictures")] if row.server else []
    words += ["--group", "team"] if row.receivers > 1 else []
    commands = [[sys.executable, "-m", "warehouse", *words, "--name", f"n{n}"] for n in range(row.receivers)]
    environment = os.environ | {"PYTHONPATH": str(row.tree)}
    for command in commands:
        subprocess.run([*command, "--seconds", "2"], check=True, cwd=row.tree, env=environment)
    with MqttClient(BrokerSettings("127.0.0.1", broker.port)) as connection:
        for start in range(0, len(events), 500):
            connection.publish(events[start : start + 500], retain=False)
    processes = [subprocess.Popen(command, cwd=row.tree, env=environment) for command in commands]
    try:
        return _watch(_counter(where, cluster, database), len(events), [process.pid for process in processes])
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        if database:
            cluster.execute(f"DROP DATABASE {database} WITH (FORCE)")


def _counter(path: str, cluster: Cluster, database: str) -> Callable[[], int]:
    statement = "SELECT coalesce(max(number), 0) FROM events"
    if not database:
        file = sqlite3.connect(path, timeout=30)
        return lambda: int(file.execute(statement).fetchone()[0])
    server = psycopg.connect(
        f"host={cluster.folder} port={cluster.port} user=postgres dbname={database}", autocommit=True
    )

    def count() -> int:
        row = server.execute(statement).fetchone()
        return int(row[0]) if row else 0

    return count


def _watch(count: Callable[[], int], wanted: int, pids: list[int]) -> Found:
    first, began, used = 0, 0.0, 0.0
    while (found := count()) < wanted:
        if found and not first:
            first, began, used = found, time.monotonic(), _processor_s(pids)
        time.sleep(LOOK_S)
    took_s, cpu_s = time.monotonic() - began, _processor_s(pids) - used
    return Found((wanted - first) / took_s, 1e6 * cpu_s / (wanted - first))


def _processor_s(pids: list[int]) -> float:
    """User and system time, by /proc/PID/stat."""
    fields = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS_A_SECOND


def _tree(commit: str, folder: Path) -> Path:
    """The source of a commit."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def main(rounds: int, before: str, number: int) -> None:
    """Measure, and print the table."""
    agents = [Publisher(f"box-{n:04d}") for n in range(AGENTS)]
    events = [agents[n % AGENTS].event(f"A-{n % 15:02d}-1") for n in range(number)]
    with tempfile.TemporaryDirectory() as work, running_cluster(durable=True) as cluster:
        rows = [Row("SQLite, one", ROOT, server=False, receivers=1)]
        rows += [Row(f"PostgreSQL, {label}", ROOT, server=True, receivers=n) for n, label in ((1, "one"), (2, "two"))]
        if before:
            tree = _tree(before, Path(work))
            rows += [
                Row(f"{before}: SQLite, {label}", tree, server=False, receivers=n)
                for n, label in ((1, "one"), (2, "two"))
            ]
        found: dict[str, list[Found]] = {row.label: [] for row in rows}
        for turn in range(rounds):
            for place in range(len(rows)):
                row = rows[(turn + place) % len(rows)]
                found[row.label].append(measure(row, events, cluster))
    _tell(found, before)


def _tell(found: dict[str, list[Found]], before: str) -> None:
    table = Table(
        "receivers", "events/s (95 %)", "receivers' µs an event (95 %)", "times before's events/s", "its µs", "n"
    )
    for label, rounds in found.items():
        speed, cost = median([one.events_s for one in rounds]), median([one.cpu_us for one in rounds])
        base = found.get(f"{before}: SQLite, {'two' if label.endswith('two') else 'one'}")
        more = ["", ""]
        if base and base is not rounds:
            faster = ratio([one.events_s for one in rounds], [one.events_s for one in base])
            dearer = ratio([one.cpu_us for one in rounds], [one.cpu_us for one in base])
            more = [f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})" for r in (faster, dearer)]
        cells = [f"{r.value:.0f} ({r.low:.0f} to {r.high:.0f})" for r in (speed, cost)]
        table.add_row(label, *cells, *more, str(speed.n))
    Console(width=160).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--before", default="")
    parser.add_argument("--events", type=int, default=EVENTS)
    options = parser.parse_args()
    main(options.rounds, options.before, options.events)
