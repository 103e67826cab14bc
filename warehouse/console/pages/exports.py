"""Every list as a table file: .csv for programs, .xlsx for spreadsheets; no cell is a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from openpyxl import Workbook
from sqlalchemy import Connection, select

from warehouse.console.context import Served
from warehouse.console.pages.access import AdministratorVisit, SupervisorVisit, ViewerVisit
from warehouse.console.pages.fleet import fleet_of
from warehouse.console.pages.rendering import HEADERS
from warehouse.console.pages.trends import Days, Name, Only, read_trends
from warehouse.console.pages.worklist import jobs_of
from warehouse.console.people import list_people
from warehouse.console.problems import ProblemError
from warehouse.console.rollouts import AgentModel, agent_models
from warehouse.console.shown import EVENTS, event_item
from warehouse.report.tables import escape_formula
from warehouse.store.tables import audit, events

router = APIRouter()
MAX_ROWS = 100_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ExportedValue = str | float | int | None
Table = tuple[Sequence[str], Iterable[Sequence[ExportedValue]]]
Code = Annotated[str, Query(max_length=100)]


@router.get("/export/work.{kind}", response_class=Response)
def export_work(request: Request, console: Served, _: ViewerVisit, kind: str) -> Response:
    """The work list."""
    with console.reading() as connection:
        jobs = jobs_of(connection, request.app.state.page.zone)
    header = ("aisle", "location", "verdict", "expected", "seen", "since", "action", "taken_by", "done_by", "alert")
    rows = [
        (
            one.aisle,
            one.location,
            one.verdict,
            one.expected,
            one.seen,
            one.since.isoformat(),
            one.action,
            job.taken_by,
            job.done_by,
            one.alert,
        )
        for job in jobs
        for one in job.lines
    ]
    return _file("work", kind, (header, rows))


@router.get("/export/location.{kind}", response_class=Response)
def export_location(console: Served, _: ViewerVisit, kind: str, code: Code) -> Response:
    """A location's events, the latest first."""
    header = ("number", "captured", "agent", "verdict", "expected", "seen", "confidence", "alert", "event")
    with console.reading() as connection:
        return _file("location", kind, (header, list(_events(connection, code))))


@router.get("/export/fleet.{kind}", response_class=Response)
def export_fleet(console: Served, _: ViewerVisit, kind: str) -> Response:
    """Agents and cameras."""
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
            _time(camera.get("since")),
            camera.get("reason"),
            _time(camera.get("last_picture")),
        )
        for one in agents
        for camera in one["cameras"] or [{}]
    ]
    return _file("fleet", kind, (header, rows))


@router.get("/export/models.{kind}", response_class=Response)
def export_models(console: Served, _: ViewerVisit, kind: str) -> Response:
    """Which agent has which model."""
    with console.reading() as connection:
        agents = agent_models(connection)
    header = ("agent", "online", "model", "sha256", "phase", "since", "reason", "candidate")
    rows = [_model_row(one) for one in agents]
    return _file("models", kind, (header, rows))


@router.get("/export/trends.{kind}", response_class=Response)
def export_trends(
    request: Request, console: Served, _: ViewerVisit, kind: str, days: Days = 30, aisle: Name = "", family: Name = ""
) -> Response:
    """What the trends' charts show, a line each."""
    found, (aisles, families) = read_trends(console, request.app.state.page, days, Only(aisle, family))
    rows: list[Sequence[ExportedValue]] = [
        ("day", f"{day}", count, minutes, None, None) for day, count, minutes in found.days
    ]
    for by, counted in (("aisle", found.aisles), ("family", found.families), ("product", found.products)):
        rows += [(by, name, count, None, None, None) for name, count in counted]
    for by, covered in (("coverage of aisle", aisles), ("coverage of family", families)):
        rows += [(by, one.name, None, None, one.total, one.verified) for one in covered]
    return _file("trends", kind, (("by", "name", "discrepancies", "median_minutes", "locations", "verified"), rows))


@router.get("/export/people.{kind}", response_class=Response)
def export_people(console: Served, _: AdministratorVisit, kind: str) -> Response:
    """People, without their passwords."""
    rows = [(one.name, one.role.word, one.made.isoformat()) for one in list_people(console.database)]
    return _file("people", kind, (("name", "role", "made"), rows))


@router.get("/export/audit.{kind}", response_class=Response)
def export_audit(console: Served, _: SupervisorVisit, kind: str) -> Response:
    """Who did what, the latest first."""
    header = ("number", "at", "actor", "address", "action", "subject", "detail")
    with console.reading() as connection:
        found = connection.execute(select(audit).order_by(audit.c.number.desc()).limit(MAX_ROWS)).all()
    return _file("audit", kind, (header, [(row[0], _time(row[1]), *row[2:]) for row in found]))


def _events(connection: Connection, code: str) -> Iterable[Sequence[ExportedValue]]:
    chosen = EVENTS.where(events.c.location == code).order_by(events.c.number.desc()).limit(MAX_ROWS)
    for row in connection.execute(chosen):
        item = event_item(row)
        event = item["event"]
        expected, seen = event["expected"] or {}, event["seen"] or {}
        alert = (event.get("alert") or {}).get("id")
        yield (
            item["number"],
            event["captured"],
            item["agent"],
            event["verdict"],
            expected.get("sku"),
            seen.get("sku"),
            seen.get("confidence"),
            alert,
            item["id"],
        )


def _model_row(one: AgentModel) -> Sequence[ExportedValue]:
    status = one.status
    told = (status.phase, _time(status.since), status.reason) if status else ("", "", "")
    candidate = f"{status.candidate.name} {status.candidate.version}" if status and status.candidate else ""
    return (one.agent, "yes" if one.is_online else "no", one.title, one.sha256, *told, candidate)


def _time(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _file(name: str, kind: str, table: Table) -> Response:
    header, rows = table
    cells = [[escape_formula(cell) if cell is not None else "" for cell in row] for row in rows]
    buffer = io.BytesIO()
    if kind == "csv":
        text = io.TextIOWrapper(buffer, "utf-8-sig", newline="", write_through=True)
        csv.writer(text).writerows([header, *cells])
        media = "text/csv; charset=utf-8"
    elif kind == "xlsx":
        book = Workbook(write_only=True)
        sheet = book.create_sheet(name)
        for row in [list(header), *cells]:
            sheet.append(row)
        book.save(buffer)
        media = XLSX
    else:
        raise ProblemError(404, "there are .csv and .xlsx")
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(buffer.getvalue(), headers=headers, media_type=media)
