"""What the server spends on people who look: browsers that hold the page's live stream open while locations change.

    python -m tests.benchmarks.live [--browsers 200] [--events 10] [--seconds 60] [--views MIX] [--database WHERE]

`kardus-wms serve` is a process of its own; the browsers are real HTTP clients in another (200 connections that stay
open, and do what the page's scripts do: where a list says that it has changed, it is read again, no sooner than it
asks for); this process stores events as a receiver does. 10,000 locations in 40 racks, 50 agents; half of the people
read English, half Indonesian, and a quarter may only look. MIX: `mixed` (six of ten look at a rack, two at the work
list, one at all racks, one at the fleet), `racks`, `one-rack` (all at the one rack in which everything changes), or
`work`.

Told are the server's processor time in the window (from /proc, of one core), how long a tile took from its event's
being stored until it was read, and what was sent. Promised: 200 browsers, 10 events/s, at most 30 % of one core.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rich.console import Console as Terminal
from rich.table import Table

from kardus.contract.verdicts import Verdict
from tests.benchmarks.api import ROOT, quantile
from tests.benchmarks.live_clients import Asked
from tests.benchmarks.page import serving
from tests.benchmarks.start import processor_s
from tests.publishers import Publisher
from tests.warehouse.receiving.making import write, writer_of
from warehouse.console.identity.people import add_person, find_person
from warehouse.console.identity.sessions import begin_session
from warehouse.receiving.parsing import parse_message
from warehouse.store.database import Database
from warehouse.store.opening import open_database

RACKS, TILES, AGENTS, PORTION = 40, 250, 50, 1000
CODES = [
    f"{'ABCD'[rack // 10]}-{rack % 10 + 1:02d}-{n // 50 + 1}-{n % 50 + 1:02d}"
    for rack in range(RACKS)
    for n in range(TILES)
]
WARM_S = 10.0
VERDICTS = (Verdict.MATCH, Verdict.MATCH, Verdict.UNCERTAIN, Verdict.MISMATCH)
MIXES = {
    "mixed": ("rack",) * 6 + ("work",) * 2 + ("racks", "fleet"),
    "racks": ("rack",),
    "one-rack": ("rack",),
    "work": ("work",),
}


@dataclass(frozen=True)
class Options:
    """What is measured."""

    browsers: int
    events: float
    seconds: float
    views: str


def fill(database: Database, boxes: list[Publisher]) -> None:
    """Every location with a state of its own, of one rack's cameras each; an event for each."""
    writer = writer_of(database)
    messages = [box.online() for box in boxes]
    for n, code in enumerate(CODES):
        box = boxes[n * AGENTS // len(CODES)]
        verdict = Verdict.MISMATCH if n % 97 == 0 else Verdict.MATCH
        messages += [box.event(code), box.state(code, verdict, seen="Lemon" if verdict == Verdict.MISMATCH else None)]
    for first in range(0, len(messages), PORTION):
        writer.write([parse_message("hall", *message) for message in messages[first : first + PORTION]])


def looking(database: Database, options: Options) -> list[Asked]:
    """What each browser looks at, and as whom."""
    mix, found = MIXES[options.views], []
    for n in range(options.browsers):
        name = f"reader {n}"
        person = find_person(database, name) or add_person(database, name, "viewer" if n % 4 == 0 else "operator", "")
        view = mix[n % len(mix)]
        rack = CODES[0 if options.views == "one-rack" else n * TILES % len(CODES)].rsplit("-", 2)[0]
        path = {"rack": f"/rack?name={quote(rack)}", "work": "/work", "racks": "/", "fleet": "/fleet"}[view]
        found.append(Asked(path, begin_session(database, person), "id" if n // len(mix) % 2 else "en"))
    return found


def store(database: Database, boxes: list[Publisher], options: Options, until_s: float) -> dict[str, float]:
    """Store so many events a second, each with its state: when each was, by its id."""
    rng, stored, due_s = random.Random(5), dict[str, float](), time.time()
    places = range(TILES) if options.views == "one-rack" else range(len(CODES))
    while (now_s := time.time()) < until_s:
        if now_s < due_s:
            time.sleep(due_s - now_s)
        n = rng.choice(places)
        box, verdict = boxes[n * AGENTS // len(CODES)], rng.choice(VERDICTS)
        write(database, box.event(CODES[n], verdict), box.state(CODES[n], verdict))
        stored[box.ids[-1]] = time.time()
        due_s += 1 / options.events
    return stored


def measure(where: str, options: Options) -> tuple[float, dict[str, float], dict[str, object]]:
    """The server's share of one core, when each event was stored, and what the browsers tell."""
    with open_database(where, make=True) as database, tempfile.TemporaryDirectory() as folder:
        boxes = [Publisher(f"box-{n:02d}") for n in range(AGENTS)]
        fill(database, boxes)
        asked = Path(folder) / "asked.json"
        asked.write_text(json.dumps([vars(one) for one in looking(database, options)]))
        with serving(Path(where)) as (port, pid):
            words = [sys.executable, "-m", "tests.benchmarks.live_clients", str(asked), str(port)]
            clients = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert clients.stdin is not None
            assert clients.stdout is not None
            assert clients.stdout.readline() == "ready\n"
            stored = store(database, boxes, options, time.time() + WARM_S)
            print("begin", file=clients.stdin, flush=True)
            used_s, began_s = processor_s(pid), time.time()
            stored = store(database, boxes, options, began_s + options.seconds)
            share = (processor_s(pid) - used_s) / (time.time() - began_s)
            told = json.loads(clients.communicate("end\n", timeout=60)[0])
    return share, stored, told


def main(options: Options, where: str) -> None:
    """Fill, measure, and print the table."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        share, stored, told = measure(where or f"{folder}/live.sqlite", options)
    late = [1000 * (at - stored[id_]) for id_, at in told["tiles"] if id_ in stored]  # type: ignore[attr-defined]
    table = Table(
        "views", "n", "events", "of one core", "tiles read", "late p50 ms", "p99 ms", "sent KB/s", "read anew"
    )
    table.add_row(
        options.views,
        str(options.browsers),
        str(len(stored)),
        f"{100 * share:.1f} %",
        str(len(late)),
        *([f"{quantile(late, q):.0f}" for q in (0.5, 0.99)] if late else ["", ""]),
        f"{told['received'] / options.seconds / 1000:.0f}",  # type: ignore[operator]
        str(told["read"]),
    )
    table.title = (
        f"{options.browsers} browsers, {options.events:g} events/s, {options.seconds:g} s; "
        f"{'a server' if where else 'SQLite'}; load {load:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    Terminal(width=120).print(table)
    if told["ended"]:
        Terminal().print(f"{told['ended']} streams were ended by the server")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--browsers", type=int, default=200)
    parser.add_argument("--events", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--views", choices=list(MIXES), default="mixed")
    parser.add_argument("--database", default="", help="an address; without one a SQLite file of its own")
    given = parser.parse_args()
    main(Options(given.browsers, given.events, given.seconds, given.views), given.database)
