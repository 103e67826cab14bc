"""The outbox: how fast it writes durably and drains, and what a backlog costs.

    python -m tests.benchmarks.outbox [--scale smoke|bench|full]

- Write: real events of the contract, BATCH to a transaction (WAL, synchronous=FULL), beside the same bytes in a table
  without index by SQLite alone, in turn.
- Drain: a backlog through the agent's delivery and MQTT session to a real Mosquitto, until every row is forgotten.
- Backlog: one event with its location's state into an outbox with so many rows, and into one with 10, in turn.
"""

import json
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import Finding, Message
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.message import OutboxLimits
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.messages import Model
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.mqtt.connection import Handlers
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from tests.benchmarks.pairs import in_turn, median, ratio
from tests.benchmarks.report import Curve, Report
from tests.benchmarks.scale import Scale, run
from tests.brokers import Mosquitto

BATCH = 64
FILL = 5000
FEW = 10
LOCATIONS = 500
LIMITS = OutboxLimits(events=10_000_000, states=10_000_000)
WRITE_GOAL, DRAIN_GOAL, BACKLOG_GOAL = 1500.0, 3000.0, 1.2
GOAL_BACKLOG = 100_000


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    batches: int
    drained: int
    drains: int
    backlogs: tuple[int, ...]
    inserts: int


SIZES: dict[Scale, Size] = {
    "smoke": Size(3, 200, 1, (300,), 5),
    "bench": Size(60, 10_000, 6, (1000, 10_000, 100_000, 1_000_000), 100),
    "full": Size(300, 30_000, 12, (1000, 10_000, 100_000, 1_000_000), 500),
}


class Events:
    """Real events and states, each as the agent writes it."""

    def __init__(self) -> None:
        """Begin with the first sequence."""
        self._topics = Topics("bench", "box")
        self._writer = MessageWriter(self._topics, Model(name="bench", version="1.0.0"), 300)
        self._last = 0

    def next(self, count: int, *, states: bool = False) -> list[Message]:
        """So many events, of one location after another; with `states`, each with its location's state."""
        messages = []
        for _ in range(count):
            self._last += 1
            finding = self._finding(f"A-01-1-{self._last % LOCATIONS:03d}")
            topic, payload = self._writer.event(finding, None, "epoch", self._last, historical=False)
            messages.append(Message("event", topic, payload, location=finding.location, sequence=self._last))
            if states:
                state = self._writer.state(finding, finding.captured, finding.captured)
                messages.append(Message("state", *self._writer.state_message(state), True, finding.location))
        return messages

    @property
    def last(self) -> int:
        """The sequence of the last one."""
        return self._last

    def _finding(self, location: str) -> Finding:
        return Finding(location, Verdict.MISMATCH, "rack", datetime.now(UTC), reason="")


def measure(scale: Scale, folder: Path) -> Report:
    """All three."""
    size, report = SIZES[scale], Report("outbox", scale)
    _write(report, folder, size)
    _drain(report, folder, size)
    _backlog(report, folder, size)
    return report


def _write(report: Report, folder: Path, size: Size) -> None:
    events, outbox = Events(), Outbox(folder / "write.sqlite", LIMITS)
    batches = iter([(events.next(BATCH), events.last) for _ in range(2 * (size.batches + 1))])
    bare = _bare_table(folder / "bare.sqlite")

    def ours() -> None:
        messages, last = next(batches)
        outbox.append(messages, {}, last)

    def alone() -> None:
        messages, _ = next(batches)
        with bare:
            bare.executemany("INSERT INTO rows VALUES (?, ?)", [(m.topic, m.payload) for m in messages])

    times = in_turn({"outbox": ours, "SQLite alone": alone}, size.batches)
    outbox.close()
    bare.close()
    rate = median([BATCH / seconds for seconds in times["outbox"]])
    report.add(f"written durably, {BATCH} to a batch", rate, "events/s", "at least", WRITE_GOAL)
    report.add("the same beside SQLite alone", ratio(times["outbox"], times["SQLite alone"]), "x its time")


def _bare_table(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE rows (topic TEXT, payload BLOB)")
    return database


def _drain(report: Report, folder: Path, size: Size) -> None:
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    events, outbox = Events(), Outbox(folder / "drain.sqlite", LIMITS)
    session = MqttSession(BrokerSettings("127.0.0.1", broker.port), "bench-drain")
    delivery = Delivery(outbox, session)
    session.start(Handlers(on_acknowledged=delivery.acknowledged))
    delivery.start()
    try:
        session.wait_connected(30)
        rates = []
        for _ in range(size.drains):
            fill(outbox, events, size.drained)
            began = time.perf_counter()
            delivery.wake()
            if not delivery.drain(300):
                raise TimeoutError("the outbox wasn't drained in 300 s")
            rates.append(size.drained / (time.perf_counter() - began))
    finally:
        delivery.stop()
        session.stop()
        outbox.close()
        broker.kill()
    report.add(f"{size.drained:,} drained through Mosquitto", median(rates), "events/s", "at least", DRAIN_GOAL)


def fill(outbox: Outbox, events: Events, rows: int) -> None:
    """Put so many events in."""
    for start in range(0, rows, FILL):
        outbox.append(events.next(min(FILL, rows - start)), {}, events.last)


def _backlog(report: Report, folder: Path, size: Size) -> None:
    few, many = Outbox(folder / "few.sqlite", LIMITS), Outbox(folder / "many.sqlite", LIMITS)
    events, stored = Events(), 0
    fill(few, events, FEW)
    curve: list[tuple[float, float]] = []
    for rows in size.backlogs:
        fill(many, events, rows - stored)
        stored = rows + size.inserts + 1
        few_times, many_times = _inserts(few, many, events, size.inserts)
        found = ratio(many_times, few_times)
        is_promised = rows >= GOAL_BACKLOG or report.scale == "smoke"
        goal = BACKLOG_GOAL if is_promised else None
        what = f"an event with {rows:,} rows behind it / with {FEW}"
        report.add(what, found, "", "at most" if goal else None, goal)
        curve.append((rows, median(many_times).value * 1000))
        if not curve[1:]:
            report.add(f"an event with {FEW} rows behind it", median([1000 * s for s in few_times]), "ms")
    few.close()
    many.close()
    report.curves.append(
        Curve("one event, stored durably", "rows behind it", "ms", {"outbox": curve}, logarithmic=True)
    )


def _inserts(few: Outbox, many: Outbox, events: Events, count: int) -> tuple[list[float], list[float]]:
    """Seconds that an event takes in each, in turn. What was put in is taken out of the small one again."""

    def insert(outbox: Outbox) -> float:
        messages = events.next(1, states=True)
        state = {messages[0].location: json.dumps({"verdict": "mismatch"})}
        began = time.perf_counter()
        outbox.append(messages, state, events.last)
        seconds = time.perf_counter() - began
        if outbox is few:
            outbox.delivered([stored.id for stored in outbox.pending(FEW + len(messages))[FEW:]])
        return seconds

    times = in_turn({"few": lambda: insert(few), "many": lambda: insert(many)}, count)
    return times["few"], times["many"]


if __name__ == "__main__":
    run(measure)
