"""Where a product that is missing from its location is seen instead. Pure functions over the agent's locations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edge_agent.deciding.events import Finding
from kardus.contract.messages import LocationState
from kardus.contract.verdicts import ALERTS, Verdict

MOST = 5
"""More places than somebody would walk to."""


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
    return tuple(place for place in astray.get(sku or "", ()) if place != location)[:MOST]
