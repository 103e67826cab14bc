"""What a receiver's database costs as years go by: the search for gaps, and the deletion of old events.

    python -m tests.benchmarks.upkeep [EVENTS]

First: agents that began so many epochs (a restart after a power cut each), the last of which lacks an event; a round
of the search for gaps that finds them all, one while they wait, the acknowledgement of all agents after a connection,
and what the report reads of missing events.

Then: EVENTS events of about 1,000 bytes, one in ten of an alert; a tenth is kept, while another thread stores 20
events ten times a second. How long the file was held at most, how long storing took at most without and with it, and
the file's length before and after; `former` is a file that an earlier version made, which is written anew once.
"""

import itertools
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import retention_of, writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.receiving.resend_requests import resend_requests_due
from warehouse.store.database import Database
from warehouse.store.epochs import add_covered
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader
from warehouse.store.retention import RetentionLimits

ROUNDS, BATCH, STORE_EVERY_S = 20, 20, 0.1
RESTARTS = ((50, 1), (50, 365), (1, 8000), (1000, 30))
"""Agents, and epochs of each."""


def restarts(folder: Path) -> Table:
    """What finished epochs cost."""
    clock = itertools.count(2)
    heads = ("search that finds all, ms", "search, ms", "acknowledge all, ms", "report's part, ms")
    table = Table("agents", "epochs each", *heads)
    for agents, epochs in RESTARTS:
        with closing(open_database(folder / f"{agents}-{epochs}.sqlite", make=True)) as database:
            covered = {
                (f"box-{agent}", str(epoch)): [(1, 3)] if epoch < epochs - 1 else [(1, 1), (3, 3)]
                for agent in range(agents)
                for epoch in range(epochs)
            }
            with database.writing() as connection:
                add_covered(connection, covered, "stored")
            reader, writer = StoreReader(database), writer_of(database)
            resend_requests_due(database, 0)  # the grace begins
            finding = _median_ms(lambda: resend_requests_due(database, 1e9 * next(clock)))
            waiting = _median_ms(lambda: resend_requests_due(database, 1))
            others = (_median_ms(writer.acks), _median_ms(reader.missing_events))
            table.add_row(f"{agents}", f"{epochs}", *(f"{found:.2f}" for found in (finding, waiting, *others)))
    return table


def retention(folder: Path, events: int) -> Table:
    """What deletion costs."""
    table = Table(
        "file", "before, MB", "after, MB", "seconds", "held, ms", "storing alone, ms", "storing beside it, ms"
    )
    for name in ("new", "former"):
        path = folder / f"{name}.sqlite"
        if name == "former":
            with closing(sqlite3.connect(path)) as file:
                file.execute("CREATE TABLE placeholder (a)")  # so that it can't give pages back
        with closing(open_database(path, make=True)) as database:
            _fill(database, events)
            alone_ms = _stored_beside(database, lambda: time.sleep(3))
            worker, before, began_s = (
                retention_of(database, RetentionLimits(events=events // 10)),
                path.stat().st_size,
                time.monotonic(),
            )
            beside_ms = _stored_beside(database, worker.round)
            seconds, after = time.monotonic() - began_s, path.stat().st_size
            held_ms = 1000 * worker.counts.held_s
            figures = (before / 1e6, after / 1e6, seconds, held_ms, alone_ms, beside_ms)
            table.add_row(name, *(f"{figure:.1f}" for figure in figures))
    return table


def _fill(database: Database, events: int) -> None:
    box, writer = Publisher("full"), writer_of(database)
    alert = Alert(id="alert", status="open", opened=datetime.now(UTC))
    for start in range(0, events, 1000):
        messages = [
            box.event(f"A-{number % 20}", Verdict.MISMATCH, alert if number % 10 == 0 else None)
            for number in range(start, min(events, start + 1000))
        ]
        writer.write([parse_message(SITE, *message) for message in messages])


def _stored_beside(database: Database, work: Callable[[], object]) -> float:
    """The longest that a batch took to store while the work was done, in milliseconds."""
    over, box, writer, times = threading.Event(), Publisher(), writer_of(database), [0.0]

    def store() -> None:
        while not over.wait(STORE_EVERY_S):
            batch = [parse_message(SITE, *message) for message in box.events(BATCH)]
            began_s = time.monotonic()
            writer.write(batch)
            times.append(time.monotonic() - began_s)

    thread = threading.Thread(target=store)
    thread.start()
    work()
    over.set()
    thread.join()
    return 1000 * max(times)


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began_s))
    return statistics.median(times)


def main(events: int) -> None:
    """Measure, and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        Console().print(restarts(Path(folder)))
        Console().print(retention(Path(folder), events))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
