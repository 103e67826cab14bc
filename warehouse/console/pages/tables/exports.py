"""Every list as a table file: .csv for programs, .xlsx for spreadsheets; no cell is a formula.

Long ones are read in portions while they are sent: on SQLite writers wait for whoever reads.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Select, select

from warehouse.console.agents.rollouts import AgentModel, agent_models
from warehouse.console.context import Console, Served
from warehouse.console.identity.people import list_people
from warehouse.console.pages.access import AdministratorVisit, SupervisorVisit, ViewerVisit
from warehouse.console.pages.content.worklist import tasks_of
from warehouse.console.pages.rendering import translator
from warehouse.console.pages.routes.fleet import fleet_of
from warehouse.console.pages.routes.trends import Days, Name, TrendFilters, read_trends
from warehouse.console.pages.tables.cell_words import people_line
from warehouse.console.pages.tables.headings import READ_BY_PEOPLE, exported_table
from warehouse.console.pages.tables.table_files import ExportedValue
from warehouse.console.shown import EVENTS, event_item
from warehouse.store.tables import audit, events

router = APIRouter()
MAX_ROWS = 100_000
ROWS_PER_QUERY = 1000
"""Rows that are read at once."""
Code = Annotated[str, Query(max_length=100)]


@router.get("/export/work.{kind}", response_class=Response)
def export_work(request: Request, console: Served, __: ViewerVisit, kind: str) -> Response:
    """The work list as a file."""
    _ = translator(request)
    with console.reading() as connection:
        settings = request.app.state.page
        tasks = tasks_of(connection, settings.zone, settings.patterns.aisle)
    header = ("aisle", "location", "verdict", "expected", "seen", "since", "action", "taken_by", "done_by", "alert")
    rows = [
        (
            one.aisle,
            one.location,
            one.verdict,
            one.expected,
            one.seen,
            one.since,
            one.action,
            task.taken_by,
            task.done_by if task.is_done else "",
            one.alert,
        )
        for task in tasks
        for one in ([people_line(line, _) for line in task.lines] if kind == READ_BY_PEOPLE else task.lines)
    ]
    return exported_table(request, "work", kind, header, rows)


@router.get("/export/location.{kind}", response_class=Response)
def export_location(request: Request, console: Served, _: ViewerVisit, kind: str, code: Code) -> Response:
    """A location's events, the latest first."""
    header = ("number", "captured", "agent", "verdict", "expected", "seen", "confidence", "alert", "event")
    chosen = EVENTS.where(events.c.location == code)
    return exported_table(
        request, "location", kind, header, map(_event, latest_first(console, chosen, events.c.number))
    )


@router.get("/export/fleet.{kind}", response_class=Response)
def export_fleet(request: Request, console: Served, _: ViewerVisit, kind: str) -> Response:
    """Agents and cameras as a file."""
    with console.reading() as connection:
        agents = fleet_of(connection)
    of_agent = ("agent", "status", "version", "model", "disk_free_mb", "waiting")
    header = (*of_agent, "camera", "camera_status", "since", "reason", "last_picture")
    rows = [
        (
            one["agent"],
            one["status"]["status"],
            one["status"].get("version"),
            one["model"],
            one["status"].get("disk_free_mb"),
            one["status"].get("waiting"),
            camera.get("camera"),
            camera.get("status"),
            camera.get("since"),
            camera.get("reason"),
            camera.get("last_picture"),
        )
        for one in agents
        for camera in one["cameras"] or [{}]
    ]
    return exported_table(request, "fleet", kind, header, rows)


@router.get("/export/models.{kind}", response_class=Response)
def export_models(request: Request, console: Served, _: ViewerVisit, kind: str) -> Response:
    """Which agent has which model."""
    with console.reading() as connection:
        agents = agent_models(connection)
    header = ("agent", "online", "model", "sha256", "phase", "since", "reason", "candidate")
    rows = [_model_row(one) for one in agents]
    return exported_table(request, "models", kind, header, rows)


@router.get("/export/trends.{kind}", response_class=Response)
def export_trends(
    request: Request, console: Served, _: ViewerVisit, kind: str, days: Days = 30, aisle: Name = "", family: Name = ""
) -> Response:
    """What the trends' charts show, a line each."""
    found, (aisles, families) = read_trends(console, request.app.state.page, days, TrendFilters(aisle, family))
    rows: list[Sequence[ExportedValue]] = [
        ("day", f"{day}", count, minutes, None, None) for day, count, minutes in found.days
    ]
    rows += [("coverage of day", f"{day}", None, None, one.total, one.verified) for day, one in found.coverage if one]
    for by, counted in (("aisle", found.aisles), ("family", found.families), ("product", found.products)):
        rows += [(by, name, count, None, None, None) for name, count in counted]
    for by, covered in (("coverage of aisle", aisles), ("coverage of family", families)):
        rows += [(by, one.name, None, None, one.total, one.verified) for one in covered]
    header = ("by", "name", "discrepancies", "median_minutes", "locations", "verified")
    return exported_table(request, "trends", kind, header, rows)


@router.get("/export/people.{kind}", response_class=Response)
def export_people(request: Request, console: Served, _: AdministratorVisit, kind: str) -> Response:
    """People, without their passwords."""
    rows = [(one.name, one.role.word, one.made) for one in list_people(console.database)]
    return exported_table(request, "people", kind, ("name", "role", "made"), rows)


@router.get("/export/audit.{kind}", response_class=Response)
def export_audit(request: Request, console: Served, _: SupervisorVisit, kind: str) -> Response:
    """Who did what, the latest first."""
    header = ("number", "at", "actor", "address", "action", "subject", "detail")
    rows = latest_first(console, select(audit), audit.c.number)
    return exported_table(request, "audit", kind, header, rows)


def latest_first(console: Console, chosen: Select[Any], number: Any) -> Iterator[Any]:
    """At most MAX_ROWS rows by their number, the highest first; those that come meanwhile aren't among them."""
    before: int | None = None
    for _ in range(MAX_ROWS // ROWS_PER_QUERY):
        part = chosen if before is None else chosen.where(number < before)
        with console.reading() as connection:
            rows = connection.execute(part.order_by(number.desc()).limit(ROWS_PER_QUERY)).all()
        yield from rows
        if len(rows) < ROWS_PER_QUERY:
            return
        before = rows[-1].number


def _event(row: Any) -> Sequence[ExportedValue]:
    item = event_item(row)
    event = item["event"]
    expected, seen = event["expected"] or {}, event["seen"] or {}
    return (
        item["number"],
        datetime.fromisoformat(event["captured"]),
        item["agent"],
        event["verdict"],
        expected.get("sku"),
        seen.get("sku"),
        seen.get("confidence"),
        (event.get("alert") or {}).get("id"),
        item["id"],
    )


def _model_row(one: AgentModel) -> Sequence[ExportedValue]:
    status = one.status
    told = (status.phase, status.since, status.reason) if status else ("", "", "")
    candidate = f"{status.candidate.name} {status.candidate.version}" if status and status.candidate else ""
    return (one.agent, "yes" if one.is_online else "no", one.title, one.sha256, *told, candidate)
