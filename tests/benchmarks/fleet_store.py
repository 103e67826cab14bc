"""A fleet's events into PostgreSQL: python -m tests.benchmarks.fleet_store [--agents N] [--period S] [--seconds S].

Simulated agents (`fleet_process`: MQTT sessions of their own, QoS 1) tell one event each every `--period` seconds to
one Mosquitto; one `kardus-wms receive`, a process of its own, stores them in PostgreSQL (a cluster of its own, `fsync`
on). All share the machine's cores. Lost is what the broker has acknowledged to an agent and isn't in the database in
the end; the delay runs from an event's making to the moment at which the receiver took it to be stored. Processor time
is that of the receiver alone, and of PostgreSQL's processes; resident memory is the receiver's, at the end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from tests.benchmarks.fleet import QUEUE, SITE, play_fleet
from tests.brokers import Mosquitto
from tests.clusters import running_cluster
from tests.patience import children

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_S, LOOK_S = 300.0, 0.5
DELAYS = (
    "SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY extract(epoch FROM received - captured)) "
    "FROM events"
)


@dataclass(frozen=True)
class Stored:
    """What came of a fleet."""

    sent: int
    acknowledged: int
    """By the broker."""
    late: int
    """Not sent in their turn."""
    stored: int
    agents: int
    """Different ones in the database."""
    delays_s: tuple[float, float, float]
    """Median, p99, longest."""
    receiver_ms: float
    """Processor time an event ..."""
    database_ms: float
    """... and that of PostgreSQL."""
    memory_mb: float
    """Of the receiver, at the end."""


def measure(folder: Path, agents: int, period_s: float, seconds: float) -> Stored:
    """Play the fleet once."""
    broker = Mosquitto(folder / "mosquitto", QUEUE)
    broker.start()
    try:
        with running_cluster(durable=True) as cluster:
            url = cluster.url(cluster.make_database("kardus_template"))
            words = ["receive", "--site", SITE, "--host", "127.0.0.1", "--port", str(broker.port), "--database", url]
            command = [sys.executable, "-m", "warehouse", *words, "--pictures", str(folder / "pictures")]
            subprocess.run([*command, "--seconds", "2"], check=True)  # the broker keeps its session from now on
            receiver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            try:
                _wait_until_connected(receiver)
                return _watch(url, receiver.pid, lambda: play_fleet(broker.port, agents, seconds, period_s))
            finally:
                receiver.terminate()
                receiver.wait()
    finally:
        broker.kill()


def _wait_until_connected(receiver: subprocess.Popen[str]) -> None:
    if receiver.stderr is None or not any("connected to" in line for line in receiver.stderr):
        raise RuntimeError("the receiver couldn't connect")


def _watch(url: str, pid: int, play: Callable[[], list[dict[str, int]]]) -> Stored:
    began_s = _processor_s(pid)
    told = play()
    sent, acknowledged, late = (sum(each[name] for each in told) for name in ("sent", "acknowledged", "late"))
    with psycopg.connect(url, autocommit=True) as database:
        deadline = time.monotonic() + PATIENCE_S
        while (counted := _row(database, "SELECT count(*), count(DISTINCT agent) FROM events"))[0] < acknowledged:
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_S)
        median_s, p99_s, most_s = (float(value) for value in _row(database, DELAYS)[0])
        server = _parent(_row(database, "SELECT pg_backend_pid()")[0])
        servers_s = sum(_processor_s(one) for one in [server, *children(server)])
    per_event_ms = 1000 / max(1, counted[0])
    delays_s = (median_s, p99_s, most_s)
    times_ms = (_processor_s(pid) - began_s) * per_event_ms, servers_s * per_event_ms
    return Stored(sent, acknowledged, late, counted[0], counted[1], delays_s, *times_ms, _memory_mb(pid))


def _row(database: "psycopg.Connection[tuple[object, ...]]", statement: str) -> tuple[Any, ...]:
    return database.execute(statement.encode()).fetchone() or ()


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def _parent(pid: int) -> int:
    return int(_fields(pid)[1])


def _processor_s(pid: int) -> float:
    """User and system time, with what processes used that it has waited for."""
    return sum(int(field) for field in _fields(pid)[11:15]) / TICKS_A_SECOND


def _memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(arguments: list[str]) -> int:
    """Measure, and print; exit code 1 where an event was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--period", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kardus-fleet-") as folder:
        found = measure(Path(folder), options.agents, options.period, options.seconds)
    lost = found.acknowledged - found.stored
    say = Console(highlight=False, soft_wrap=True).print
    say(f"{options.agents} agents, {found.agents} stored; {found.sent} events, {found.late} sent late; lost: {lost}")
    say("delay: median {:.3f} s, p99 {:.3f} s, longest {:.3f} s".format(*found.delays_s))
    say(f"processor time an event: receiver {found.receiver_ms:.2f} ms, PostgreSQL {found.database_ms:.2f} ms")
    say(f"receiver: {found.memory_mb:.0f} MB")
    return int(lost != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
