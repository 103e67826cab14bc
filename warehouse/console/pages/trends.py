"""Trends: discrepancies a day, how long they stood, coverage, by aisle and family; charts as SVG, drawn here."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import from_json
from sqlalchemy import Connection, select

from kardus.support.time_zone import TimeZone
from warehouse.console.context import Console, Served
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.coverage_now import Covered, coverage_now
from warehouse.console.pages.entries import LocationEntry
from warehouse.console.pages.hearing import hearing_of
from warehouse.console.pages.languages import N_
from warehouse.console.pages.products import Products
from warehouse.console.pages.rendering import page, translator
from warehouse.console.pages.settings import PageSettings
from warehouse.console.roles import Role
from warehouse.report.aisles import aisle_of
from warehouse.store.tables import alerts

router = APIRouter()
ENTRY = LocationEntry("/trends", N_("Trends"), Role.VIEWER, 50)
DAYS = (7, 30, 90)
MAX_ALERTS = 20_000
"""So many alerts are looked at, the latest: what is older isn't in the charts, and the page says so."""
MOST = 10
Days = Annotated[int, Query(ge=1, le=365)]
Name = Annotated[str, Query(max_length=200)]


@dataclass
class Trends:
    """Of a number of days."""

    days: list[tuple[date, int, float | None]] = field(default_factory=list)
    """Day, alerts that were opened, median minutes until they were resolved."""
    aisles: list[tuple[str, int]] = field(default_factory=list)
    families: list[tuple[str, int]] = field(default_factory=list)
    products: list[tuple[str, int]] = field(default_factory=list)
    total: int = 0
    still: int = 0
    """How many still stand."""
    median_minutes: float | None = None
    is_cut: bool = False


@dataclass(frozen=True)
class Only:
    """Which alerts are counted; empty: all."""

    aisle: str = ""
    family: str = ""


@router.get("/trends", response_class=Response)
def show_trends(
    request: Request, console: Served, __: ViewerVisit, days: Days = 30, aisle: Name = "", family: Name = ""
) -> Response:
    """The charts."""
    _ = translator(request)
    found, covered = read_trends(console, request.app.state.page, days, Only(aisle, family))
    with console.reading() as connection:
        hearing = hearing_of(connection)
    words: dict[str, Any] = {"trends": found, "days": days, "choices": DAYS, "aisle": aisle, "family": family}
    words |= {"by_aisle": covered[0], "by_family": covered[1], "hearing": hearing}
    words |= {"counts": [(day, count) for day, count, __ in found.days]}
    words |= {"minutes": [(day, minutes) for day, __, minutes in found.days]}
    return page(request, "trends.html.jinja", title=_("Trends"), **words)


def read_trends(
    console: Console, settings: PageSettings, days: int, only: Only
) -> tuple[Trends, tuple[list[Covered], list[Covered]]]:
    """What the alerts of these days tell, and the coverage now by aisle and family."""
    now = datetime.now(UTC)
    with console.reading() as connection:
        found = trends_of(connection, days, now, settings.zone, settings.products, only)
        covered = coverage_now(connection, now, lambda sku, seen: settings.products.family(sku) or seen)
    return found, covered


def trends_of(
    connection: Connection,
    days: int,
    now: datetime,
    zone: TimeZone,
    known: Products | None = None,
    only: Only | None = None,
) -> Trends:
    """What the alerts of these days tell, by the days of the page's clock."""
    known, only = known or Products(), only or Only()
    first = zone.of(now).date() - timedelta(days=days - 1)  # days of the calendar: one may have 23 hours
    chosen = select(alerts.c.location, alerts.c.opened, alerts.c.status, alerts.c.payload).where(
        alerts.c.opened >= zone.begin_of(first).astimezone(UTC)
    )
    rows = connection.execute(chosen.order_by(alerts.c.opened.desc()).limit(MAX_ALERTS)).all()
    told = [one for one in (_Told.of(row, known) for row in rows) if one.is_of(only)]
    count = Counter(zone.of(one.opened).date() for one in told)
    minutes: dict[date, list[float]] = {}
    for one in told:
        if one.minutes is not None:
            minutes.setdefault(zone.of(one.opened).date(), []).append(one.minutes)
    every = [value for values in minutes.values() for value in values]
    shown = [first + timedelta(days=n) for n in range(days)]
    return Trends(
        days=[(day, count[day], median(minutes[day]) if day in minutes else None) for day in shown],
        aisles=Counter(one.aisle for one in told).most_common(MOST),
        families=Counter(one.family for one in told if one.family).most_common(MOST),
        products=Counter(one.sku for one in told if one.sku).most_common(MOST),
        total=len(told),
        still=sum(one.is_open for one in told),
        median_minutes=median(every) if every else None,
        is_cut=len(rows) == MAX_ALERTS,
    )


@dataclass(frozen=True)
class _Told:
    """What one alert tells."""

    opened: datetime
    aisle: str
    family: str
    sku: str
    is_open: bool
    minutes: float | None
    """Until it was put right; None: it stands, or nobody has said."""

    @classmethod
    def of(cls, row: Any, known: Products) -> "_Told":
        alert = from_json(row.payload, cache_strings="keys")
        said = alert.get("data", alert)
        sku = (said.get("expected") or {}).get("sku") or ""
        family = known.family(sku) or (said.get("seen") or {}).get("category") or ""
        length_s = (said.get("alert") or {}).get("duration_s")
        minutes = length_s / 60 if row.status == "resolved" and length_s is not None else None
        return cls(row.opened, aisle_of(row.location), family, sku, row.status != "resolved", minutes)

    def is_of(self, only: Only) -> bool:
        return only.aisle in ("", self.aisle) and only.family in ("", self.family)
