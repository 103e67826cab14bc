"""The store that the page is measured on: 10,000 locations, 500 agents, 1,000,000 events of 100 days; kept.

It is filled past the receiver (one file, no journal, indexes made at the end), which takes a minute or two instead of
an hour; alerts, states and statuses are written by the receiver's own code. What was filled is kept in a cache folder
outside the tree, under a name that changes with this file and with the tables: no run measures an older form.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import site_events
from tests.benchmarks.api import ROOT
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.console.identity.people import add_person
from warehouse.receiving.parsing import parse_message
from warehouse.store.alerts import note_alerts
from warehouse.store.database import Database, write_meta
from warehouse.store.opening import open_database
from warehouse.store.tables import moment_text

DAYS = 100
PICTURES, AUDIT, PORTION = 20_000, 200_000, 10_000
READER = "benchmark"
"""Somebody who may see every page."""
_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL"
_FOREVER = """UPDATE latest SET payload = json_set(payload, '$.data.valid_until', '2099-01-01T00:00:00Z')
    WHERE kind = 'state'"""
_NOTE = "INSERT INTO audit (at, actor, address, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)"


def page_store(number: int) -> Path:
    """The file with so many events, filled unless a run of this version has done it."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kardus-benchmarks"
    tables = b"".join(path.read_bytes() for path in sorted((ROOT / "warehouse/store/migrations").rglob("*.py")))
    drawn = b"".join(Path(path).read_bytes() for path in (__file__, site_events.__file__))
    version = hashlib.sha256(drawn + tables).hexdigest()[:12]
    path = root / f"page-{number}-{version}.sqlite"
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        fill(part, number)
        part.rename(path)
    return path


def fill(path: Path, number: int) -> None:
    """Make the file."""
    boxes = site_events.agents()
    with open_database(path, make=True) as database:
        add_person(database, READER, "administrator", "")
    alerts = _fill_events(path, number, boxes)
    with open_database(path, make=False) as database:
        _fill_said(database, number, boxes, alerts)
    with sqlite3.connect(path) as driver:
        driver.execute(_FOREVER)
        driver.executemany(_NOTE, _audit())
        chosen = "SELECT id, agent, location, received FROM events ORDER BY number DESC LIMIT ?"
        pictures = driver.execute(chosen, (PICTURES,)).fetchall()
        added = "INSERT INTO pictures (event, size, agent, location, file, received) VALUES (?, 9000, ?, ?, ?, ?)"
        driver.executemany(added, ((row[0], *row[1:3], f"{row[0]}.jpg", row[3]) for row in reversed(pictures)))


def _fill_events(path: Path, number: int, boxes: list[Publisher]) -> list[str]:
    """The ids of the events that are an alert's."""
    alerts: list[str] = []
    driver = sqlite3.connect(path, isolation_level=None)
    driver.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN")
    indexes = driver.execute(_INDEXES).fetchall()
    for name, _ in indexes:
        driver.execute(f"DROP INDEX {name}")
    span = timedelta(days=DAYS)
    drawn = site_events.drawn_events(number, boxes, alerts, datetime.now(UTC) - span, span)
    rows = ((*row[:7], moment_text(row[7]), moment_text(row[8]), *row[9:]) for row in drawn)
    driver.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 11)})", rows)  # noqa: S608 - question marks
    for _, sql in indexes:
        driver.execute(sql)
    driver.execute("COMMIT")
    driver.close()
    return alerts


def _fill_said(database: Database, number: int, boxes: list[Publisher], alerts: list[str]) -> None:
    """What the receiver makes of events, and what it hears beside them."""
    for first in range(0, len(alerts), PORTION):
        with database.writing() as connection:
            note_alerts(connection, alerts[first : first + PORTION])
    with database.writing() as connection:
        write_meta(connection, "last_number", str(number))
    messages = site_events.retained(boxes)
    writer = writer_of(database)
    for first in range(0, len(messages), PORTION):
        writer.write([parse_message(SITE, *message) for message in messages[first : first + PORTION]])


def _audit() -> Iterator[tuple[Any, ...]]:
    began = datetime.now(UTC) - timedelta(days=DAYS)
    for n in range(1, AUDIT + 1):
        at = moment_text(began + timedelta(days=DAYS) * (n / AUDIT))
        yield (at, f"user:Wati {n % 40}", "10.0.0.7", "picture", f"{n:08x}-0000-7000-8000-{n:012x}", "")
