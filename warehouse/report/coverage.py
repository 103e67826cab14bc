"""Finds which locations are verified now, and why the others aren't. Pure functions."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kardus.contract.messages import LocationState, Verified
from kardus.contract.verdicts import Verdict, is_verified
from kardus.support.time_zone import TimeZone
from warehouse.report.aisles import aisle_of, walking_order
from warehouse.store.reader import SiteState


@dataclass(frozen=True)
class Unverified:
    """A location that no agent verifies now, or has verified in the period of the report."""

    aisle: str
    location: str
    last_verified: datetime | None
    """None: never."""
    why: str
    """What each agent says of it."""


@dataclass(frozen=True)
class AisleCoverage:
    """How much of an aisle is verified."""

    aisle: str
    total: int
    verified: int

    @property
    def percent(self) -> float:
        """0 to 100; of nothing: 0."""
        return 100 * self.verified / self.total if self.total else 0.0


Reports = Mapping[str, Sequence[tuple[str, LocationState | Verified]]]
"""By location: what each agent says of it, as it holds now."""


def aisle_coverage(
    site_state: SiteState, now: datetime, since: datetime, zone: TimeZone, pattern: re.Pattern[str]
) -> tuple[tuple[Unverified, ...], tuple[AisleCoverage, ...]]:
    """A location is verified if any agent knows now what stands there, by a picture taken since then.

    What the WMS doesn't manage isn't counted: nothing is expected there that could be verified.
    """
    reports = _reports(site_state, now)
    by_aisle: dict[str, list[str]] = {}
    for location in reports:
        by_aisle.setdefault(aisle_of(location, pattern), []).append(location)
    unverified, coverage = [], []
    for aisle, locations in sorted(by_aisle.items(), key=lambda item: walking_order(item[0])):
        missed = [
            location
            for location in sorted(locations, key=walking_order)
            if not any(is_verified(said.verdict, said.last_verified, since) for _, said in reports[location])
        ]
        coverage.append(AisleCoverage(aisle, len(locations), len(locations) - len(missed)))
        unverified += [_unverified(aisle, location, reports[location], zone) for location in missed]
    return tuple(unverified), tuple(coverage)


def reasons(unverified: Iterable[Unverified], since: datetime) -> list[tuple[int, str]]:
    """How many locations aren't verified for the same reason, the most frequent first."""
    return [(number, why) for why, number in Counter(_reason(old, since) for old in unverified).most_common()]


def _reason(old: Unverified, since: datetime) -> str:
    if old.last_verified is None:
        return f"{old.why}, never seen"
    return old.why if old.last_verified >= since else f"{old.why}, not seen since {since:%H:%M}"


def _reports(site_state: SiteState, now: datetime) -> Reports:
    """A state is newer than what its agent's coverage said of the same location."""
    found: dict[str, list[tuple[str, LocationState | Verified]]] = {}
    said: list[tuple[str, str, LocationState | Verified]] = [
        (location, agent, state.at(now)) for (agent, location), state in sorted(site_state.states.items())
    ]
    said += [
        (row.location, agent, row)
        for agent, coverage in sorted(site_state.coverage.items())
        for row in coverage.locations
        if (agent, row.location) not in site_state.states
    ]
    for location, agent, one in said:
        if one.verdict != Verdict.UNMANAGED:
            found.setdefault(location, []).append((agent, one))
    return found


def _unverified(
    aisle: str, location: str, said: Sequence[tuple[str, LocationState | Verified]], zone: TimeZone
) -> Unverified:
    moments = [one.last_verified for _, one in said if one.last_verified is not None]
    why = "; ".join(f"{agent}: {one.verdict.value} {one.reason}".strip() for agent, one in said)
    return Unverified(aisle, location, zone.of(max(moments)) if moments else None, why)
