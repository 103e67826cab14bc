"""How long each page and each table file takes of 1,000,000 events and 10,000 locations: SQLite, one browser, warm.

    python -m tests.benchmarks.page [--events N] [--requests N] [--pages WORD]

The database is that of tests/benchmarks/page_store.py: one rack of 10,000 locations, shown in parts of 300 tiles; 500
agents; a location with 5,000 events; 20,000 pictures to label; 200,000 lines of who did what. The server is a process
of its own, reached over HTTP on the loopback. Told are the client's times, the processor time that the server spent on
each request, and the answer's size. Promised: a rack's part 150 ms and 200 KB, the work list 100 ms, each page 1 s.
"""

import argparse
import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as Terminal
from rich.table import Table

from simulator.demo.broker import free_port, wait_for_port
from tests.benchmarks.api import ROOT, WARM, processor_ms, quantile
from tests.benchmarks.page_store import READER, page_store
from tests.benchmarks.site_events import BUSY
from warehouse.console.identity.people import find_person
from warehouse.console.identity.sessions import begin_session
from warehouse.store.opening import open_database

PAGES = {
    "a rack's part, 300 tiles": "/rack?name=A&part=7",
    "all racks": "/",
    "work list": "/work",
    "a location, newest": f"/location?code={BUSY}",
    "a location, far back": f"/location?code={BUSY}&before=100000",
    "fleet, 500 agents": "/fleet",
    "trends, 30 days": "/trends",
    "trends, 90 days": "/trends?days=90",
    "teaching": "/teaching",
    "who did what": "/audit",
    "who did what, far back": "/audit?before=100000",
    "people": "/people",
}
FILES = {
    "work list, csv": "/export/work.csv",
    "work list, xlsx": "/export/work.xlsx",
    "a location, csv": f"/export/location.csv?code={BUSY}",
    "a location, xlsx": f"/export/location.xlsx?code={BUSY}",
    "fleet, csv": "/export/fleet.csv",
    "fleet, xlsx": "/export/fleet.xlsx",
    "who did what, csv": "/export/audit.csv",
    "who did what, xlsx": "/export/audit.xlsx",
}
FEWER = 10
"""So many times fewer requests for the files: some take seconds."""


@dataclass(frozen=True)
class Found:
    """Of one page."""

    first_ms: list[float]
    """Until the body's first byte was there."""
    times_ms: list[float]
    cpu_ms: list[float]
    size: int


def measure(path: Path, requests: int, word: str) -> dict[str, Found]:
    """Every page and file whose name has this word."""
    with open_database(path, make=False) as database:
        person = find_person(database, READER)
        assert person is not None
        cookie = begin_session(database, person)
    with serving(path) as (port, pid):
        client = http.client.HTTPConnection("127.0.0.1", port)
        asked = {name: (address, requests) for name, address in PAGES.items() if word in name}
        asked |= {name: (address, max(3, requests // FEWER)) for name, address in FILES.items() if word in name}
        return {name: _ask(client, cookie, address, number, pid) for name, (address, number) in asked.items()}


@contextlib.contextmanager
def serving(where: Path | str) -> Iterator[tuple[int, int]]:
    """`kardus-wms serve` as a process of its own: its port, and its id."""
    port = free_port()
    words = ["serve", "--database", str(where), "--listen", f"127.0.0.1:{port}", "--rate", "100000", "--no-link"]
    server = subprocess.Popen(
        [sys.executable, "-m", "warehouse", *words], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        wait_for_port(port, 60)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def _ask(client: http.client.HTTPConnection, cookie: str, address: str, requests: int, pid: int) -> Found:
    found = Found([], [], [], 0)
    size = 0
    warm = min(WARM, requests)
    for turn in range(warm + requests):
        used, began = processor_ms(pid, None), time.perf_counter()
        client.request("GET", address, headers={"Cookie": f"kardus_session={cookie}", "Accept": "text/html"})
        answer = client.getresponse()
        begin = answer.read(1)
        first = 1000 * (time.perf_counter() - began)
        body = begin + answer.read()
        took = 1000 * (time.perf_counter() - began)
        assert answer.status == 200, (address, answer.status)
        size = len(body)
        if turn >= warm:
            found.first_ms.append(first)
            found.times_ms.append(took)
            found.cpu_ms.append(processor_ms(pid, None) - used)
    return Found(found.first_ms, found.times_ms, found.cpu_ms, size)


def main(number: int, requests: int, word: str) -> None:
    """Fill, measure, and print the table."""
    path = page_store(number)
    table = Table("page", "n", "first byte p50 ms", "p99 ms", "p50 ms", "p99 ms", "processor p50 ms", "p99 ms", "KB")
    load = os.getloadavg()[0]
    for name, found in measure(path, requests, word).items():
        cells = [
            f"{quantile(part, q):.1f}" for part in (found.first_ms, found.times_ms, found.cpu_ms) for q in (0.5, 0.99)
        ]
        table.add_row(name, str(len(found.times_ms)), *cells, f"{found.size / 1000:.1f}")
    load_after, cores = os.getloadavg()[0], os.cpu_count()
    table.title = (
        f"{number:,} events, {path.stat().st_size / 1e6:,.0f} MB; load {load:.0f} to {load_after:.0f} on {cores} cores"
    )
    Terminal(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--pages", default="", help="a word in the names of those to be measured")
    options = parser.parse_args()
    main(options.events, options.requests, options.pages)
