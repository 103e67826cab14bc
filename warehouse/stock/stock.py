"""Expected stock: from a table to retained messages with revisions."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from kardus.contract.messages import MAX_SKU, Expected
from kardus.contract.topics import ID_PATTERN, expected_filter, expected_topic, location_of
from kardus.support.errors import BrokerError, DataError
from kardus.support.identifiers import uuid7
from kardus.support.tables import Row, read_table
from warehouse.receiving.connection import Broker, Connection

ECHO_S = 15.0
"""How long the broker may take to give everything that it retains."""
QUIET_S = 0.2
"""A broker that doesn't keep the order of messages may still give some after the echo."""


@dataclass(frozen=True)
class Line:
    """One line of the WMS's list; no SKU means that the location must be empty."""

    location: str
    sku: str | None
    quantity: int | None = None


@dataclass(frozen=True)
class Change:
    """What has to be published for a location."""

    location: str
    expected: Expected


def read_stock(path: Path) -> list[Line]:
    """Read a .csv or .xlsx file with the columns `location,sku[,quantity]`.

    Raises:
        DataError: the file can't be read, lacks a column, or a line is wrong; the message names the line.
    """
    lines = [_line(path, row) for row in read_table(path, required=("location", "sku"))]
    if not lines:
        raise DataError(f"{path}: no location is listed: add lines of location,sku")
    seen: set[str] = set()
    for line in lines:
        if line.location in seen:
            raise DataError(f"{path}: location '{line.location}' is listed twice: keep one line for it")
        seen.add(line.location)
    return lines


def changes(lines: Sequence[Line], known: Mapping[str, Expected], now_ms: int, *, replace: bool) -> list[Change]:
    """What has to be published so that the broker says what the list says.

    Revisions grow: the present time in milliseconds, or one more than the known revision if that is higher. Locations
    that already are as the list says are left alone. With `replace`, those that the list no longer names are given up.
    """
    result = []
    for line in lines:
        before = known.get(line.location)
        wanted = Expected(revision=_next(before, now_ms), sku=line.sku, quantity=line.quantity)
        if before is None or _content(before) != _content(wanted):
            result.append(Change(line.location, wanted))
    if replace:
        listed = {line.location for line in lines}
        gone = sorted(location for location, e in known.items() if location not in listed and e.managed)
        result += [Change(loc, Expected(revision=_next(known[loc], now_ms), managed=False)) for loc in gone]
    return result


def publish_stock(broker: Broker, site: str, lines: Sequence[Line], *, replace: bool) -> list[Change]:
    """Read what the broker holds, and publish what has to change. Returns what was published."""
    known = read_expected(broker, site)
    needed = changes(lines, known, time.time_ns() // 1_000_000, replace=replace)
    if not needed:
        return needed
    with Connection(broker) as connection:
        connection.publish(
            [(expected_topic(site, change.location), change.expected.model_dump_json().encode()) for change in needed],
            retain=True,
        )
    _require_kept(read_expected(broker, site), needed)
    return needed


def _require_kept(kept: Mapping[str, Expected], published: Sequence[Change]) -> None:
    """A broker may acknowledge what it doesn't keep (MQTT 3.1.1 has no way to refuse): look at what it holds."""
    for change in published:
        found = kept.get(change.location)
        if found is None or found.revision < change.expected.revision:
            raise BrokerError(
                f"{change.location}: the broker took its expected stock and doesn't keep it: "
                "check the user's right to publish under expected/, and that the broker retains messages"
            )


def read_expected(broker: Broker, site: str) -> dict[str, Expected]:
    """The expected stock that is retained on the broker. What isn't valid is passed over: it will be replaced.

    It is complete when a message that is published after the subscription has come back.

    Raises:
        BrokerError: that message doesn't come back.
    """
    found: dict[str, Expected] = {}
    arrived, echoed = threading.Event(), threading.Event()
    echo = expected_topic(site, f"$echo-{uuid7()}")  # no location begins with $

    def take(topic: str, payload: bytes) -> None:
        if topic == echo:
            echoed.set()
            return
        location = location_of(topic)
        arrived.set()
        try:
            if location is not None:
                found[location] = Expected.model_validate_json(payload)
        except ValidationError:
            return

    # QoS 0: a broker queues QoS 1 messages up to a limit and drops the rest of a large retained set silently.
    with Connection(broker, [(expected_filter(site), 0)], take) as connection:
        connection.publish([(echo, b"")], retain=False)
        if not echoed.wait(ECHO_S):
            raise BrokerError(
                f"{broker.host}:{broker.port}: the broker doesn't give back what is published under {site}/expected: "
                "check the user's rights to publish and to read there"
            )
        arrived.clear()
        while arrived.wait(QUIET_S):
            arrived.clear()
    return found


def _line(path: Path, row: Row) -> Line:
    location, sku, quantity = (row.values.get(key, "") for key in ("location", "sku", "quantity"))
    if not re.match(ID_PATTERN, location):
        raise DataError(f"{path}: line {row.line}: location '{location}' can't stand in a topic: no /, + or # in it")
    if quantity and not (quantity.isascii() and quantity.isdecimal()):
        raise DataError(f"{path}: line {row.line}: quantity '{quantity}': a whole number, or nothing")
    if len(sku) > MAX_SKU:
        raise DataError(f"{path}: line {row.line}: sku is longer than {MAX_SKU} characters: shorten it")
    return Line(location, sku or None, int(quantity) if quantity else None)


def _next(before: Expected | None, now_ms: int) -> int:
    return max(now_ms, before.revision + 1) if before else now_ms


def _content(expected: Expected) -> tuple[str | None, bool, int | None]:
    return expected.sku, expected.managed, expected.quantity
