"""What somebody has to walk to a location for: the life of an alert, and where its product is seen instead.

An alert is open, acknowledged, resolved. It stays the same one while the verdict changes from one alert to another, and
while doubt or a lost view keeps anyone from knowing better; only a verdict that all is well ends it. Pure functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from edge_agent.records import Finding
from kardus.contract.messages import Alert, LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.identifiers import uuid7

WELL = frozenset({Verdict.MATCH, Verdict.UNMANAGED})
"""The verdicts that end an alert."""
MOST_PLACES = 5
"""More places than somebody would walk to."""


def next_alert(
    alert: Alert | None, verdict: Verdict, moment: datetime, open_s: float | None = None, reason: str = ""
) -> Alert | None:
    """What becomes of a location's alert by a new verdict.

    Args:
        alert: the alert so far; None where there is none.
        verdict: what is found now.
        moment: when the picture was taken.
        open_s: for how long the alert has been open, by a clock that never jumps; None: by the calendar.
        reason: why it ends, should it do so; empty: a picture shows that all is well.
    """
    standing = alert if alert is not None and alert.status != "resolved" else None
    if verdict in ALERTS:
        return standing or Alert(id=uuid7(), status="open", opened=moment)
    if verdict in WELL and standing:
        lasted = open_s if open_s is not None else (moment - standing.opened).total_seconds()
        return standing.model_copy(
            update={
                "status": "resolved",
                "resolved": moment,
                "duration_s": round(max(0.0, lasted), 3),
                "reason": reason,
            }
        )
    return standing


def acknowledged(alert: Alert, by: str, moment: datetime) -> Alert:
    """The alert, once somebody has said that it is known."""
    return alert.model_copy(update={"status": "acknowledged", "acknowledged": moment, "by": by})


def with_places(findings: Sequence[Finding], states: Mapping[str, LocationState]) -> list[Finding]:
    """Findings that name, where their product is missing, the locations at which it stands and isn't expected."""
    astray = _astray(findings, states)
    return [
        replace(finding, seen_at=_places(finding, astray)) if _lacks(finding.verdict) else finding
        for finding in findings
    ]


def affected(findings: Sequence[Finding], states: Mapping[str, LocationState]) -> set[str]:
    """Other locations that lack a product, whose places these findings change."""
    astray, told = _astray(findings, states), {finding.location for finding in findings}
    return {
        location
        for location, state in states.items()
        if location not in told and _lacks(state.verdict) and state.seen_at != _of(state, location, astray)
    }


def _astray(findings: Iterable[Finding], states: Mapping[str, LocationState]) -> dict[str, list[str]]:
    """Where each product stands that isn't expected there, by its SKU."""
    now: dict[str, Finding | LocationState] = {**states, **{finding.location: finding for finding in findings}}
    places: dict[str, list[str]] = {}
    for location, found in sorted(now.items()):
        if found.verdict in ALERTS and found.seen and found.seen.sku:
            places.setdefault(found.seen.sku, []).append(location)
    return places


def _lacks(verdict: Verdict) -> bool:
    return verdict in {Verdict.MISMATCH, Verdict.EMPTY, Verdict.UNKNOWN}


def _places(finding: Finding, astray: Mapping[str, list[str]]) -> tuple[str, ...]:
    return _of(finding, finding.location, astray)


def _of(found: Finding | LocationState, location: str, astray: Mapping[str, list[str]]) -> tuple[str, ...]:
    sku = found.expected.sku if found.expected else None
    return tuple(place for place in astray.get(sku or "", ()) if place != location)[:MOST_PLACES]
