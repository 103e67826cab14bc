"""What has to be done, in walking order: the report's discrepancies, with who does what about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal_column, select

from kardus.contract.messages import Envelope, LocationState
from kardus.contract.verdicts import ALERTS, UNVERIFIED
from kardus.support.time_zone import TimeZone
from warehouse.console.pages.tiles import PORTION, Tile, tiles_of
from warehouse.report.aisles import AISLE_PATTERN
from warehouse.report.report import Discrepancy, by_location, find_discrepancies
from warehouse.store.tables import comments, latest, tasks

SHOWN_COMMENTS = 5
"""So many of a task's comments are in the list."""
_verdict: ColumnElement[str] = literal_column("latest.verdict")
_STATE = Envelope[LocationState]


@dataclass(frozen=True)
class TaskComment:
    """A comment."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True)
class Task:
    """One thing to do: a location to be put right, or two that hold each other's product."""

    lines: tuple[Discrepancy, ...]
    tiles: tuple[Tile, ...]
    taken_by: str
    taken_from: str
    """Who had it until then; empty: nobody."""
    known: Mapping[str, str]
    """By alert, who knows of it as its agent has confirmed to this server; its state says it a moment later."""
    done_by: str
    done: datetime | None
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
        return tuple(line.alert for line in self.lines if line.alert)

    @property
    def is_acknowledged(self) -> bool:
        """Whether every alert of it is known to somebody."""
        standing = [tile for tile in self.tiles if tile.alert]
        return bool(self.alerts) and all(
            tile.alert_status == "acknowledged" or tile.alert in self.known for tile in standing
        )

    @property
    def known_to(self) -> str:
        """Who knows of it; empty: nobody, or it isn't said."""
        return next((name for tile in self.tiles if (name := tile.alert_by or self.known.get(tile.alert, ""))), "")

    @property
    def is_swap(self) -> bool:
        """Whether two cartons change places."""
        return len(self.lines) > 1

    @property
    def since(self) -> datetime:
        """Of the older one."""
        return min(line.since for line in self.lines)


def jobs_of(connection: Connection, zone: TimeZone) -> list[Task]:
    """Everything that is to be done now, in walking order; of a pair, where the first of the two stands."""
    now = datetime.now(UTC)
    lines = find_discrepancies(by_location(_states(connection)), now, zone, AISLE_PATTERN)
    tiles = tiles_of(connection, [line.location for line in lines], now, worst=True)
    taken = _tasks(connection, [line.alert for line in lines if line.alert])
    said = _said(connection, [line.alert for line in lines if line.alert])
    by_code, jobs, seen = {line.location: line for line in lines}, [], set()
    for line in lines:
        if line.location in seen or line.location not in tiles:
            continue
        pair = (line, by_code[line.swap]) if line.swap in tiles else (line,)
        seen |= {one.location for one in pair}
        jobs.append(_task(pair, tiles, taken, said))
    return jobs


def _task(
    lines: tuple[Discrepancy, ...],
    tiles: dict[str, Tile],
    taken: dict[str, Any],
    said: dict[str, list[TaskComment]],
) -> Task:
    works = [taken[line.alert] for line in lines if line.alert in taken]
    done = [row.done for row in works if row.done]
    made = sorted((each for line in lines for each in said.get(line.alert, ())), key=lambda one: one.at)
    return Task(
        lines=lines,
        tiles=tuple(tiles[line.location] for line in lines),
        taken_by=next((row.taken_by for row in works if row.taken_by), ""),
        taken_from=next((row.taken_from for row in works if row.taken_by), ""),
        known={row.alert: row.known_by for row in works if row.known_by},
        done_by=next((row.done_by for row in works if row.done_by), ""),
        done=max(done) if done else None,
        said=tuple(made[-SHOWN_COMMENTS:]),
        unshown=max(0, len(made) - SHOWN_COMMENTS),
    )


def _states(connection: Connection) -> dict[tuple[str, str], LocationState]:
    """The states of every location where one is a discrepancy, of all its agents."""
    state = latest.c.kind == "state"
    wanted = [verdict.value for verdict in (*ALERTS, *UNVERIFIED)]  # of a doubt the alert may stand still
    codes = sorted(set(connection.execute(select(latest.c.subject).where(state, _verdict.in_(wanted))).scalars()))
    found = {}
    for start in range(0, len(codes), PORTION):
        chosen = select(latest.c.agent, latest.c.subject, latest.c.payload).where(
            state, latest.c.subject.in_(codes[start : start + PORTION])
        )
        for agent, subject, payload in connection.execute(chosen):
            found[agent, subject] = _STATE.model_validate_json(payload).data
    return found


def _tasks(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    found = {}
    for start in range(0, len(ids), PORTION):
        for row in connection.execute(select(tasks).where(tasks.c.alert.in_(ids[start : start + PORTION]))):
            found[row.alert] = row
    return found


def _said(connection: Connection, ids: Sequence[str]) -> dict[str, list[TaskComment]]:
    found: dict[str, list[TaskComment]] = {}
    for start in range(0, len(ids), PORTION):
        chosen = select(comments).where(comments.c.alert.in_(ids[start : start + PORTION]))
        for row in connection.execute(chosen.order_by(comments.c.number)):
            found.setdefault(row.alert, []).append(TaskComment(row.at, row.by, row.text))
    return found
