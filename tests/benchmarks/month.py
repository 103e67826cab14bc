"""What a month of 10,000,000 events costs beside one of 100,000 on PostgreSQL: inserting, listing, the report.

    python -m tests.benchmarks.month [--events N] [--beside N] [--rounds N]

Two databases of one cluster (`fsync` on) hold the same site (tests/benchmarks/site_events.py); every event is of this
month. They are filled by COPY, as the receiver adds events; indexes are made at the end, alerts are taken from the
events, states and statuses are written by the receiver's own code. Then, in turn: a receiver's transaction of INSERTED
events; a page of 100 by `kardus-wms serve` over HTTP on the loopback, one process for each database, by each question;
`kardus-wms report --html` without its process's start, a tenth as often. 10,000,000 events want some 25 GB of the disk
for a while, in the folder for temporary files.
"""

import argparse
import http.client
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.benchmarks.month_store import Month, filled_month
from tests.benchmarks.page import serving
from tests.benchmarks.pairs import Estimate, in_turn, median, ratio
from tests.benchmarks.site_events import AGENTS, BUSY, LOCATIONS, code_of
from tests.clusters import running_cluster
from tests.publishers import SITE
from warehouse.console.identity.scopes import SCOPES
from warehouse.console.identity.tokens import make_token
from warehouse.receiving.parsing import parse_message
from warehouse.report.report_files import ReportOptions, write_discrepancy_report

EVENTS, BESIDE, ROUNDS = 10_000_000, 100_000, 200
GOAL = 1.2
"""Times what it costs beside few events, at most."""
INSERTED, ALERTS = 100, 10
"""Events of a transaction, and how many of them are an alert's."""
WARM, PAGE = 20, 100
DISK_BYTES = 2500
"""For an event, with the server's log."""
Question = Callable[[random.Random, Month], str]
"""A path of the API, another one at every call where that is possible."""
SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB", "maintenance_work_mem=1GB")


@dataclass(frozen=True)
class Cost:
    """Of one thing that is done."""

    few_ms: Estimate
    many_ms: Estimate
    times: Estimate
    """What it costs beside many events, relative to few, each round."""


@dataclass(frozen=True)
class Found:
    """What came of a comparison."""

    few: Month
    many: Month
    costs: Mapping[str, Cost]

    def missed(self) -> list[str]:
        """What surely costs more than the goal says: its whole interval does."""
        return [what for what, cost in self.costs.items() if cost.times.low > GOAL]


def measure(events: int, beside: int, rounds: int) -> Found:
    """Fill both, and compare.

    Raises:
        SystemExit: the disk has no room for so many events.
    """
    place, wanted = tempfile.gettempdir(), events * DISK_BYTES
    if shutil.disk_usage(place).free < wanted:
        raise SystemExit(f"{place}: {wanted / 1e9:.0f} GB are needed there: give TMPDIR, or fewer --events")
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(SETTINGS, durable=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        few, many = (stack.enter_context(filled_month(cluster, number)) for number in (beside, events))
        cluster.execute("CHECKPOINT")
        costs = {"insert": _compare(_inserting(few), _inserting(many), rounds)}
        asked = [stack.enter_context(_asking(month)) for month in (few, many)]
        for question, form in _questions().items():
            costs[f"list: {question}"] = _compare(asked[0](form), asked[1](form), rounds)
        reports = [_reporting(month, folder / "list.html") for month in (few, many)]
        return Found(few, many, costs | {"report": _compare(reports[0], reports[1], max(6, rounds // 10))})


def _compare(few: Callable[[], object], many: Callable[[], object], rounds: int) -> Cost:
    times = in_turn({"few": few, "many": many}, rounds, warm_up=min(WARM, rounds))
    ms = {name: median([1000 * second for second in seconds]) for name, seconds in times.items()}
    return Cost(ms["few"], ms["many"], ratio(times["many"], times["few"]))


def _inserting(month: Month) -> Callable[[], float]:
    rng = random.Random(3)

    def insert() -> float:
        messages = []
        for n in range(INSERTED):
            place = rng.randrange(LOCATIONS)
            box = month.boxes[place % AGENTS]
            alert = Alert(id=f"new-{box.sequence}-{place}", status="open", opened=datetime.now(UTC))
            is_alert = n < ALERTS
            verdict = Verdict.MISMATCH if is_alert else Verdict.MATCH
            messages.append(parse_message(SITE, *box.event(code_of(place), verdict, alert if is_alert else None)))
        began = time.perf_counter()
        written = month.writer.write(messages)
        took_s = time.perf_counter() - began
        assert (written.events, written.dead_letters) == (INSERTED, 0)
        return took_s

    return insert


def _questions() -> dict[str, Question]:
    """Each finds a whole page in both."""
    return {
        "events, newest": lambda _rng, _month: "/events?limit=100",
        "events behind a number": lambda rng, month: (
            f"/events?limit=100&order=oldest&after={rng.randrange(month.number - PAGE)}"
        ),
        "events of a location": lambda _rng, _month: f"/events?limit=100&location={BUSY}",
        "events of an agent": lambda rng, _month: f"/events?limit=100&agent=box-{rng.randrange(AGENTS):03d}",
        "events, mismatch": lambda _rng, _month: "/events?limit=100&verdict=mismatch",
        "events since a moment": lambda rng, month: f"/events?limit=100&order=oldest&since={_moment(rng, month)}",
        "open alerts": lambda _rng, _month: "/alerts?limit=100&status=open",
        "locations, mismatch": lambda _rng, _month: "/locations?limit=100&verdict=mismatch",
    }


def _moment(rng: random.Random, month: Month) -> str:
    return quote((month.began + 0.9 * rng.random() * month.span).isoformat())


@contextmanager
def _asking(month: Month) -> Iterator[Callable[[Question], Callable[[], object]]]:
    """What asks a server of its own, one question at a time."""
    token = make_token(month.database, "benchmark", SCOPES, None)
    with serving(month.where) as (port, _), closing(http.client.HTTPConnection("127.0.0.1", port)) as client:

        def asker(question: Question) -> Callable[[], object]:
            rng = random.Random(11)  # the same places in both

            def ask() -> None:
                path = f"/api/v1{question(rng, month)}"
                client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
                answer = client.getresponse()
                body = answer.read()
                assert answer.status == 200, (path, body)

            return ask

        yield asker


def _reporting(month: Month, path: Path) -> Callable[[], object]:
    options = ReportOptions(None, None, path, as_json=False, since=None, aisle="", timezone="UTC")
    return lambda: write_discrepancy_report(month.where, options)


def main(events: int, beside: int, rounds: int) -> int:
    """Measure, and print the table; exit code 1 where the goal is missed."""
    load = os.getloadavg()[0]
    found = measure(events, beside, rounds)
    table = Table("what", f"{beside:,}: ms (95 %)", f"{events:,}: ms (95 %)", "times (95 %)", "n")
    for what, cost in found.costs.items():
        cells = [_cell(estimate, digits) for estimate, digits in ((cost.few_ms, 1), (cost.many_ms, 1), (cost.times, 2))]
        table.add_row(what, *cells, str(cost.times.n))
    sizes = "; ".join(f"{m.number:,} events, {m.size_mb:,.0f} MB, filled in {m.filled_s:.0f} s" for m in _both(found))
    table.title = f"{sizes}; load {load:.0f} to {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    Console(width=140).print(table)
    for what in found.missed():
        Console().print(f"{what}: more than {GOAL} x")
    return int(bool(found.missed()))


def _both(found: Found) -> tuple[Month, Month]:
    return found.few, found.many


def _cell(estimate: Estimate, digits: int) -> str:
    value, low, high = (f"{part:.{digits}f}" for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--beside", type=int, default=BESIDE)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    sys.exit(main(options.events, options.beside, options.rounds))
