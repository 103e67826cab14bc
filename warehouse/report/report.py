"""The list that somebody walks the aisles with: what is wrong, what fits where, what wasn't seen. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kardus.contract.messages import LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from warehouse.receiving.archive import Lack, Latest
from warehouse.receiving.board import what_is_seen
from warehouse.receiving.ranges import count

AISLE = re.compile(r"^([^-]+)")
"""The aisle in a location's code: its first part, before the first `-`."""
OTHERS = "(others)"
"""The aisle of locations whose code names none."""
MOST_PLACES = 3
_NO_OPINION = frozenset({Verdict.STALE, Verdict.OBSTRUCTED, Verdict.UNCERTAIN, Verdict.UNMANAGED})


@dataclass(frozen=True)
class Discrepancy:
    """A location that somebody has to walk to."""

    aisle: str
    location: str
    verdict: str
    expected: str
    """The product; `(empty)` where nothing should stand, `?` where the WMS has said nothing."""
    seen: str
    """What stands there, in a word; empty where the view can't be trusted."""
    since: datetime
    age: timedelta
    action: str
    """What to do: `swap with B`, where the product stands, where the one that stands here lacks."""
    conflict: str
    """Where agents disagree: what each of them says."""
    note: str
    """Who has acknowledged it, that there was no word since, and why the view can't be trusted."""
    agents: tuple[str, ...]
    alert: str
    """The alert's id; empty: none was told."""
    swap: str = ""
    """The location to swap with; empty: none."""


@dataclass(frozen=True)
class Unverified:
    """A location that nobody has looked at in the time of the report."""

    aisle: str
    location: str
    last_verified: datetime | None
    """None: never."""
    why: str


@dataclass(frozen=True)
class AisleCoverage:
    """How much of an aisle was verified."""

    aisle: str
    total: int
    verified: int

    @property
    def percent(self) -> float:
        """0 to 100; of nothing: 0."""
        return 100 * self.verified / self.total if self.total else 0.0


@dataclass(frozen=True)
class Report:
    """Everything that the report says."""

    site: str
    made: datetime
    since: datetime
    """From when on a location counts as verified."""
    discrepancies: tuple[Discrepancy, ...]
    unverified: tuple[Unverified, ...]
    coverage: tuple[AisleCoverage, ...]
    problems: tuple[str, ...]
    """What is wrong with agents, cameras and the line itself."""

    @property
    def total(self) -> AisleCoverage:
        """All aisles together."""
        return AisleCoverage("", sum(a.total for a in self.coverage), sum(a.verified for a in self.coverage))


States = Mapping[str, Sequence[tuple[str, LocationState]]]
"""By location: every agent that watches it, with what it says; the one that looked last comes first."""


def make_report(
    site: str,
    latest: Latest,
    lacks: Iterable[Lack],
    now: datetime,
    *,
    since: datetime,
    pattern: re.Pattern[str] = AISLE,
) -> Report:
    """The report for what is known now; `pattern`'s first group (or its whole match) is a location's aisle."""
    states = _by_location(latest)
    verified = _verified(latest)
    unverified, coverage = _covered(verified, states, now, since, pattern)
    return Report(
        site=site,
        made=now,
        since=since,
        discrepancies=_with_actions(states, now, pattern),
        unverified=unverified,
        coverage=coverage,
        problems=(*_problems(latest), *_lacking(lacks)),
    )


def aisle_of(location: str, pattern: re.Pattern[str] = AISLE) -> str:
    """The aisle that a location stands in."""
    found = pattern.search(location)
    return ((found.group(1) if pattern.groups else found.group()) if found else "") or OTHERS


def walking_order(code: str) -> list[tuple[int, str]]:
    """A key that sorts A-2 before A-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", code)]


def _by_location(latest: Latest) -> States:
    found: dict[str, list[tuple[str, LocationState]]] = {}
    for (agent, location), state in sorted(latest.states.items(), key=lambda item: item[1].valid_until, reverse=True):
        found.setdefault(location, []).append((agent, state))
    return {location: found[location] for location in sorted(found, key=walking_order)}


def _is_open(state: LocationState) -> bool:
    return state.verdict in ALERTS or (state.alert is not None and state.alert.status != "resolved")


def _with_actions(states: States, now: datetime, pattern: re.Pattern[str]) -> tuple[Discrepancy, ...]:
    """One line a location, of the agent that looked last and says so."""
    open_states = {
        location: next(state for _, state in told if _is_open(state))
        for location, told in states.items()
        if any(_is_open(state) for _, state in told)
    }
    swaps = swap_pairs(open_states)
    lines = [_line(location, states[location], state, now, pattern) for location, state in open_states.items()]
    lines = [
        replace(line, swap=swaps.get(line.location, ""), action=_action(open_states, swaps, line.location))
        for line in lines
    ]
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


def _action(states: Mapping[str, LocationState], swaps: Mapping[str, str], location: str) -> str:
    if location in swaps:
        return f"swap with {swaps[location]}"
    wanted, there = _expected(states[location]), _seen(states[location])
    others = [(place, state) for place, state in states.items() if place != location and place not in swaps]
    sources = [p for p, s in others if wanted and _seen(s) == wanted and _expected(s) != wanted]
    targets = [p for p, s in others if there and _expected(s) == there and _seen(s) != there]
    parts = [f"{wanted} stands at {', '.join(sources[:MOST_PLACES])}"] if sources else []
    if targets and there != wanted:
        parts.append(f"{there} is missing at {', '.join(targets[:MOST_PLACES])}")
    return "; ".join(parts)


def _line(
    location: str,
    told: Sequence[tuple[str, LocationState]],
    state: LocationState,
    now: datetime,
    pattern: re.Pattern[str],
) -> Discrepancy:
    since = state.alert.opened if state.alert else state.since
    return Discrepancy(
        aisle=aisle_of(location, pattern),
        location=location,
        verdict=state.verdict.value,
        expected="?" if state.expected is None else state.expected.sku or "(empty)",
        seen=what_is_seen(state),
        since=since,
        age=max(now - since, timedelta()),
        action="",
        conflict=_conflict(told, now),
        note=_note(state, now),
        agents=tuple(sorted(agent for agent, other in told if _is_open(other))),
        alert=state.alert.id if state.alert else "",
    )


def _conflict(told: Sequence[tuple[str, LocationState]], now: datetime) -> str:
    """What each agent says, where they see different things; who sees nothing has no opinion."""
    opinions = {
        agent: (present.verdict.value, what_is_seen(present))
        for agent, state in told
        if (present := state.at(now)).verdict not in _NO_OPINION
    }
    if len(set(opinions.values())) < 2:  # noqa: PLR2004
        return ""
    return ", ".join(f"{agent}: {verdict} {seen}".strip() for agent, (verdict, seen) in sorted(opinions.items()))


def _note(state: LocationState, now: datetime) -> str:
    parts = []
    if state.alert and state.alert.status == "acknowledged":
        parts.append(f"acknowledged by {state.alert.by}".removesuffix(" by "))
    if now >= state.valid_until:
        parts.append(f"no word since {state.valid_until:%Y-%m-%d %H:%M} UTC")
    elif state.verdict not in ALERTS:
        parts.append(state.reason)
    return "; ".join(part for part in parts if part)


def _verified(latest: Latest) -> dict[str, datetime | None]:
    """When each location was last verified, by any agent; None: never."""
    found: dict[str, datetime | None] = {}
    told = [(state.location, state.last_verified) for state in latest.states.values()]
    told += [(row.location, row.last_verified) for coverage in latest.coverage.values() for row in coverage.locations]
    for location, moment in told:
        known = found.get(location)
        found[location] = max(known, moment) if known and moment else known or moment
    return found


def _covered(
    verified: Mapping[str, datetime | None],
    states: States,
    now: datetime,
    since: datetime,
    pattern: re.Pattern[str],
) -> tuple[tuple[Unverified, ...], tuple[AisleCoverage, ...]]:
    by_aisle: dict[str, list[tuple[str, datetime | None]]] = {}
    for location, moment in verified.items():
        by_aisle.setdefault(aisle_of(location, pattern), []).append((location, moment))
    unverified, coverage = [], []
    for aisle, rows in sorted(by_aisle.items(), key=lambda item: walking_order(item[0])):
        old = [(location, moment) for location, moment in rows if moment is None or moment < since]
        coverage.append(AisleCoverage(aisle, len(rows), len(rows) - len(old)))
        unverified += [
            Unverified(aisle, location, moment, _why(states.get(location, ()), now))
            for location, moment in sorted(old, key=lambda row: walking_order(row[0]))
        ]
    return tuple(unverified), tuple(coverage)


def _why(told: Sequence[tuple[str, LocationState]], now: datetime) -> str:
    reasons = [f"{agent}: {(present := state.at(now)).verdict.value} {present.reason}".strip() for agent, state in told]
    return "; ".join(reasons)


def _problems(latest: Latest) -> list[str]:
    agents = [
        f"agent {name}: offline {status.reason}".strip()
        for name, status in sorted(latest.agents.items())
        if status.status == "offline"
    ]
    cameras = [
        f"agent {agent}, camera {camera}: {health.status} {health.reason}".strip()
        for (agent, camera), health in sorted(latest.cameras.items())
        if health.status != "ok"
    ]
    return agents + cameras


def _lacking(lacks: Iterable[Lack]) -> list[str]:
    words = []
    for lack in lacks:
        if lack.missing:
            words.append(f"agent {lack.agent}: {count(lack.missing)} events haven't come yet")
        if lack.lost:
            words.append(f"agent {lack.agent}: {lack.lost} events are lost, as it says itself")
    return words


def _expected(state: LocationState) -> str | None:
    return state.expected.sku if state.expected else None


def _seen(state: LocationState) -> str | None:
    return state.seen.sku if state.seen and state.verdict in ALERTS else None
