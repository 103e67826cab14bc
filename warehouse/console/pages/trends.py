"""Trends: discrepancies a day, how long they stood, by aisle and by product; charts as SVG, drawn here."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import from_json
from sqlalchemy import Connection, select

from kardus.support.time_zone import TimeZone
from warehouse.console.context import Served
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.entries import Entry
from warehouse.console.pages.languages import N_
from warehouse.console.pages.rendering import page, text_of
from warehouse.console.roles import Role
from warehouse.report.aisles import aisle_of
from warehouse.store.tables import alerts

router = APIRouter()
ENTRY = Entry("/trends", N_("Trends"), Role.VIEWER, 50)
DAYS = (7, 30, 90)
MAX_ALERTS = 20_000
"""So many alerts are looked at, the latest: what is older isn't in the charts, and the page says so."""
MOST = 10


@dataclass
class Trends:
    """Of a number of days."""

    days: list[tuple[date, int, float | None]] = field(default_factory=list)
    """Day, alerts that were opened, median minutes until they were resolved."""
    aisles: list[tuple[str, int]] = field(default_factory=list)
    products: list[tuple[str, int]] = field(default_factory=list)
    total: int = 0
    still: int = 0
    """How many still stand."""
    median_minutes: float | None = None
    is_cut: bool = False


@router.get("/trends", response_class=Response)
def show_trends(
    request: Request, console: Served, __: ViewerVisit, days: Annotated[int, Query(ge=1, le=365)] = 30
) -> Response:
    """The charts."""
    _ = text_of(request)
    with console.reading() as connection:
        found = trends_of(connection, days, datetime.now(UTC), request.app.state.page.zone)
    return page(
        request,
        "trends.html.jinja",
        title=_("Trends"),
        trends=found,
        days=days,
        choices=DAYS,
        counts=[(day, count) for day, count, __ in found.days],
        minutes=[(day, minutes) for day, __, minutes in found.days],
    )


def trends_of(connection: Connection, days: int, now: datetime, zone: TimeZone) -> Trends:
    """What the alerts of these days tell, by the days of the page's clock."""
    begin = zone.midnight(now - timedelta(days=days - 1))
    chosen = select(alerts.c.location, alerts.c.opened, alerts.c.status, alerts.c.payload).where(
        alerts.c.opened >= begin.astimezone(UTC)
    )
    rows = connection.execute(chosen.order_by(alerts.c.opened.desc()).limit(MAX_ALERTS)).all()
    count, minutes, aisles, products = Counter[date](), dict[date, list[float]](), Counter[str](), Counter[str]()
    for row in rows:
        day = zone.of(row.opened).date()
        count[day] += 1
        aisles[aisle_of(row.location)] += 1
        alert = from_json(row.payload, cache_strings="keys")
        said = alert.get("data", alert)
        if (expected := said.get("expected")) and expected.get("sku"):
            products[expected["sku"]] += 1
        length_s = (said.get("alert") or {}).get("duration_s")
        if row.status == "resolved" and length_s is not None:
            minutes.setdefault(day, []).append(length_s / 60)
    every = [one for values in minutes.values() for one in values]
    shown = [begin.date() + timedelta(days=n) for n in range(days)]
    return Trends(
        days=[(day, count[day], median(minutes[day]) if day in minutes else None) for day in shown],
        aisles=aisles.most_common(MOST),
        products=products.most_common(MOST),
        total=len(rows),
        still=sum(row.status != "resolved" for row in rows),
        median_minutes=median(every) if every else None,
        is_cut=len(rows) == MAX_ALERTS,
    )
