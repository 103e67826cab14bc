"""What an event costs a receiver, by thread: processor time, with a real Mosquitto and a SQLite file.

    python -m tests.scripts.receiver_profile [ROUNDS] [--events N] [--before COMMIT]

As in tests/benchmarks/receiver.py the events of 1,000 agents wait in the broker. The receiver runs in a process of its
own that reads the clocks of its threads: when the first events are stored, when all are, and when it has stopped after
that, so that every agent has its acknowledgement. With --before, an earlier commit's receiver does the same in turn.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kardus.mqtt.settings import BrokerSettings
from warehouse.receiving import service
from warehouse.receiving.receiver import Receiver, ReceiverSettings

SITE, EVENTS, LOOK_S = "hall", 6000, 0.02
Costs = dict[str, float]
"""Microseconds of processor time an event, by what the thread does."""


def receive(port: int, folder: Path, events: int) -> Costs:
    """Receive so many events, in this process."""
    receiver = Receiver(BrokerSettings("127.0.0.1", port), ReceiverSettings(SITE, folder / "k.sqlite"))
    seldom: Any = getattr(service, "collecting_seldom", nullcontext)  # an earlier commit's has none
    with receiver, seldom():
        before, stored = _clocks(), 0
        while (now := receiver.status().events) < events:
            if now and not stored:
                before, stored = _clocks(), now
            time.sleep(LOOK_S)
        used = {name: seconds - before.get(name, 0.0) for name, seconds in _clocks().items()}
        began_s = time.process_time()
    used["acknowledgements that were left"] = time.process_time() - began_s
    return {name: 1e6 * seconds / (events - stored) for name, seconds in used.items()}


def _clocks() -> Costs:
    """Seconds, by thread."""
    found: Costs = {}
    for thread in threading.enumerate():
        name = "paho" if thread.name.startswith("paho") else thread.name
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        found[name] = found.get(name, 0.0) + time.clock_gettime(clock)
    return found


def measure(tree: Path, messages: list[tuple[str, bytes]]) -> Costs:
    """One round of a source."""
    from kardus.mqtt.client import MqttClient
    from tests.brokers import Mosquitto

    with tempfile.TemporaryDirectory() as work:
        broker = Mosquitto(Path(work) / "broker", "max_queued_messages 0\n")
        broker.start()
        words = [sys.executable, __file__, "--port", str(broker.port), "--folder", work]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        try:
            subprocess.run([*words, "--events", "0"], check=True, env=environment, capture_output=True)  # subscribes
            with MqttClient(BrokerSettings("127.0.0.1", broker.port)) as connection:
                for start in range(0, len(messages), 500):
                    connection.publish(messages[start : start + 500], retain=False)
            done = subprocess.run(
                [*words, "--events", str(len(messages))], check=True, env=environment, stdout=subprocess.PIPE, text=True
            )
        finally:
            broker.kill()
    return dict(json.loads(done.stdout))


def main(rounds: int, before: str, events: int) -> None:
    """Measure, and print the medians."""
    from tests.benchmarks.receiver import AGENTS, ROOT, _tree
    from tests.publishers import Publisher

    agents = [Publisher(f"box-{n:04d}") for n in range(AGENTS)]
    messages = [agents[n % AGENTS].event(f"A-{n % 15:02d}-1") for n in range(events)]
    with tempfile.TemporaryDirectory() as work:
        trees = {"now": ROOT} | ({before: _tree(before, Path(work))} if before else {})
        found: dict[str, list[Costs]] = {name: [] for name in trees}
        for _ in range(rounds):
            for name, tree in trees.items():
                found[name].append(measure(tree, messages))
    for name, costs in found.items():
        print(f"{name}, n = {rounds}: µs an event", flush=True)
        for thread in sorted({thread for one in costs for thread in one}):
            print(f"    {statistics.median(one.get(thread, 0.0) for one in costs):7.1f}  {thread}", flush=True)
        print(f"    {statistics.median(sum(one.values()) for one in costs):7.1f}  together", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--before", default="")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--port", type=int, default=0, help="of the process that receives")
    parser.add_argument("--folder", type=Path, default=Path(), help="of the process that receives")
    options = parser.parse_args()
    if not options.port:
        main(options.rounds, options.before, options.events)
    elif options.events:
        print(json.dumps(receive(options.port, options.folder, options.events)))
    else:
        with Receiver(BrokerSettings("127.0.0.1", options.port), ReceiverSettings(SITE, options.folder / "k.sqlite")):
            time.sleep(2)
