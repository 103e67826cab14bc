"""How long a page takes of 1,000,000 events and 10,000 locations: `kardus-wms serve` on SQLite, one browser, warm.

    python -m tests.benchmarks.page [--events N] [--requests N]

The database is that of tests/benchmarks/api.py; its locations are one rack of 10,000, shown in parts of 300 tiles. The
server is a process of its own, reached over HTTP on the loopback. Told are the client's times, the processor time that
the server spent on each request, and the page's size. Promised: a rack's part 150 ms and 200 KB, the work list 100 ms.
"""

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as Terminal
from rich.table import Table

from simulator.demo.broker import free_port, wait_for_port
from tests.benchmarks.api import ROOT, WARM, fill, processor_ms, quantile
from warehouse.console.people import add_person
from warehouse.console.sessions import begin_session
from warehouse.store.opening import open_database

PAGES = {
    "a rack's part, 300 tiles": "/rack?name=A&part=7",
    "all racks": "/",
    "work list": "/work",
    "a location": "/location?code=A-00097",
    "fleet": "/fleet",
    "trends, 30 days": "/trends",
}


@dataclass(frozen=True)
class Found:
    """Of one page."""

    times_ms: list[float]
    cpu_ms: list[float]
    size: int


def measure(path: str, requests: int) -> dict[str, Found]:
    """Every page."""
    with open_database(path, make=False) as database:
        cookie = begin_session(database, add_person(database, "benchmark", "viewer", ""))
    port = free_port()
    words = ["serve", "--database", path, "--listen", f"127.0.0.1:{port}", "--rate", "100000", "--no-link"]
    server = subprocess.Popen(
        [sys.executable, "-m", "warehouse", *words], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        wait_for_port(port, 60)
        client = http.client.HTTPConnection("127.0.0.1", port)
        return {name: _ask(client, cookie, address, requests, server.pid) for name, address in PAGES.items()}
    finally:
        server.terminate()
        server.wait()


def _ask(client: http.client.HTTPConnection, cookie: str, address: str, requests: int, pid: int) -> Found:
    found = Found([], [], 0)
    size = 0
    for turn in range(WARM + requests):
        used, began = processor_ms(pid, None), time.perf_counter()
        client.request("GET", address, headers={"Cookie": f"kardus_session={cookie}", "Accept": "text/html"})
        answer = client.getresponse()
        body = answer.read()
        took = 1000 * (time.perf_counter() - began)
        assert answer.status == 200, (address, answer.status)
        size = len(body)
        if turn >= WARM:
            found.times_ms.append(took)
            found.cpu_ms.append(processor_ms(pid, None) - used)
    return Found(found.times_ms, found.cpu_ms, size)


def main(number: int, requests: int) -> None:
    """Fill, measure, and print the table."""
    with tempfile.TemporaryDirectory() as work:
        path = str(Path(work) / "k.sqlite")
        with open_database(path, make=True) as database:
            fill(database, number)
        table = Table("page", "p50 ms", "p99 ms", "processor p50 ms", "p99 ms", "KB")
        load = os.getloadavg()[0]
        for name, found in measure(path, requests).items():
            cells = [f"{quantile(part, q):.1f}" for part in (found.times_ms, found.cpu_ms) for q in (0.5, 0.99)]
            table.add_row(name, *cells, f"{found.size / 1000:.1f}")
        table.title = f"{number:,} events; n = {requests} each; load {load:.0f} on {os.cpu_count()} cores"
        Terminal(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=100)
    options = parser.parse_args()
    main(options.events, options.requests)
