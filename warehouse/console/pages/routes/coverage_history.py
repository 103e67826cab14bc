"""How much was covered day by day: noted while the server runs, since states say nothing of the past.

A day's figure is that of the last look on it, by the page's clock; of a day on which no server ran there is none.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, and_, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kardus.support.worker import Worker
from warehouse.console.pages.content.coverage_now import CoverageCount, coverage_now
from warehouse.console.pages.settings import PageSettings
from warehouse.report.aisles import OTHER_AISLES
from warehouse.store.database import Database, StoreError
from warehouse.store.tables import coverage_days

INTERVAL_S = 900.0
"""So often it is noted: all states are read for it."""
MAX_AISLES = 1000
"""Of more than so many, as where every location passes for one, the sum is noted: a row each every day is too many."""
CoverageKind = Literal["aisle", "family"]
_KEY = ("day", "kind", "name")
log = logging.getLogger("kardus.console")


class CoverageHistory(Worker):
    """Notes it in a thread of its own; several servers of one database note the same."""

    def __init__(self, database: Database, settings: PageSettings) -> None:
        """Prepare; `start` begins."""
        super().__init__("coverage")
        self._database, self._settings, self._has_warned = database, settings, False

    def note(self, now: datetime) -> None:
        """Note how it stands.

        Raises:
            StoreError: the database can't be read, or doesn't take it.
        """
        with self._database.reading() as connection:
            aisles, families = covered_by(connection, now, self._settings)
        if len(aisles) > MAX_AISLES:
            self._warn_once(len(aisles))
            aisles = [_together(aisles)]
        day = self._settings.zone.of(now).date()
        rows = [_row(day, "aisle", one) for one in aisles] + [_row(day, "family", one) for one in families]
        if not rows:
            return
        with self._database.noting() as connection:
            adding = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(coverage_days)
            changed = {name: adding.excluded[name] for name in ("total", "verified")}
            connection.execute(adding.on_conflict_do_update(index_elements=_KEY, set_=changed), rows)
            told = [one.name for one in aisles]  # of locations that went to another aisle today nothing counts twice
            others = and_(coverage_days.c.day == day.isoformat(), coverage_days.c.kind == "aisle")
            emptied = update(coverage_days).where(others, coverage_days.c.name.not_in(told))
            connection.execute(emptied.values(total=0, verified=0))

    def _warn_once(self, count: int) -> None:
        if not self._has_warned:
            log.warning(
                "%d aisles are too many to note the coverage of each every day: say with --aisle what the aisle in a "
                "location's code is; their sum is noted",
                count,
            )
        self._has_warned = True

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.note(datetime.now(UTC))
            except StoreError as error:
                log.warning("today's coverage can't be noted now: %s", error)
            self._stopping.wait(INTERVAL_S)


def _together(aisles: Sequence[CoverageCount]) -> CoverageCount:
    return CoverageCount(OTHER_AISLES, sum(one.total for one in aisles), sum(one.verified for one in aisles))


def covered_by(
    connection: Connection, now: datetime, settings: PageSettings
) -> tuple[list[CoverageCount], list[CoverageCount]]:
    """How much is covered now, by aisle and by product family."""
    products = settings.products
    return coverage_now(connection, now, lambda sku, seen: products.family(sku) or seen, settings.patterns.aisle)


def coverage_by_day(
    connection: Connection, first: date, days: int, *, aisle: str = "", family: str = ""
) -> Sequence[tuple[date, CoverageCount | None]]:
    """Day by day, of an aisle or a family or, without a name, of all; None: nothing was noted.

    Args:
        connection: to read by.
        first: the first day.
        days: how many.
        aisle: only this one.
        family: only this one; of an aisle's families nothing is noted.
    """
    kind, name = ("family", family) if family else ("aisle", aisle)
    last = first + timedelta(days=days - 1)
    chosen = select(coverage_days.c.day, func.sum(coverage_days.c.total), func.sum(coverage_days.c.verified)).where(
        coverage_days.c.kind == kind, coverage_days.c.day.between(first.isoformat(), last.isoformat())
    )
    if name:
        chosen = chosen.where(coverage_days.c.name == name)
    found = {
        day: CoverageCount(name, int(total), int(verified))
        for day, total, verified in connection.execute(chosen.group_by(coverage_days.c.day))
        if total
    }
    return [(day, found.get(day.isoformat())) for day in (first + timedelta(days=n) for n in range(days))]


def _row(day: date, kind: CoverageKind, one: CoverageCount) -> dict[str, str | int]:
    return {"day": day.isoformat(), "kind": kind, "name": one.name, "total": one.total, "verified": one.verified}
