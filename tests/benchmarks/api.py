"""How long a page of 100 takes of 1,000,000 events and 10,000 locations: `kardus-wms serve`, one client, warm.

    python -m tests.benchmarks.api [--events N] [--requests N] [--database sqlite|postgresql]

The database is filled (ten agents, events of about 1,000 bytes, an eighth of them of alerts), then served by a process
of its own over HTTP on the loopback, with the connection kept. Each question is asked REQUESTS times after 20 that
don't count. Told are the client's times, and the processor time that server and database spent on each request, which
other programs on the machine don't lengthen.
"""

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from rich.console import Console as Terminal
from rich.table import Table

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from simulator.demo.broker import free_port, wait_for_port
from tests.clusters import Cluster, running_cluster
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.console.identity.scopes import SCOPES
from warehouse.console.identity.tokens import make_token
from warehouse.receiving.parsing import parse_message
from warehouse.store.alerts import note_alerts
from warehouse.store.database import Database, EventRow, write_meta
from warehouse.store.opening import open_database

AGENTS, LOCATIONS, PORTION, WARM = 10, 10_000, 5000, 20
PAGE = 100
DAYS = 100
ROOT = Path(__file__).parents[2]
VERDICTS = (*[Verdict.MATCH] * 70, *[Verdict.UNCERTAIN] * 14, *[Verdict.STALE] * 4, *[Verdict.MISMATCH] * 12)


@dataclass(frozen=True)
class Found:
    """Of one question."""

    times_ms: list[float]
    cpu_ms: list[float]

    def cells(self) -> list[str]:
        """Median and 99th percentile of both."""
        return [f"{quantile(part, share):.1f}" for part in (self.times_ms, self.cpu_ms) for share in (0.5, 0.99)]


def fill(database: Database, number: int) -> None:
    """Add events and states."""
    rng = random.Random(7)
    boxes = [Publisher(f"box-{n}") for n in range(AGENTS)]
    shapes = {verdict: _shape(verdict) for verdict in set(VERDICTS)}
    began = datetime.now(UTC) - timedelta(days=DAYS)
    for first in range(1, number + 1, PORTION):
        last = min(number, first + PORTION - 1)
        rows = [
            _row(n, rng, boxes, shapes, began + timedelta(days=DAYS) * (n / number)) for n in range(first, last + 1)
        ]
        with database.writing() as connection:
            database.add_events(connection, rows)
            note_alerts(connection, [row[1] for row in rows if row[9]])
            write_meta(connection, "last_number", str(last))
    writer = writer_of(database)
    messages = [
        boxes[n % AGENTS].state(f"A-{n:05d}", Verdict.MISMATCH if n % 97 == 0 else Verdict.MATCH)
        for n in range(LOCATIONS)
    ] + [box.online() for box in boxes]
    for start in range(0, len(messages), 500):
        writer.write([parse_message(SITE, *message) for message in messages[start : start + 500]])


def _shape(verdict: Verdict) -> str:
    """An event's message with words to be put in."""
    status = "resolved" if verdict == Verdict.MATCH else "open"
    alert = Alert(id="@alert", status=status, opened=datetime.now(UTC)) if verdict == Verdict.MISMATCH else None
    box = Publisher("box-0")
    _, payload = box.event("@location", verdict, alert)
    return payload.decode().replace(box.ids[0], "@id").replace(box.epoch, "@epoch")


def _row(
    number: int, rng: random.Random, boxes: list[Publisher], shapes: dict[Verdict, str], moment: datetime
) -> EventRow:
    place = rng.randrange(LOCATIONS)
    box, verdict = boxes[place % AGENTS], rng.choice(VERDICTS)
    box.sequence += 1
    alert = f"alert-{number // 3}-{box.topics.agent}" if verdict == Verdict.MISMATCH else None
    words = {"@id": uuid7(), "@epoch": box.epoch, "@location": f"A-{place:05d}", "@alert": alert or ""}
    payload = shapes[verdict]
    for word, given in words.items():
        payload = payload.replace(word, given)
    moment = moment.replace(microsecond=0)
    position = (box.topics.agent, box.epoch, box.sequence)
    return (number, words["@id"], *position, words["@location"], verdict.value, moment, moment, alert, payload)


def questions(number: int) -> dict[str, Iterator[str]]:
    """Paths, each another one at every call where that is possible."""
    rng = random.Random(11)

    def every(form: str) -> Iterator[str]:
        while True:
            since = quote((datetime.now(UTC) - timedelta(days=rng.uniform(1, DAYS))).isoformat())
            yield form.format(
                place=rng.randrange(LOCATIONS), box=rng.randrange(AGENTS), since=since, after=rng.randrange(number)
            )

    return {
        "events, newest": every("/events?limit=100"),
        "events behind a number": every("/events?limit=100&order=oldest&after={after}"),
        "events of a location": every("/events?limit=100&location=A-{place:05d}"),
        "events of an agent": every("/events?limit=100&agent=box-{box}"),
        "events, mismatch": every("/events?limit=100&verdict=mismatch"),
        "events since a moment": every("/events?limit=100&order=oldest&since={since}"),
        "open alerts": every("/alerts?limit=100&status=open"),
        "locations": every("/locations?limit=100"),
        "locations, mismatch": every("/locations?limit=100&verdict=mismatch"),
        "states, stale": every("/states?limit=100&verdict=stale"),
        "states of an aisle": every("/states?limit=100&prefix=A-0{box}"),
    }


def measure(where: str, number: int, requests: int, others: Cluster | None) -> dict[str, Found]:
    """Every question of one database."""
    with open_database(where, make=False) as database:
        token = make_token(database, "benchmark", SCOPES, None)
    port = free_port()
    words = ["serve", "--database", where, "--listen", f"127.0.0.1:{port}", "--rate", "100000"]
    server = subprocess.Popen(
        [sys.executable, "-m", "warehouse", *words], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        wait_for_port(port, 60)
        client = http.client.HTTPConnection("127.0.0.1", port)
        return {
            name: _ask(client, token, paths, requests, (server.pid, others))
            for name, paths in questions(number).items()
        }
    finally:
        server.terminate()
        server.wait()


def _ask(
    client: http.client.HTTPConnection,
    token: str,
    paths: Iterator[str],
    requests: int,
    at_work: tuple[int, Cluster | None],
) -> Found:
    found = Found([], [])
    for turn in range(WARM + requests):
        path = next(paths)
        used, began = processor_ms(*at_work), time.perf_counter()
        client.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
        answer = client.getresponse()
        body = answer.read()
        took = 1000 * (time.perf_counter() - began)
        if turn == 0:
            assert answer.status == 200, body
            assert len(json.loads(body)["items"]) <= PAGE
        if turn >= WARM:
            found.times_ms.append(took)
            found.cpu_ms.append(processor_ms(*at_work) - used)
    return found


def processor_ms(pid: int, others: Cluster | None) -> float:
    """Of the server's threads and the database's processes, by /proc/PID/task/*/schedstat."""
    pids = [pid]
    if others is not None:
        postmaster = int((others.data / "postmaster.pid").read_text().split()[0])
        pids += map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())
    total = 0
    for one in pids:
        for task in Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (OSError, IndexError):  # the thread has just ended
                continue
    return total / 1e6


def quantile(values: list[float], share: float) -> float:
    """The value below which this share lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main(number: int, requests: int, kinds: list[str]) -> None:
    """Fill, measure, and print the table."""
    with tempfile.TemporaryDirectory() as work, ExitStack() as stack:
        for kind in kinds:
            cluster = stack.enter_context(running_cluster(["shared_buffers=256MB"])) if kind == "postgresql" else None
            name = cluster.make_database("kardus_template") if cluster else ""
            where = cluster.url(name) if cluster else f"{work}/k.sqlite"
            began_s = time.monotonic()
            with open_database(where, make=True) as database:
                fill(database, number)
                size = database.size_bytes / 1e6
            if cluster:
                cluster.execute("VACUUM ANALYZE", name)
            filled_s = time.monotonic() - began_s
            table = Table("question", "p50 ms", "p99 ms", "processor p50 ms", "p99 ms")
            load_before = os.getloadavg()[0]
            for question, found in measure(where, number, requests, cluster).items():
                table.add_row(question, *found.cells())
            table.title = (
                f"{kind}: {number:,} events, {size:,.0f} MB, filled in {filled_s:.0f} s; n = {requests} each; "
                f"load {load_before:.0f} to {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
            )
            Terminal(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    main(options.events, options.requests, options.database or ["sqlite", "postgresql"])
