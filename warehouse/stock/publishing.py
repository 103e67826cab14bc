"""Publishes expected stock as retained messages with revisions; only what has changed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from kardus.contract.messages import MAX_REVISION, Expected
from kardus.contract.topics import expected_topic
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError, UsageError
from warehouse.stock.read_back import read_by_name, read_expected, read_listed
from warehouse.stock.stock_list import StockLine

MAX_SHARE_GIVEN_UP = 0.2
"""A list that gives up a larger share of the managed locations has to be confirmed."""
FEW_MIXED = 5
"""So many that have several products are given up however few are managed: that was asked for."""
MAX_LOOKED_AT = 1000
"""So many of what was published are read back, spread over the list."""
EXAMPLES = 10
"""So many of them are named."""
_EXPECTED_FIELDS = {"revision", "sku", "quantity", "managed", "reason", "location"}
"""The fields of a message that say something; one set for all of them."""
OnProgress = Callable[[int, int], None]
"""Gets how many messages the broker has taken, and how many there are."""


@dataclass(frozen=True)
class StockChange:
    """The expected stock to publish for a location."""

    location: str
    expected: Expected


def expected_changes(
    lines: Sequence[StockLine], known: Mapping[str, Expected], now_ms: int, *, replace: bool
) -> list[StockChange]:
    """The messages to publish so that the retained stock equals the list.

    Revisions grow: the present time in milliseconds, or one more than the known revision if that is higher; it is left
    as it is where that is the largest there can be, and no agent would take the message. Locations that already are as
    the list says are left alone. With `replace`, those that the list no longer names are given up.
    """
    result = []
    for line in lines:
        before = known.get(line.location)
        if before is None or _stock_content(before) != (line.sku, not line.reason, line.quantity, line.reason):
            result.append(StockChange(line.location, _expected(line, _next_revision(before, now_ms))))
    if replace:
        listed = {line.location for line in lines}
        gone = sorted(location for location, e in known.items() if location not in listed and e.managed)
        result += [
            StockChange(loc, Expected(revision=_next_revision(known[loc], now_ms), managed=False, location=loc))
            for loc in gone
        ]
    return result


def _expected(line: StockLine, revision: int) -> Expected:
    """A line as a message. It was checked when it was read; checked anew, 150,000 take 110 MB more."""
    return Expected.model_construct(
        _EXPECTED_FIELDS,
        revision=revision,
        sku=line.sku,
        quantity=line.quantity,
        managed=not line.reason,
        reason=line.reason,
        location=line.location,
    )


def publish_stock(
    broker: BrokerSettings,
    site: str,
    lines: Sequence[StockLine],
    *,
    replace: bool,
    confirmed: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> list[StockChange]:
    """Read the retained stock, and publish what has to change. Returns what was published.

    One that was broken off goes on when it is called again: what is published already is as the list says.

    Raises:
        UsageError: more than MAX_SHARE_GIVEN_UP of what is managed would be given up, unless `confirmed`: because the
            list lacks it (with `replace`), or has several products there.
        BrokerError: the broker can't be reached, refuses what is published, or doesn't keep it; or it holds a revision
            that nothing can follow: then all other locations have been published.
    """
    retained = read_expected(broker, site)
    by_name = read_listed(broker, site, [line.location for line in lines if line.location not in retained.found])
    if replace and (by_name or not retained.is_complete):
        raise BrokerError(
            f"--replace: the broker gives a wildcard subscription {len(retained.found)} of what it retains, no more, "
            "so that locations which the list lacks can't be found: let it queue more for a client (Mosquitto: "
            "max_queued_messages 0 and max_queued_bytes 0), or leave it out, and clear their topics under "
            f"{site}/expected/ by hand"
        )
    known = retained.found | by_name
    needed = expected_changes(lines, known, time.time_ns() // 1_000_000, replace=replace)
    if not confirmed:
        _require_most_kept(needed, known)
    return publish_changes(broker, site, needed, known, on_progress)


def publish_changes(
    broker: BrokerSettings,
    site: str,
    changes: Sequence[StockChange],
    known: Mapping[str, Expected],
    on_progress: OnProgress = lambda *_: None,
) -> list[StockChange]:
    """Publish changes of what is known to be retained, and look whether they are kept. Returns what was published.

    Raises:
        BrokerError: the broker can't be reached, refuses what is published, or doesn't keep it; or it holds a revision
            that nothing can follow: then all other locations have been published.
    """
    stuck = [change.location for change in changes if _is_last(known.get(change.location))]
    needed = [change for change in changes if change.location not in stuck]
    _publish(broker, site, needed, on_progress)
    if stuck:
        raise BrokerError(
            f"{', '.join(stuck[:EXAMPLES])}: the broker holds the largest revision, which nothing follows: "
            f"clear its topic under {site}/expected/, and look who published it; "
            f"{len(needed)} other changes were published"
        )
    return needed


def _publish(broker: BrokerSettings, site: str, needed: Sequence[StockChange], on_progress: OnProgress) -> None:
    if not needed:
        return
    messages = (
        (expected_topic(site, change.location), change.expected.model_dump_json().encode()) for change in needed
    )
    taken = count(1)
    with MqttClient(broker) as connection:
        connection.publish(messages, retain=True, on_step=lambda: on_progress(next(taken), len(needed)))
    _require_retained(broker, site, needed)


def _require_most_kept(changes: Sequence[StockChange], known: Mapping[str, Expected]) -> None:
    """A list that was cut off, or that is another site's, lacks most of what is managed; a joined one has all twice."""
    managed = {location for location, expected in known.items() if expected.managed}
    gone = {c.location: c.expected.reason for c in changes if not c.expected.managed and c.location in managed}
    mixed = sum(map(bool, gone.values()))
    lacking = len(gone) - mixed
    if len(gone) <= MAX_SHARE_GIVEN_UP * len(managed) or not (lacking or mixed > FEW_MIXED):
        return
    said = [f"{lacking} that the list doesn't have"] if lacking else []
    said += [f"{mixed} that have several products in it"] if mixed else []
    examples = ", ".join(sorted(gone)[:EXAMPLES]) + (", ..." if len(gone) > EXAMPLES else "")
    raise UsageError(
        f"{'--replace' if lacking else '--mixed'}: gives up {len(gone)} of {len(managed)} locations, "
        f"{' and '.join(said)} ({examples}): check that it is whole, and of this site, then add --yes"
    )


def _require_retained(broker: BrokerSettings, site: str, published: Sequence[StockChange]) -> None:
    """A broker may acknowledge what it doesn't keep (MQTT 3.1.1 has no way to refuse): look at what it holds."""
    looked_at = published[:: len(published) // MAX_LOOKED_AT + 1]
    told = read_by_name(broker, site, [change.location for change in looked_at])
    lacking = _lacking(told.found, looked_at)
    if lacking and told.strays:
        raise BrokerError(
            f"{lacking[0].location}: the broker gives it back as {told.strays[0]}, which no agent reads: "
            "take a broker that leaves topics as they are (docs/brokers.md), or name the site without dots"
        )
    if lacking:
        raise BrokerError(
            f"{lacking[0].location}: the broker took its expected stock and doesn't keep it: "
            "check the user's right to publish under expected/, and that the broker retains messages"
        )


def _lacking(kept: Mapping[str, Expected], published: Sequence[StockChange]) -> list[StockChange]:
    """What isn't kept of it."""
    return [
        change
        for change in published
        if (found := kept.get(change.location)) is None or found.revision < change.expected.revision
    ]


def _next_revision(before: Expected | None, now_ms: int) -> int:
    return min(MAX_REVISION, max(now_ms, before.revision + 1)) if before else now_ms


def _is_last(expected: Expected | None) -> bool:
    return expected is not None and expected.revision == MAX_REVISION


def _stock_content(expected: Expected) -> tuple[str | None, bool, int | None, str]:
    return expected.sku, expected.managed, expected.quantity, expected.reason
