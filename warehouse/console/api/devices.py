"""The API's routes that list agents, cameras and coverage, as agents have retained them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection, Row, Select, select, tuple_

from warehouse.console.api.locations import AgentFilter
from warehouse.console.api.records import AgentItem, AgentPage, CameraPage, CoverageItem, CoveragePage
from warehouse.console.context import Cursor, Limit, Reader, Served, json_answer
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.problems import ProblemError
from warehouse.console.shown import ShownRow, message_data, time_text
from warehouse.store.tables import latest

router = APIRouter()
AgentName = Annotated[str, Path(max_length=100, description="The agent's name.")]
DeviceRows = list[Row[Any]]


@router.get("/agents", response_model=AgentPage, summary="Agents")
def list_agents(request: Request, console: Served, _: Reader, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """All agents, by name."""
    with console.reading() as connection:
        rows, following = _part(connection, "status", _of("status"), limit, cursor)
    return json_answer(request, {"items": [_item(row, "status") for row in rows], "next": following})


@router.get("/agents/{agent}", response_model=AgentItem, summary="One agent")
def get_agent(request: Request, console: Served, _: Reader, agent: AgentName) -> Response:
    """One agent, by its name."""
    return json_answer(request, _item(_one(console, "status", agent), "status"))


@router.get("/cameras", response_model=CameraPage, summary="Cameras")
def list_cameras(
    request: Request, console: Served, _: Reader, agent: AgentFilter = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """By name and agent."""
    chosen = _of("health") if agent is None else _of("health").where(latest.c.agent == agent)
    with console.reading() as connection:
        rows, following = _part(connection, "health", chosen, limit, cursor)
    items = [{"camera": row.subject, **_item(row, "health")} for row in rows]
    return json_answer(request, {"items": items, "next": following})


@router.get("/coverage", response_model=CoveragePage, summary="Which locations were verified")
def list_coverage(request: Request, console: Served, _: Reader, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """By agent; without the single locations: see `/coverage/{agent}`."""
    with console.reading() as connection:
        rows, following = _part(connection, "coverage", _of("coverage"), limit, cursor)
    items = [_item(row, "coverage") for row in rows]
    for item in items:
        item["coverage"]["locations"] = []
    return json_answer(request, {"items": items, "next": following})


@router.get("/coverage/{agent}", response_model=CoverageItem, summary="Which locations one agent had verified")
def get_coverage(request: Request, console: Served, _: Reader, agent: AgentName) -> Response:
    """An agent's coverage, with every location."""
    return json_answer(request, _item(_one(console, "coverage", agent), "coverage"))


def _of(kind: str) -> Select[Any]:
    chosen = select(latest.c.agent, latest.c.subject, latest.c.received, latest.c.payload)
    return chosen.where(latest.c.kind == kind)


def _part(
    connection: Connection, kind: str, chosen: Select[Any], limit: int, cursor: str | None
) -> tuple[DeviceRows, str | None]:
    """A page's rows, and the cursor of the next one."""
    if after := key_from_cursor(kind, cursor, (str, str)):
        chosen = chosen.where(tuple_(latest.c.subject, latest.c.agent) > tuple_(*after))
    rows = list(connection.execute(chosen.order_by(latest.c.subject, latest.c.agent).limit(limit + 1)).all())
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursor_of(kind, [last.subject, last.agent]) if last else None


def _one(console: Served, kind: str, agent: str) -> Row[Any]:
    with console.reading() as connection:
        row = connection.execute(_of(kind).where(latest.c.agent == agent, latest.c.subject == "")).first()
    if row is None:
        raise ProblemError(404, f"agent '{agent}' has said no {kind}")
    return row


def _item(row: Row[Any], what: str) -> ShownRow:
    return {"agent": row.agent, "received": time_text(row.received), what: message_data(row)}
