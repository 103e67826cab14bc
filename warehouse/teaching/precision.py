"""Computes how often the cameras are right from what people said: of the events that somebody judged, and no others.

Alerts are judged because somebody walks there; a match hardly ever is. So matches count where chance chose them: every
day a share of the locations is drawn (`is_drawn`, from day and code alone, so that nobody chooses and a label shows
whether it was drawn), and whoever walks by says what stands there.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, literal_column, select

from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Envelope, LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.proportions import wilson
from warehouse.store.labels import STANDS, TEACHING, StatedTruth
from warehouse.store.tables import agent_beside, events, labels, latest, present
from warehouse.teaching.label_statements import verdict_of

DRAWN_SHARE = 0.02
"""So many of the locations are drawn each day."""
_COUNTED = tuple(
    labels.c[name] for name in ("agent", "camera", "location", "verdict", "expected", "seen", "truth", "sku", "at")
)
Claim = Literal["alert", "match", "product"]
By = Literal["all", "camera", "product"]


@dataclass(frozen=True)
class ClaimPrecision:
    """How often one claim was right."""

    claim: Claim
    """`alert`: that something is wrong there; `match`: that all is well, of drawn locations; `product`: which it is."""
    by: By
    """What it is counted by."""
    key: str
    """The camera (`AGENT/CAMERA`) or the product (`empty`: nothing); empty for all."""
    right: int
    """Claims that were right."""
    judged: int
    """Claims that somebody judged."""
    low: float
    """The lower end of the 95 % Wilson interval of `right / judged`."""
    high: float
    """The upper end."""


def precisions(connection: Connection) -> list[ClaimPrecision]:
    """Every claim's, by camera and product, of the labels that stand and say what stood there."""
    chosen = select(*_COUNTED).where(STANDS, labels.c.truth.in_([truth.value for truth in TEACHING]))
    return count_claims(connection.execute(chosen))


def count_claims(rows: Iterable[Any]) -> list[ClaimPrecision]:
    """The same of rows of `labels`, each of its event's last."""
    counts: dict[tuple[Claim, By, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for claim, is_right in _claims(row):
            keys: list[tuple[By, str]] = [("all", ""), ("camera", f"{row.agent}/{row.camera}")]
            named = row.seen if claim == "product" else row.expected
            keys += [("product", named or EMPTY_CLASS)] if named is not None else []
            for by, key in keys:
                counted = counts[claim, by, key]
                counted[0] += is_right
                counted[1] += 1
    return [ClaimPrecision(*key, right, n, *wilson(right, n)) for key, (right, n) in sorted(counts.items())]


def is_drawn(location: str, day: date) -> bool:
    """Whether chance has chosen a location on a day (UTC)."""
    digest = hashlib.sha256(f"{day.isoformat()}\x00{location}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < DRAWN_SHARE * 2**64


def drawn_today(connection: Connection, most: int) -> list[tuple[str, str, str, str]]:
    """Locations to walk by, which match and are drawn: agent, code, the event to label, and its message.

    Args:
        connection: reading.
        most: at most so many.
    """
    today = present()
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    matching = select(latest.c.agent, latest.c.subject, latest.c.payload).where(
        latest.c.kind == "state", literal_column("verdict") == Verdict.MATCH.value
    )
    judged = {
        tuple(row)
        for row in connection.execute(select(labels.c.agent, labels.c.location).where(labels.c.at >= midnight))
    }
    found: list[tuple[str, str, str, str]] = []
    for agent, location, state in connection.execute(matching.order_by(latest.c.subject, latest.c.agent)).all():
        if len(found) == most:
            break
        if (agent, location) in judged or not is_drawn(location, today.date()):
            continue
        if Envelope[LocationState].model_validate_json(state).data.at(today).verdict != Verdict.MATCH:
            continue
        last = select(events.c.id, events.c.verdict, events.c.payload).where(
            events.c.location == location, agent_beside == agent
        )
        row = connection.execute(last.order_by(events.c.number.desc()).limit(1)).first()
        if row is not None and row.verdict == Verdict.MATCH:
            found.append((agent, location, row.id, row.payload))
    return found


def _claims(row: Any) -> list[tuple[Claim, bool]]:
    """What an event claimed, and whether it was right."""
    truth, verdict = StatedTruth(row.truth), Verdict(row.verdict)
    should = verdict_of(truth, row.sku, row.expected)
    found: list[tuple[Claim, bool]] = []
    if verdict in ALERTS:
        found.append(("alert", should in ALERTS))
    elif verdict == Verdict.MATCH and is_drawn(row.location, row.at.date()):
        found.append(("match", should == Verdict.MATCH))
    if row.seen is not None and (verdict in ALERTS or found):
        found.append(("product", row.seen == row.sku if row.seen else truth == StatedTruth.EMPTY))
    return found
