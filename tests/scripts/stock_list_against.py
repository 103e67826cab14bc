"""A list of 100,000 lines, read and published anew, and 100,000 states watched, beside an earlier commit.

    python -m tests.scripts.stock_list_against [--lines 100000] [--rounds 5] [--commit 1478104]

Both commits take turns with the same files and libraries, each round with a broker of its own (Mosquitto as it comes).
The commit is the one before lists were read as they are shown. What isn't committed isn't measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.benchmarks.against import tree
from tests.brokers import Mosquitto
from tests.publishers import SITE, Publisher
from tests.scripts.stock_list import MAX_MB, write_list
from tests.warehouse.flood import announced
from warehouse.stock.read_back import read_by_name
from warehouse.stock.stock_list import read_stock

BASE = "1478104"
GOAL_READ_S, GOAL_READ_MB, GOAL_PUBLISH_S = 3.0, 200.0, 60.0
AGENT_LOCATIONS = 500
"""As many as an agent has at most."""
WATCH_S = 20
_READ = f"""import sys, time; from pathlib import Path; from warehouse.stock.stock_list import read_stock
began = time.perf_counter(); lines = read_stock(Path(sys.argv[1])); took = time.perf_counter() - began
print(len(lines), took, time.process_time(), {MAX_MB})"""
Figures = dict[str, list[float]]
"""Values by what they are of, one a round."""


class Ran(NamedTuple):
    """What a command came to in a tree."""

    seconds: float
    code: int
    stdout: str
    stderr: str


def main() -> None:
    """Print a row for each figure of either commit, with n and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commit", default=BASE)
    asked = parser.parse_args()
    found: dict[str, Figures] = {"before": defaultdict(list), "now": defaultdict(list)}
    with tempfile.TemporaryDirectory() as name, tree(asked.commit, "before") as before, tree("HEAD", "now") as now:
        path = Path(name) / "stock.xlsx"
        write_list(path, asked.lines)
        for number in range(asked.rounds):
            pair = [("before", before), ("now", now)]
            for which, folder in pair[:: -1 if number % 2 else 1]:  # neither is always the first
                _measure(folder, path, found[which])
    print(f"{asked.lines} lines, n = {asked.rounds}, {asked.commit} beside HEAD: median (lowest to highest)")
    for what in found["now"]:
        print(f"| {what} | {_said(found['before'].get(what, []))} | {_said(found['now'][what])} |")
    print(f"goals: read in {GOAL_READ_S:g} s and {GOAL_READ_MB:g} MB, published in {GOAL_PUBLISH_S:g} s, every state")


def _measure(folder: Path, path: Path, figures: Figures) -> None:
    """One round of one commit."""
    read = _run(folder, "-c", _READ, str(path))
    lines, took, processor, largest = map(float, read.stdout.split())
    figures["lines read"].append(lines)
    figures["read and checked, s"].append(took)
    figures["processor time of the process that reads, s"].append(processor)
    figures["largest memory of that process, MB"].append(largest)
    with _broker() as port:
        _publish(folder, path, port, figures)
    with _broker() as port:
        _watch(folder, int(lines), port, figures)


def _publish(folder: Path, path: Path, port: int, figures: Figures) -> None:
    """Publish the list anew, and once more, as after a run that was broken off."""
    command = ("-m", "warehouse", "expect", str(path), "--site", SITE, "--host", "127.0.0.1", "--port", str(port))
    for said in ("anew", "once more"):
        ran = _run(folder, *command)
        figures[f"published {said}, with reading, s"].append(ran.seconds)
        figures[f"published {said}: exit code"].append(ran.code)
        wanted = [line.location for line in read_stock(path)]
        kept = read_by_name(BrokerSettings("127.0.0.1", port), SITE, wanted).found
        figures[f"published {said}: locations that the broker holds"].append(len(kept))


def _watch(folder: Path, locations: int, port: int, figures: Figures) -> None:
    """Let `watch` look at as many retained states, of agents with AGENT_LOCATIONS each."""
    with MqttClient(BrokerSettings("127.0.0.1", port)) as client:
        for number in range(-(-locations // AGENT_LOCATIONS)):
            count = min(AGENT_LOCATIONS, locations - number * AGENT_LOCATIONS)
            agent = Publisher(f"box-{number}")
            states = [agent.state(f"A{number:03}-{place:04}") for place in range(count)]
            client.publish([*states, announced(agent, count)], retain=True)
    seconds = ("--seconds", str(WATCH_S), "--json")
    ran = _run(folder, "-m", "warehouse", "watch", "--site", SITE, "--host", "127.0.0.1", "--port", str(port), *seconds)
    figures[f"states that `watch --seconds {WATCH_S}` shows"].append(_states_in(ran.stdout))
    figures["watch: exit code (1: it says that some are missing)"].append(ran.code)
    figures["watch, with its start, s"].append(ran.seconds)


def _states_in(output: str) -> int:
    told = json.loads(output or "[]")
    return len(told if isinstance(told, list) else told.get("states", told.get("locations", ())))


@contextmanager
def _broker() -> Iterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            yield broker.port
        finally:
            broker.kill()


def _run(folder: Path, *words: str) -> Ran:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode and not done.stdout:
        print(f"{folder.name}: {words[:3]}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return Ran(time.monotonic() - began, done.returncode, done.stdout, done.stderr)


def _said(values: list[float]) -> str:
    if not values:
        return ""
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g}), n = {len(values)}"


if __name__ == "__main__":
    main()
