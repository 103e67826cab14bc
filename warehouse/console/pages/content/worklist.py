"""Finds the tasks of the work list, in walking order: the report's discrepancies, with who does what about them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Alert, Envelope, LocationState
from kardus.contract.verdicts import ALERTS, UNVERIFIED, Verdict
from kardus.support.time_zone import TimeZone
from warehouse.console.pages.content.predecessors import predecessors
from warehouse.console.pages.content.task_notes import named
from warehouse.console.pages.content.tiles import Tile, tiles_of
from warehouse.report.aisles import AISLE_PATTERN
from warehouse.report.report import Discrepancy, by_location, calling, find_discrepancies, opinions_of
from warehouse.store.portions import portions
from warehouse.store.tables import comments, latest, latest_verdict, tasks

SEEN_AFTER = timedelta(minutes=2)
"""A picture that is so much later than somebody's "done" shows what came of it: they have gone, and clocks differ."""
SHOWN_COMMENTS = 5
"""So many of a task's comments are in the list."""
_STATE = Envelope[LocationState]


@dataclass(frozen=True)
class TaskComment:
    """A comment on one of a task's alerts."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True)
class AgentVerdict:
    """What an agent says of a location."""

    agent: str
    verdict: str
    seen: str
    """The product, or its family; empty: none is named."""


@dataclass(frozen=True)
class Task:
    """One thing to do: a location to be put right, or two that hold each other's product."""

    lines: tuple[Discrepancy, ...]
    tiles: tuple[Tile, ...]
    opinions: tuple[tuple[AgentVerdict, ...], ...]
    """Of each location what agents that contradict each other say."""
    standing: tuple[Alert, ...]
    """The alerts of every agent that calls for somebody there: whatever is done is done for all of them.

    What was done about one that another one has followed meanwhile (predecessors.py) counts for that one.
    """
    holders: frozenset[str]
    """Who has taken it: of a pair two people may each have one half."""
    former: frozenset[str]
    """Who had it until then."""
    known: Mapping[str, str]
    """By alert, who knows of it as its agent has confirmed to this server; its state says it a moment later."""
    done_by: str
    done: datetime | None
    seen_since: datetime | None
    """The latest picture by which a standing state was told, of after SEEN_AFTER: what was done didn't put it right."""
    said: tuple[TaskComment, ...]
    """The newest few comments, the oldest of them first."""
    unshown: int
    """How many comments are older: each location's page has all of them."""

    @property
    def id(self) -> str:
        """For the page's element."""
        return self.tiles[0].id

    @property
    def alerts(self) -> tuple[str, ...]:
        """Whose alerts these are."""
        return tuple(dict.fromkeys(one.id for one in self.standing))

    @property
    def is_done(self) -> bool:
        """Whether somebody has done it, and no picture since has shown otherwise."""
        return bool(self.done_by) and self.seen_since is None

    @property
    def taken_by(self) -> str:
        """Its holders in one text; empty: nobody."""
        return named(self.holders)

    @property
    def taken_from(self) -> str:
        """Who had it until then, in one text; empty: nobody."""
        return named(self.former)

    @property
    def is_acknowledged(self) -> bool:
        """Whether every alert of it is known to somebody."""
        return bool(self.alerts) and all(one.status != "open" or one.id in self.known for one in self.standing)

    @property
    def known_to(self) -> str:
        """Who knows of it; empty: nobody, or it isn't said."""
        return next((name for one in self.standing if (name := one.by or self.known.get(one.id, ""))), "")

    @property
    def is_swap(self) -> bool:
        """Whether two cartons change places."""
        return len(self.lines) > 1

    @property
    def since(self) -> datetime:
        """Of the older one."""
        return min(line.since for line in self.lines)


@dataclass(frozen=True)
class _Notes:
    """What people do and say about alerts."""

    taken: dict[str, Any]
    said: dict[str, list[TaskComment]]

    def of(self, ids: Sequence[str]) -> tuple[Sequence[Any], Sequence[TaskComment]]:
        """Of these alerts together: what is done, and what is said, the oldest first."""
        made = {each for id_ in ids for each in self.said.get(id_, ())}
        return [self.taken[id_] for id_ in ids if id_ in self.taken], sorted(made, key=lambda one: one.at)


def tasks_of(connection: Connection, zone: TimeZone, aisle: re.Pattern[str] = AISLE_PATTERN) -> list[Task]:
    """Everything that is to be done now, in walking order; of a pair, where the first of the two stands."""
    now = datetime.now(UTC)
    states = by_location(_states(connection))
    lines = find_discrepancies(states, now, zone, aisle)
    told = {line.location: calling(states[line.location]) for line in lines}
    tiles = tiles_of(connection, list(told), now, {location: one[0][0] for location, one in told.items()})
    alerts = {location: [state.alert for _, state in one if state.alert] for location, one in told.items()}
    opinions = {location: _opinions(states[location], now) for location in told}
    ids = [alert.id for one in alerts.values() for alert in one]
    former = predecessors(connection, ids)
    ids += [id_ for one in former.values() for id_ in one]
    notes = _Notes(_task_rows(connection, ids), _latest_comments(connection, ids))
    by_code, found, seen = {line.location: line for line in lines}, [], set()
    for line in lines:
        if line.location in seen or line.location not in tiles:
            continue
        pair = (line, by_code[line.swap]) if line.swap in tiles else (line,)
        seen |= {one.location for one in pair}
        shown = [(tiles[one.location], opinions[one.location]) for one in pair]
        standing = tuple(alert for one in pair for alert in alerts[one.location])
        closed = [id_ for one in pair for id_ in former.get(one.location, ())]
        told_by = [state for one in pair for _, state in told[one.location]]
        found.append(_task(pair, shown, told_by, notes.of([*(alert.id for alert in standing), *closed])))
    return found


def _opinions(reports: Sequence[tuple[str, LocationState]], now: datetime) -> tuple[AgentVerdict, ...]:
    found = []
    for agent, state in opinions_of(reports, now).items():
        seen = state.seen if state.verdict != Verdict.EMPTY else None
        named = (seen.sku or (f"{seen.category}?" if seen.category else "")) if seen else ""
        found.append(AgentVerdict(agent, state.verdict.value, "" if named == EMPTY_CLASS else named))
    return tuple(found)


def _task(
    lines: tuple[Discrepancy, ...],
    shown: Sequence[tuple[Tile, tuple[AgentVerdict, ...]]],
    told_by: Sequence[LocationState],
    noted: tuple[Sequence[Any], Sequence[TaskComment]],
) -> Task:
    task_rows, made = noted
    done = max((row.done for row in task_rows if row.done), default=None)
    pictures = [state.last_verified for state in told_by if state.last_verified is not None]
    seen = [moment for moment in pictures if done is not None and moment > done + SEEN_AFTER]
    return Task(
        lines=lines,
        tiles=tuple(tile for tile, _ in shown),
        opinions=tuple(opinions for _, opinions in shown),
        standing=tuple(state.alert for state in told_by if state.alert),
        holders=frozenset(row.taken_by for row in task_rows if row.taken_by),
        former=frozenset(row.taken_from for row in task_rows if row.taken_by and row.taken_from),
        known={row.alert: row.known_by for row in task_rows if row.known_by},
        done_by=next((row.done_by for row in task_rows if row.done_by), ""),
        done=done,
        seen_since=max(seen, default=None),
        said=tuple(made[-SHOWN_COMMENTS:]),
        unshown=max(0, len(made) - SHOWN_COMMENTS),
    )


def _states(connection: Connection) -> dict[tuple[str, str], LocationState]:
    """The states of every location where one is a discrepancy, of all its agents."""
    state = latest.c.kind == "state"
    wanted = [verdict.value for verdict in (*ALERTS, *UNVERIFIED)]  # of a doubt the alert may stand still
    codes = sorted(set(connection.execute(select(latest.c.subject).where(state, latest_verdict.in_(wanted))).scalars()))
    found = {}
    for portion in portions(codes):
        chosen = select(latest.c.agent, latest.c.subject, latest.c.payload).where(state, latest.c.subject.in_(portion))
        for agent, subject, payload in connection.execute(chosen):
            found[agent, subject] = _STATE.model_validate_json(payload).data
    return found


def _task_rows(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    found = {}
    for portion in portions(ids):
        for row in connection.execute(select(tasks).where(tasks.c.alert.in_(portion))):
            found[row.alert] = row
    return found


def _latest_comments(connection: Connection, ids: Sequence[str]) -> dict[str, list[TaskComment]]:
    found: dict[str, list[TaskComment]] = {}
    for portion in portions(ids):
        chosen = select(comments).where(comments.c.alert.in_(portion))
        for row in connection.execute(chosen.order_by(comments.c.number)):
            found.setdefault(row.alert, []).append(TaskComment(row.at, row.by, row.text))
    return found
