"""The load: an outbox, its delivery and its session in a process of their own, without cameras.

Appends numbered events in batches for as long as it lives and reports what it committed: a line in a file for every
`append` that returned, written before the next one begins. Run as `python -m tests.faults.sender ORDERS.json`.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from edge_agent.control.router import SESSION_EXPIRY_S
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import Finding, Message
from edge_agent.reporting import delivery as delivering
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.message import OutboxLimits
from edge_agent.reporting.outbox.outbox import Delivered, Outbox
from kardus.contract.messages import Model
from kardus.contract.receipts import Ack
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.mqtt.connection import Handlers, Options, PublishToken
from kardus.mqtt.incoming import Incoming
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import KardusError
from kardus.support.signals import call_on_signals
from tests.faults.gauges import Gauges

SITE, AGENT = "faults", "box"
LOCATIONS = 20
KEEPALIVE_S = 4
REFUSED_PAUSE_S = 0.1


@dataclass(frozen=True)
class Orders:
    """What a sender does."""

    outbox: str
    """The outbox's file."""
    reports: str
    """A folder for its reports, on another disk than the outbox where that one's faults are looked at."""
    port: int
    host: str = "127.0.0.1"
    delivery: Delivered = "confirmed"
    batch: int = 5
    pause_s: float = 0.005
    """Between two batches."""
    total: int = 10**9
    """After so many events (of its whole life) nothing more is appended."""
    evidence_bytes: int = 0
    """A picture of this size goes with every batch."""
    alert_every: int = 0
    """Every so many-th event is urgent; 0: none but on SIGUSR1."""
    alarm_at: int = 0
    """When the broker has acknowledged so many messages, an alert is appended, as on SIGUSR1; 0: never."""
    limits: dict[str, Any] = field(default_factory=dict)
    confirmed_within_s: float = 2.0
    version: Literal["5", "3.1.1"] = "5"
    """Of MQTT."""

    def write(self, path: Path) -> None:
        """For the command line."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


class _CountingSession(MqttSession):
    """Counts what it hands over, exactly as of any moment at which the process is killed."""

    gauges: Gauges

    def publish(
        self, connection: int, topic: str, payload: bytes, *, retain: bool, correlation: bytes = b""
    ) -> PublishToken | None:
        """Hand over, and count."""
        token = super().publish(connection, topic, payload, retain=retain, correlation=correlation)
        if token is not None:
            self.gauges["published"] += 1
            out = self.gauges["published"] - self.gauges["acknowledged"]
            self.gauges["most_in_flight"] = max(self.gauges["most_in_flight"], out)
        return token

    def ask(self, connection: int) -> PublishToken | None:
        """Ask, and count: its answer is counted too."""
        token = super().ask(connection)
        self.gauges["published"] += token is not None
        return token


class Sender:
    """Appends until it is told to stop."""

    def __init__(self, orders: Orders) -> None:
        """Open the outbox and begin to connect."""
        self._orders = orders
        self._reports = Path(orders.reports)
        gauges = self._reports / "gauges"
        self.gauges = Gauges.open(gauges) if gauges.exists() else Gauges.make(gauges)
        for name in ("in_transaction", "published", "acknowledged", "connected"):
            self.gauges[name] = 0
        self.gauges["waiting"] = self.gauges["unconfirmed"] = -1
        self._committed = os.open(self._reports / "committed", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._topics = Topics(SITE, AGENT)
        self._writer = MessageWriter(self._topics, Model(name="m", version="1.0.0"), 3600)
        self.outbox = Outbox(Path(orders.outbox), OutboxLimits(**orders.limits), orders.delivery)
        self.gauges["damaged"] += self.outbox.losses.damaged
        settings = BrokerSettings(orders.host, orders.port, keepalive_s=KEEPALIVE_S, version=orders.version)
        acks = [(self._topics.base + "/ack", 1)]
        self.session = _CountingSession(settings, "faults-sender", acks, Options(expiry_s=SESSION_EXPIRY_S))
        self.session.gauges = self.gauges
        self.delivery = Delivery(self.outbox, self.session)
        self.stopping, self.alarm = threading.Event(), threading.Event()
        self.session.start(Handlers(self._on_connect, self._on_message, self._on_acknowledged, self.delivery.lost))
        self.delivery.start()

    def run(self) -> None:
        """Append until `stopping`."""
        threading.Thread(target=self._measure, daemon=True).start()
        while not self.stopping.is_set():
            if self.alarm.is_set():
                self.alarm.clear()
                self._append(1, urgent=True)
            elif self.outbox.last_sequence < self._orders.total:
                self._append(min(self._orders.batch, self._orders.total - self.outbox.last_sequence), urgent=False)
            self.stopping.wait(self._orders.pause_s if self.outbox.last_sequence < self._orders.total else 0.02)
        self.delivery.stop()
        self.session.stop()
        self.outbox.close()
        self.gauges["dropped"] += self.outbox.losses.dropped["event"]

    def _append(self, count: int, *, urgent: bool) -> None:
        epoch, first = self.outbox.epoch, self.outbox.last_sequence + 1
        messages = [message for n in range(first, first + count) for message in self._event(epoch, n, urgent=urgent)]
        if self._orders.evidence_bytes:
            picture = self._topics.evidence("A-00", str(first))
            messages.append(Message("evidence", picture, os.urandom(self._orders.evidence_bytes)))
        self.gauges["in_transaction"] = 1
        try:
            self.outbox.append(messages, {"A-00": str(first)}, first + count - 1)
        except KardusError as error:
            self.gauges["in_transaction"] = 0
            self.gauges["refusals"] += 1
            logging.getLogger("sender").warning("%s", error)
            self.stopping.wait(REFUSED_PAUSE_S)
            return
        report = {"epoch": epoch, "first": first, "last": first + count - 1, "at_s": time.monotonic(), "urgent": urgent}
        if self.outbox.epoch != epoch:
            return  # found damaged at work: what was appended isn't of the epoch that it names
        os.write(self._committed, (json.dumps(report) + "\n").encode())
        self.gauges["in_transaction"] = 0
        self.gauges["appended"] += count
        self.gauges["last_sequence"] = first + count - 1
        self.delivery.wake()

    def _event(self, epoch: str, sequence: int, *, urgent: bool) -> list[Message]:
        location = f"A-{sequence % LOCATIONS:02d}"
        every = self._orders.alert_every
        finding = Finding(location, Verdict.MATCH, "cam", datetime.now(UTC))
        topic, payload = self._writer.event(finding, None, epoch, sequence, historical=False)
        is_urgent = urgent or (every > 0 and sequence % every == 0)
        event = Message("event", topic, payload, location=location, sequence=sequence, urgent=is_urgent)
        state = Message("state", self._topics.state(location), b"{}", retain=True, location=location)
        return [event, state]

    def _measure(self) -> None:
        """Often, and the depth less often, since that takes the outbox's time."""
        rounds = 0
        while not self.stopping.wait(0.02):
            self.gauges["connected"] = int(self.session.connected)
            rounds += 1
            if rounds % 10:
                continue
            try:
                depth = self.outbox.depth()
                self.gauges["waiting"], self.gauges["unconfirmed"] = depth.total, depth.unconfirmed
            except KardusError:
                self.gauges["waiting"] = self.gauges["unconfirmed"] = -1

    def _on_connect(self, _number: int) -> None:
        self.gauges["connections"] += 1
        self.gauges["published"] = self.gauges["acknowledged"] = 0
        self.delivery.wake()

    def _on_message(self, message: Incoming) -> None:
        self.delivery.confirmed(Ack.model_validate_json(message.payload))

    def _on_acknowledged(self, token: PublishToken, refusal: str) -> None:
        if token.connection == self.session.connection:
            self.gauges["acknowledged"] += 1
            if self.gauges["acknowledged"] == self._orders.alarm_at:
                self.alarm.set()
        self.delivery.acknowledged(token, refusal)


def main() -> None:
    """Run until SIGTERM; SIGUSR1 appends an alert."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    orders = Orders(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    delivering.CONFIRMED_WITHIN_S = orders.confirmed_within_s

    sender = Sender(orders)
    call_on_signals([signal.SIGTERM], sender.stopping.set)
    call_on_signals([signal.SIGUSR1], sender.alarm.set)
    sender.run()


if __name__ == "__main__":
    main()
