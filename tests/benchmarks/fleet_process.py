"""One process of the fleet: some simulated agents, each with an MQTT session of its own, on one thread.

    python -m tests.benchmarks.fleet_process PORT FIRST COUNT SECONDS PERIOD

Each tells one event every PERIOD seconds.
Says `ready` when all are connected, begins when it is told `go`, and ends with a line of JSON.
"""

import json
import selectors
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import Finding
from kardus.contract.messages import Model
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from tests.benchmarks.fleet import PATIENCE_S, READY, SITE

LATE_S = 0.5
"""An event is late that is sent so long after its turn."""
IN_FLIGHT = 20
"""As the real agent's."""
KEEPALIVE_S = 60
LOOK_AFTER_S = 0.2


@dataclass
class Tally:
    """What the agents of a process did."""

    sent: int = 0
    acknowledged: int = 0
    late: int = 0


class SimulatedAgent:
    """A session with the broker, and events of a location of its own."""

    def __init__(self, number: int, port: int, tally: Tally) -> None:
        """Connect; the broker's answer is awaited with the others'."""
        topics = Topics(SITE, f"box-{number}")
        self._writer = MessageWriter(topics, Model(name="fleet", version="1.0.0"), 300)
        self._location = f"A-{number:04d}-1-01"
        self._tally = tally
        self._sequence = 0
        self.connected = False
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"fleet-{number}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.max_inflight_messages_set(IN_FLIGHT)
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.connect("127.0.0.1", port, KEEPALIVE_S)

    def tell(self) -> None:
        """Publish the next event."""
        self._sequence += 1
        finding = Finding(self._location, Verdict.MISMATCH, "rack", datetime.now(UTC))
        topic, payload = self._writer.event(finding, None, "epoch", self._sequence, historical=False)
        self.client.publish(topic, payload, qos=1)
        self._tally.sent += 1

    def _on_connect(self, *answer: Any) -> None:
        self.connected = not answer[3].is_failure

    def _on_publish(self, *_: Any) -> None:
        self._tally.acknowledged += 1


class Loop:
    """Serves all sockets of the process."""

    def __init__(self, agents: list[SimulatedAgent]) -> None:
        """Watch the sockets, which are open."""
        self._agents = agents
        self._selector = selectors.DefaultSelector()
        for agent in agents:
            self._selector.register(agent.client.socket(), selectors.EVENT_READ, agent)  # type: ignore[arg-type]
        self._looked_after_s = time.monotonic()

    def serve(self, wait_s: float) -> None:
        """Read what has come. Publishing writes at once; what a full socket didn't take is written now and then."""
        for key, _ in self._selector.select(max(0.0, wait_s)):
            key.data.client.loop_read()
        if time.monotonic() - self._looked_after_s > LOOK_AFTER_S:
            self._looked_after_s = time.monotonic()
            for agent in self._agents:
                agent.client.loop_misc()
                if agent.client.want_write():
                    agent.client.loop_write()


def play(agents: list[SimulatedAgent], loop: Loop, seconds: float, period_s: float, tally: Tally) -> None:
    """Let each tell an event in its turn, evenly over the period; wait for the last acknowledgement."""
    began = time.monotonic()
    turns = int(seconds * len(agents) / period_s)
    for turn in range(turns):
        due_s = began + turn * period_s / len(agents)
        while (wait_s := due_s - time.monotonic()) > 0:
            loop.serve(wait_s)
        tally.late += time.monotonic() - due_s > LATE_S
        agents[turn % len(agents)].tell()
        loop.serve(0)
    end_s = time.monotonic() + PATIENCE_S
    while tally.acknowledged < tally.sent and time.monotonic() < end_s:
        loop.serve(0.05)


def main(port: int, first: int, count: int, seconds: float, period_s: float) -> None:
    """Connect, wait, play, tell."""
    tally = Tally()
    agents = [SimulatedAgent(first + number, port, tally) for number in range(count)]
    loop = Loop(agents)
    end_s = time.monotonic() + PATIENCE_S
    while not all(agent.connected for agent in agents):
        loop.serve(0.05)
        if time.monotonic() > end_s:
            sys.exit("not every agent was connected")
    say(READY)
    while not _told_to_go(loop):
        pass
    play(agents, loop, seconds, period_s, tally)
    say(json.dumps({"sent": tally.sent, "acknowledged": tally.acknowledged, "late": tally.late}))


def say(line: str) -> None:
    """To the process that waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _told_to_go(loop: Loop) -> bool:
    """Keep the sessions alive until the starting signal."""
    with selectors.DefaultSelector() as signal:
        signal.register(sys.stdin, selectors.EVENT_READ)
        loop.serve(0)
        return bool(signal.select(0.05)) and bool(sys.stdin.readline())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
