"""The page of trends: discrepancies a day, how long they stood, coverage, by aisle and family; charts as SVG."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from statistics import median
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, DateTime, Select, Text, case, select, type_coerce

from kardus.contract.verdicts import Verdict
from warehouse.console.context import Console, Served
from warehouse.console.identity.roles import Role
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.content.agent_presence import agent_presence
from warehouse.console.pages.content.coverage_now import CoverageCount
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rendering import page, translator
from warehouse.console.pages.routes.coverage_history import coverage_by_day, covered_by
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.words.languages import N_
from warehouse.console.shown import json_of
from warehouse.report.aisles import aisle_of
from warehouse.store.tables import alerts

router = APIRouter()
MENU_ENTRY = MenuEntry("/trends", N_("Trends"), Role.VIEWER, 50, ("/precision",))
DAYS = (7, 30, 90)
MAX_ALERTS = 20_000
"""So many alerts are looked at, the latest: what is older isn't in the charts, and the page says so."""
MAX_BARS = 10
MAX_COVERED = 100
"""So many aisles, and families, are shown with their coverage; the table's file has all."""
Days = Annotated[int, Query(ge=1, le=365)]
Name = Annotated[str, Query(max_length=200)]


@dataclass
class Trends:
    """What the charts show of a number of days."""

    days: list[tuple[date, int, float | None]] = field(default_factory=list)
    """Day, alerts that were opened, median minutes until they were resolved."""
    coverage: Sequence[tuple[date, CoverageCount | None]] = ()
    """How much was covered at the end of each day; None: not noted."""
    aisles: list[tuple[str, int]] = field(default_factory=list)
    families: list[tuple[str, int]] = field(default_factory=list)
    products: list[tuple[str, int]] = field(default_factory=list)
    total: int = 0
    still: int = 0
    """How many still stand."""
    median_minutes: float | None = None
    is_cut: bool = False


@dataclass(frozen=True)
class TrendFilters:
    """Which alerts are counted; empty: all."""

    aisle: str = ""
    family: str = ""

    def has(self, told: "_AlertFigures") -> bool:
        """Whether this alert is one of them."""
        return self.aisle in ("", told.aisle) and self.family in ("", told.family)


@router.get("/trends", response_class=Response)
def show_trends(
    request: Request, console: Served, __: ViewerVisit, days: Days = 30, aisle: Name = "", family: Name = ""
) -> Response:
    """Show the charts."""
    _ = translator(request)
    found, covered = read_trends(console, request.app.state.page, days, TrendFilters(aisle, family))
    with console.reading() as connection:
        presence = agent_presence(connection)
    words: dict[str, Any] = {"trends": found, "days": days, "choices": DAYS, "aisle": aisle, "family": family}
    words |= {"by_aisle": _least(covered[0]), "by_family": _least(covered[1]), "presence": presence}
    words |= {
        "cut": [len(one) > MAX_COVERED for one in covered],
        "counts": [(day, count) for day, count, __ in found.days],
    }
    words |= {"coverage": [(day, one and 100 * one.share) for day, one in found.coverage]}
    words |= {"minutes": [(day, minutes) for day, __, minutes in found.days]}
    return page(request, "trends.html.jinja", title=_("Trends"), **words)


def _least(covered: list[CoverageCount]) -> list[CoverageCount]:
    """As they come; of very many, the least covered."""
    return covered if len(covered) <= MAX_COVERED else sorted(covered, key=lambda one: one.share)[:MAX_COVERED]


def read_trends(
    console: Console, settings: PageSettings, days: int, only: TrendFilters
) -> tuple[Trends, tuple[list[CoverageCount], list[CoverageCount]]]:
    """What the alerts of these days tell, and the coverage now by aisle and family."""
    now = datetime.now(UTC)
    with console.reading() as connection:
        found = trends_of(connection, days, now, settings, only)
        if not (only.aisle and only.family):  # of an aisle's families nothing is noted
            found.coverage = coverage_by_day(connection, found.days[0][0], days, aisle=only.aisle, family=only.family)
        covered = covered_by(connection, now, settings)
    return found, covered


def trends_of(
    connection: Connection,
    days: int,
    now: datetime,
    settings: PageSettings,
    only: TrendFilters | None = None,
) -> Trends:
    """What the alerts of these days tell, by the days of the page's clock."""
    zone, only = settings.zone, only or TrendFilters()
    first = zone.of(now).date() - timedelta(days=days - 1)  # days of the calendar: one may have 23 hours
    chosen = _asked(connection).where(alerts.c.opened >= zone.begin_of(first).astimezone(UTC))
    rows = connection.execute(chosen.order_by(alerts.c.opened.desc()).limit(MAX_ALERTS)).all()
    tell = _AlertReader(settings)
    told = [one for one in map(tell.of, rows) if only.has(one)]
    count = Counter(one.day for one in told)
    minutes: dict[date, list[float]] = {}
    for one in told:
        if one.minutes is not None:
            minutes.setdefault(one.day, []).append(one.minutes)
    every = [value for values in minutes.values() for value in values]
    shown = [first + timedelta(days=n) for n in range(days)]
    return Trends(
        days=[(day, count[day], median(minutes[day]) if day in minutes else None) for day in shown],
        aisles=Counter(one.aisle for one in told).most_common(MAX_BARS),
        families=Counter(one.family for one in told if one.family).most_common(MAX_BARS),
        products=Counter(one.sku for one in told if one.sku).most_common(MAX_BARS),
        total=len(told),
        still=sum(one.is_open for one in told),
        median_minutes=median(every) if every else None,
        is_cut=len(rows) == MAX_ALERTS,
    )


def _asked(connection: Connection) -> Select[Any]:
    """What is counted of an alert, taken out of its message by the database: 20,000 of them needn't come here."""
    is_server = connection.dialect.name == "postgresql"
    said = json_of(connection, alerts.c.payload)
    return select(
        alerts.c.location,
        type_coerce(alerts.c.opened, DateTime(timezone=True) if is_server else Text()),
        alerts.c.status,
        said["data", "expected", "sku"].as_string(),
        said["data", "seen", "category"].as_string(),
        case((alerts.c.verdict != Verdict.STALE.value, said["data", "alert", "duration_s"].as_float())),
    )


class _AlertFigures(NamedTuple):
    """What one alert adds to the trends."""

    day: date
    aisle: str
    family: str
    sku: str
    is_open: bool
    minutes: float | None
    """Until it was put right; None: it stands, or ended because its agent was forgotten."""


class _AlertReader:
    """Reads rows of `_asked`; what many have in common is reckoned once."""

    def __init__(self, settings: PageSettings) -> None:
        self._day = cache(lambda part: settings.zone.of(part).date())
        self._family = cache(settings.products.family)
        self._aisle = cache(lambda location: aisle_of(location, settings.patterns.aisle))

    def of(self, row: Any) -> _AlertFigures:
        location, opened, status, sku, seen, length_s = row
        moment = datetime.fromisoformat(opened) if isinstance(opened, str) else opened
        part = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)  # no day begins in between
        is_over = status == "resolved"
        minutes = length_s / 60 if is_over and length_s is not None else None
        family = self._family(sku or "") or seen or ""
        return _AlertFigures(self._day(part), self._aisle(location), family, sku or "", not is_over, minutes)
