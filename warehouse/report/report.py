"""The discrepancy report: discrepancies with corrective actions, unverified locations, coverage. Pure functions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter

from kardus.contract.messages import LocationState
from kardus.contract.ranges import count
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.time_zone import UTC_ZONE, TimeZone
from warehouse.receiving.site_monitor import describe_seen
from warehouse.report.aisles import AISLE_PATTERN, aisle_of, walking_order
from warehouse.report.coverage import AisleCoverage, Unverified, aisle_coverage
from warehouse.store.reader import MissingEvents, SiteState

MAX_SUGGESTIONS = 3
MINUTE = "%Y-%m-%d %H:%M %Z"
"""A moment as people read it; the zone tells the two halves past two of a clock's change apart."""
_NOT_SEEN = frozenset({Verdict.STALE, Verdict.OBSTRUCTED, Verdict.UNCERTAIN, Verdict.UNMANAGED})


@dataclass(frozen=True)
class Discrepancy:
    """A location where stock differs from what the WMS expects, or has an open alert."""

    aisle: str
    location: str
    verdict: str
    expected: str
    """The SKU; `(empty)` where the location must be empty, `?` where the WMS has said nothing."""
    seen: str
    """What was seen, as a short label; empty where the view can't be trusted."""
    since: datetime
    age: timedelta
    action: str
    """What to do: `swap with B`, where the expected SKU stands, where the SKU seen here is missing."""
    conflict: str
    """What each agent says, where they disagree; else empty."""
    note: str
    """Who has acknowledged the alert, since when the state is void, and why the view can't be trusted."""
    agents: tuple[str, ...]
    alert: str
    """The alert's id; empty: the state has no alert."""
    swap: str = ""
    """The location to swap with; empty: none."""
    stands_at: tuple[str, ...] = ()
    """Where the expected SKU stands instead, where it isn't expected."""
    missing_at: tuple[str, ...] = ()
    """Where the SKU that was seen here is missing."""


@dataclass(frozen=True)
class Report:
    """The discrepancy report."""

    site: str
    made: datetime
    zone: str
    """The time zone of all its times, by its name."""
    since: datetime
    """From when on a picture counts: a location is verified that was seen since then, and can be judged now."""
    discrepancies: tuple[Discrepancy, ...]
    unverified: tuple[Unverified, ...]
    coverage: tuple[AisleCoverage, ...]
    problems: tuple[str, ...]
    """Agents offline, cameras not in order, events missing or lost."""

    @property
    def total(self) -> AisleCoverage:
        """The coverage of all aisles together."""
        return AisleCoverage("", sum(a.total for a in self.coverage), sum(a.verified for a in self.coverage))


States = Mapping[str, Sequence[tuple[str, LocationState]]]
"""By location: the (agent, state) pairs of every agent that watches it, the most recent state first."""


def make_report(
    site: str,
    site_state: SiteState,
    missing: Iterable[MissingEvents],
    now: datetime,
    *,
    since: datetime,
    zone: TimeZone = UTC_ZONE,
    pattern: re.Pattern[str] = AISLE_PATTERN,
) -> Report:
    """The report for the present state, in one time zone; `pattern` finds the aisle in a location's code."""
    now, since = zone.of(now), zone.of(since)
    unverified, coverage = aisle_coverage(site_state, now, since, zone, pattern)
    return Report(
        site=site,
        made=now,
        zone=zone.name,
        since=since,
        discrepancies=find_discrepancies(by_location(site_state.states), now, zone, pattern),
        unverified=unverified,
        coverage=coverage,
        problems=(*_device_problems(site_state), *_event_problems(missing)),
    )


def by_location(states: Mapping[tuple[str, str], LocationState]) -> States:
    """States by (agent, location) as this report wants them, in walking order."""
    found: dict[str, list[tuple[str, LocationState]]] = {}
    for (agent, location), state in sorted(states.items(), key=lambda item: item[1].valid_until, reverse=True):
        found.setdefault(location, []).append((agent, state))
    return {location: found[location] for location in sorted(found, key=walking_order)}


def _is_discrepancy(state: LocationState) -> bool:
    return state.verdict in ALERTS or (state.alert is not None and state.alert.status != "resolved")


def calling(reports: Sequence[tuple[str, LocationState]]) -> list[tuple[str, LocationState]]:
    """Of a location's states those that call for somebody; the first is the one that is shown."""
    return [(agent, state) for agent, state in reports if _is_discrepancy(state)]


def find_discrepancies(
    states: States, now: datetime, zone: TimeZone, pattern: re.Pattern[str]
) -> tuple[Discrepancy, ...]:
    """One discrepancy per location, from the most recent state that is one, in walking order."""
    discrepant = {location: found[0][1] for location, reports in states.items() if (found := calling(reports))}
    swaps = swap_pairs(discrepant)
    lines = [
        _discrepancy(location, states[location], state, now=now, zone=zone, pattern=pattern)
        for location, state in discrepant.items()
    ]
    whereabouts = _ProductPlaces(discrepant, swaps)
    lines = [whereabouts.with_action(line, discrepant[line.location]) for line in lines]
    return tuple(sorted(lines, key=lambda line: (walking_order(line.aisle), walking_order(line.location))))


def swap_pairs(states: Mapping[str, LocationState]) -> dict[str, str]:
    """Locations that hold each other's product, each with its partner; no location is in two pairs."""
    found: dict[str, str] = {}
    waiting: dict[tuple[str, str], list[str]] = {}
    for location, state in states.items():
        wanted, there = _expected(state), _seen(state)
        if wanted is None or there is None or wanted == there:
            continue
        partners = waiting.get((there, wanted), [])
        if partners:
            partner = partners.pop(0)
            found[partner], found[location] = location, partner
        else:
            waiting.setdefault((wanted, there), []).append(location)
    return found


class _ProductPlaces:
    """Where each product was seen though it isn't expected there, and where it is expected but wasn't seen."""

    def __init__(self, states: Mapping[str, LocationState], swaps: Mapping[str, str]) -> None:
        self._swaps = swaps
        self._stands_at: dict[str, list[str]] = {}
        self._missing_at: dict[str, list[str]] = {}
        for place, state in states.items():
            wanted, there = _expected(state), _seen(state)
            if place in swaps or wanted == there:
                continue
            if there:
                self._stands_at.setdefault(there, []).append(place)
            if wanted:
                self._missing_at.setdefault(wanted, []).append(place)

    def with_action(self, line: Discrepancy, state: LocationState) -> Discrepancy:
        """The line with what to do about it."""
        if line.location in self._swaps:
            partner = self._swaps[line.location]
            return replace(line, swap=partner, action=f"swap with {partner}")
        wanted, there = _expected(state), _seen(state)
        sources = self._stands_at.get(wanted or "", [])[:MAX_SUGGESTIONS]
        targets = self._missing_at.get(there or "", [])[:MAX_SUGGESTIONS] if there != wanted else []
        parts = [f"{wanted} stands at {', '.join(sources)}"] if sources else []
        parts += [f"{there} is missing at {', '.join(targets)}"] if targets else []
        return replace(line, action="; ".join(parts), stands_at=tuple(sources), missing_at=tuple(targets))


def _discrepancy(
    location: str,
    reports: Sequence[tuple[str, LocationState]],
    state: LocationState,
    *,
    now: datetime,
    zone: TimeZone,
    pattern: re.Pattern[str],
) -> Discrepancy:
    since = zone.of(state.alert.opened if state.alert else state.since)
    return Discrepancy(
        aisle=aisle_of(location, pattern),
        location=location,
        verdict=state.verdict.value,
        expected="?" if state.expected is None else state.expected.sku or "(empty)",
        seen=describe_seen(state),
        since=since,
        age=max(now - since, timedelta()),
        action="",
        conflict=_conflict(reports, now),
        note=_discrepancy_note(state, now, zone),
        agents=tuple(sorted(agent for agent, _ in calling(reports))),
        alert=state.alert.id if state.alert else "",
    )


def opinions_of(reports: Sequence[tuple[str, LocationState]], now: datetime) -> dict[str, LocationState]:
    """What each agent says, by its name, where they see different things; one that can't see doesn't count."""
    present = {agent: state.at(now) for agent, state in sorted(reports, key=itemgetter(0))} if len(reports) > 1 else {}
    found = {agent: state for agent, state in present.items() if state.verdict not in _NOT_SEEN}
    return found if len({(state.verdict, describe_seen(state)) for state in found.values()}) > 1 else {}


def _conflict(reports: Sequence[tuple[str, LocationState]], now: datetime) -> str:
    return ", ".join(
        f"{agent}: {state.verdict.value} {describe_seen(state)}".strip()
        for agent, state in opinions_of(reports, now).items()
    )


def _discrepancy_note(state: LocationState, now: datetime, zone: TimeZone) -> str:
    parts = []
    if state.alert and state.alert.status == "acknowledged":
        parts.append(f"acknowledged by {state.alert.by}".removesuffix(" by "))
    if now >= state.valid_until:
        parts.append(f"no word since {zone.of(state.valid_until):{MINUTE}}")
    elif state.verdict not in ALERTS:
        parts.append(state.reason)
    return "; ".join(part for part in parts if part)


def _device_problems(site_state: SiteState) -> list[str]:
    agents = [
        f"agent {name}: offline {status.reason}".strip()
        for name, status in sorted(site_state.agents.items())
        if status.status == "offline"
    ]
    cameras = [
        f"agent {agent}, camera {camera}: {health.status} {health.reason}".strip()
        for (agent, camera), health in sorted(site_state.cameras.items())
        if health.status != "ok"
    ]
    return agents + cameras


def _event_problems(missing: Iterable[MissingEvents]) -> list[str]:
    words = []
    for outbox in missing:
        if outbox.missing:
            words.append(f"agent {outbox.agent}: {count(outbox.missing)} events haven't come yet")
        if outbox.lost:
            words.append(f"agent {outbox.agent}: {outbox.lost} events are lost, as it says itself")
    return words


def _expected(state: LocationState) -> str | None:
    return state.expected.sku if state.expected else None


def _seen(state: LocationState) -> str | None:
    return state.seen.sku if state.seen and state.verdict in ALERTS else None
