"""1,000 simulated agents against one Mosquitto and one receiver, all on this machine.

    python -m tests.benchmarks.fleet [--scale smoke|bench|full]

Each agent is an MQTT session of its own (paho, QoS 1), 250 at most to a process, that publishes real events of the
contract at its turn, one a second. The receiver is one subscriber of the site that decodes every event. Broker, agents
and receiver share the machine's cores. The delay runs from an event's own time of making to its decoding. Lost is what
an agent was told is acknowledged, and never came; late is what an agent couldn't send in its turn.
"""

import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kardus.contract.topics import agents_filter
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.benchmarks.pairs import percentile
from tests.benchmarks.report import Curve, Report
from tests.benchmarks.scale import Scale, run
from tests.brokers import Mosquitto

SITE = "fleet"
LARGEST = 250
"""Agents to a process."""
RATE_GOAL, P99_GOAL_S = 1000.0, 1.0
PATIENCE_S = 120.0
QUEUE = "max_queued_messages 200000\nmax_connections -1\n"
READY = "ready"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    agents: int
    seconds: float


SIZES: dict[Scale, Size] = {"smoke": Size(6, 1), "bench": Size(1000, 30), "full": Size(1000, 300)}


@dataclass
class Receiver:
    """What one subscriber of the whole site gets."""

    delays_s: list[float] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    sequences: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come."""
        if not topic.endswith("/events"):
            return
        message = json.loads(payload)
        now = time.time()
        with self.changed:
            self.delays_s.append(now - datetime.fromisoformat(message["time"]).timestamp())
            self.arrived_s.append(now)
            self.sequences[message["source"]].add(message["data"]["sequence"])
            self.changed.notify_all()

    @property
    def count(self) -> int:
        """Different events."""
        return sum(map(len, self.sequences.values()))


def measure(scale: Scale, folder: Path) -> Report:
    """The whole fleet once."""
    size, report = SIZES[scale], Report("fleet", scale)
    broker = Mosquitto(folder / "mosquitto", QUEUE)
    broker.start()
    receiver = Receiver()
    try:
        with MqttClient(BrokerSettings("127.0.0.1", broker.port), [(agents_filter(SITE), 1)], receiver.take):
            told = play_fleet(broker.port, size.agents, size.seconds)
            acknowledged = sum(each["acknowledged"] for each in told)
            with receiver.changed:
                receiver.changed.wait_for(lambda: receiver.count >= acknowledged, PATIENCE_S)
    finally:
        broker.kill()
    _tell(report, receiver, told, size)
    return report


def play_fleet(port: int, agents: int, seconds: float, period_s: float = 1.0) -> list[dict[str, int]]:
    """Start the processes, let them begin together once all are connected, and read what each tells at its end.

    Args:
        port: the broker's.
        agents: how many.
        seconds: for so long they tell events.
        period_s: each tells one so often.
    """
    shares = [min(LARGEST, agents - first) for first in range(0, agents, LARGEST)]
    command = [sys.executable, "-m", "tests.benchmarks.fleet_process", str(port)]
    processes = [
        subprocess.Popen(
            [*command, str(LARGEST * number), str(proportion), str(seconds), str(period_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, proportion in enumerate(shares)
    ]
    try:
        for process in processes:
            if process.stdout is None or process.stdout.readline().strip() != READY:
                raise RuntimeError("a process of the fleet couldn't connect its agents")
        told = []
        for process in processes:
            if process.stdin:
                process.stdin.write("go\n")
                process.stdin.flush()
        for process in processes:
            out, _ = process.communicate(timeout=seconds + PATIENCE_S)
            told.append(json.loads(out))
        return told
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _tell(report: Report, receiver: Receiver, told: list[dict[str, int]], size: Size) -> None:
    acknowledged, n = sum(each["acknowledged"] for each in told), len(receiver.delays_s)
    if not n:
        raise RuntimeError("the receiver got nothing")
    seconds = max(receiver.arrived_s) - min(receiver.arrived_s)
    goal = RATE_GOAL * size.agents / 1000
    report.add_value("agents", size.agents, "", size.agents)
    # the last second isn't full: 1,000 agents send their last event at different moments
    report.add_value("events received", n / max(seconds, size.seconds), "events/s", n, "at least", 0.99 * goal)
    report.add_value("late", sum(each["late"] for each in told), "events", n)
    report.add_value("lost", acknowledged - receiver.count, "events", acknowledged, "at most", 0)
    report.add_value("received twice", n - receiver.count, "events", n)
    report.add_value("delay, p50", percentile(receiver.delays_s, 0.5), "s", n)
    report.add_value("delay, p99", percentile(receiver.delays_s, 0.99), "s", n, "at most", P99_GOAL_S)
    report.curves.append(
        Curve("delay of events", "second of the run", "p99, s", {f"{size.agents} agents": _by_second(receiver)})
    )


def _by_second(receiver: Receiver) -> list[tuple[float, float]]:
    first, seconds = min(receiver.arrived_s), defaultdict(list)
    for arrived_s, delay_s in zip(receiver.arrived_s, receiver.delays_s, strict=True):
        seconds[int(arrived_s - first)].append(delay_s)
    return [(float(second), percentile(delays, 0.99)) for second, delays in sorted(seconds.items())]


if __name__ == "__main__":
    run(measure)
