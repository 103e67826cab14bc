"""Maintenance of targets by people: see what was set aside, send it again, forget a target that is no more."""

import json

from sqlalchemy import delete, select, update

from kardus.support.errors import UsageError
from kardus.support.whole_numbers import whole_number
from warehouse.connectors.deliver.queue import EventSetAside
from warehouse.store.database import Database
from warehouse.store.tables import deliveries, targets

_MAX_NUMBER = 2**63 - 1
"""Of an event: what a database takes."""


def refused_events(database: Database) -> list[EventSetAside]:
    """What targets refused for good, by target and number.

    Raises:
        StoreError: the database can't be read.
    """
    d = deliveries.c
    columns = (d.target, d.event, d.location, d.received, d.tries, d.reason, d.payload)
    with database.reading() as connection:
        rows = connection.execute(select(*columns).where(d.aside == 1).order_by(d.target, d.event)).all()
    return [
        EventSetAside(target, number, _id(payload), location, received, tries, reason)
        for target, number, location, received, tries, reason, payload in rows
    ]


def try_again(database: Database, which: str) -> int:
    """Let what was set aside be tried again: `TARGET`, or `TARGET:NUMBER` for one event; how many.

    Raises:
        UsageError: nothing of it is set aside.
        StoreError: the database can't be written.
    """
    target, colon, number = which.partition(":")
    d = deliveries.c
    chosen = [d.target == target, d.aside == 1]
    if colon:
        event = whole_number(number, _MAX_NUMBER)
        if event is None:
            raise UsageError(f"--again {which}: write TARGET:NUMBER, with a number of --aside")
        chosen.append(d.event == event)
    with database.writing() as connection:
        done = connection.execute(update(deliveries).where(*chosen).values(aside=0, tries=0, due=0.0)).rowcount
    if not done:
        raise UsageError(f"--again {which}: nothing of it is set aside: see --aside")
    return done


def forget_target(database: Database, name: str) -> int:
    """Forget a target's place and what waits for it; how many events that were.

    Raises:
        UsageError: there is none of this name.
        StoreError: the database can't be written.
    """
    with database.writing() as connection:
        waiting = connection.execute(delete(deliveries).where(deliveries.c.target == name)).rowcount
        known = connection.execute(delete(targets).where(targets.c.name == name)).rowcount
    if not known:
        raise UsageError(f"--forget {name}: no target of this name was delivered to: see the names in the file")
    return waiting


def known_targets(database: Database) -> list[str]:
    """Every target that was ever delivered to, and wasn't forgotten.

    Raises:
        StoreError: the database can't be read.
    """
    with database.reading() as connection:
        return [str(name) for name in connection.execute(select(targets.c.name).order_by(targets.c.name)).scalars()]


def _id(payload: str) -> str:
    """Of an event, also of one that this version can't read."""
    try:
        return str(json.loads(payload)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
