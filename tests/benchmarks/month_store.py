"""A month of events in a PostgreSQL database, filled by COPY; what writes to it afterwards goes on from there."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import Connection

from tests.benchmarks.site_events import agents, drawn_events, retained
from tests.clusters import Cluster
from tests.publishers import SITE, Message, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.store.database import LAST_NUMBER, Database, EventRow, write_meta
from warehouse.store.epochs import STORED, add_covered
from warehouse.store.opening import open_database
from warehouse.store.writer import StoreWriter

PORTION = 20_000
"""Events of a transaction."""
_INDEXES = """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relname LIKE 'events%' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.indexrelid)"""
_ALERTS = """INSERT INTO alerts (id, agent, location, status, verdict, opened, last, payload)
    SELECT DISTINCT ON (alert) alert, agent, location, payload::json #>> '{data,alert,status}', verdict,
        (payload::json #>> '{data,alert,opened}')::timestamptz, number, payload
    FROM events_of_alerts ORDER BY alert, number DESC"""


@dataclass(frozen=True)
class Month:
    """A filled database, open."""

    number: int
    """Of events that it was filled with."""
    where: str
    """Its address."""
    database: Database
    boxes: Sequence[Publisher]
    """Its agents: their events go on from those that are stored."""
    writer: StoreWriter
    began: datetime
    """When the month did, in UTC."""
    span: timedelta
    """From then to the last event."""
    size_mb: float
    """On the disk, when it was filled."""
    filled_s: float


@contextmanager
def filled_month(cluster: Cluster, number: int) -> Iterator[Month]:
    """A database of its own with so many events of the present month."""
    name = cluster.make_database("kardus_template")
    now, start_s, boxes = datetime.now(UTC), time.monotonic(), agents()
    began = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with open_database(cluster.url(name), make=False) as database:
        indexes = [tuple(map(str, row)) for row in cluster.execute(_INDEXES, name)]
        for index, _ in indexes:
            cluster.execute(f"DROP INDEX {index}", name)
        _fill(database, drawn_events(number, boxes, [], began, now - began))
        for _, made in indexes:
            cluster.execute(made.replace(" ON ONLY ", " ON "), name)
        cluster.execute(_ALERTS, name)
        _tell(database, boxes, number)
        cluster.execute("VACUUM ANALYZE", name)
        (size,) = cluster.execute("SELECT pg_database_size(current_database())", name)[0]
        taken_s = time.monotonic() - start_s
        writer = writer_of(database)
        yield Month(
            number, cluster.url(name), database, boxes, writer, began, now - began, int(str(size)) / 1e6, taken_s
        )


def _fill(database: Database, rows: Iterator[EventRow]) -> None:
    while portion := list(islice(rows, PORTION)):
        with database.writing() as connection:
            database.add_events(connection, portion)
        if portion[-1][0] % 1_000_000 == 0:
            print(f"{portion[-1][0]:,} events, load {os.getloadavg()[0]:.0f}", flush=True)  # noqa: T201 - its progress


def _tell(database: Database, boxes: Sequence[Publisher], number: int) -> None:
    """What the receiver notes of events beside them, and what it hears of locations and agents."""
    with database.writing() as connection:
        _cover(connection, boxes)
        write_meta(connection, LAST_NUMBER, str(number))
    messages: list[Message] = retained(boxes)
    writer = writer_of(database)
    for first in range(0, len(messages), 500):
        writer.write([parse_message(SITE, *message) for message in messages[first : first + 500]])


def _cover(connection: Connection, boxes: Sequence[Publisher]) -> None:
    """Every sequence is stored: none is missing."""
    told = {(box.topics.agent, box.epoch): [(1, box.sequence)] for box in boxes if box.sequence}
    add_covered(connection, told, STORED)
