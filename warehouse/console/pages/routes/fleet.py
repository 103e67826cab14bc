"""The fleet: agents with their version, model and clock, and their cameras."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, select

from warehouse.console.context import Served
from warehouse.console.identity.roles import Role
from warehouse.console.live.changes import newest
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.list_parts import PartNumber, part_of, written
from warehouse.console.pages.live_lists import AskedList, ListKind
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rendering import fragment, page, translator
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.words.languages import N_
from warehouse.console.shown import message_data
from warehouse.report.aisles import walking_order
from warehouse.store.tables import events, latest

router = APIRouter()
MENU_ENTRY = MenuEntry("/fleet", N_("Cameras"), Role.VIEWER, 60, ("/camera", "/commission"))
AGENT_BYTES, CAMERA_BYTES = 650, 180
"""Of an agent, and of each of its cameras, about, without names."""
TROUBLE = {
    "lost": N_("no picture"),
    "frozen": N_("the picture stands still"),
    "dark": N_("too dark"),
    "over-exposed": N_("too bright"),
    "blurred": N_("blurred"),
    "covered": N_("covered"),
    "moved": N_("moved"),
    "other rack": N_("shows another rack"),
    "no colour": N_("no colour"),
    "colour cast": N_("wrong colours"),
    "ended": N_("has ended"),
    "ok": N_("in order"),
}
"""What a camera's pictures are like, in words."""


@router.get("/fleet", response_class=Response)
def show_fleet(request: Request, console: Served, __: ViewerVisit, number: PartNumber = 1) -> Response:
    """Every agent with its cameras, those in trouble first."""
    _ = translator(request)
    with console.reading() as connection:
        place = newest(connection)
        words = {**fleet_words(connection, request.app.state.page, AskedList(part=number)), "place": place}
    if "hx-request" in request.headers:
        return fragment(request, "fleet_part.html.jinja", **words)
    return page(request, "fleet.html.jinja", title=_("Cameras"), **words)


def fleet_words(connection: Connection, settings: PageSettings, asked: AskedList) -> dict[str, Any]:  # noqa: ARG001 - as ListKind has it
    """What fleet_part.html.jinja shows."""
    agents = fleet_of(connection)
    return {
        "agents": part_of(agents, asked.part, _bytes_of),
        "trouble": TROUBLE,
        "offline": sum(1 for one in agents if one["status"]["status"] != "online"),
        "models": sorted({one["model"] for one in agents if one["model"]}),
    }


LIST_KIND = ListKind("fleet_part.html.jinja", 5.0, fleet_words)


def _bytes_of(agent: dict[str, Any]) -> int:
    """About how long an agent is as HTML."""
    status, name = agent["status"], written(agent["agent"])
    told = name + written(agent["model"], status.get("reason"), status.get("runs_on"), status.get("version"))
    cameras = sum(
        CAMERA_BYTES + name + 2 * written(one["camera"]) + written(one.get("reason")) for one in agent["cameras"]
    )
    return AGENT_BYTES + told + cameras


def fleet_of(connection: Connection) -> list[dict[str, Any]]:
    """Agents with what they say of themselves, of their cameras, and when their last event was seen."""
    found: dict[str, dict[str, Any]] = {}
    rows = connection.execute(select(latest).where(latest.c.kind.in_(("status", "health")))).all()
    for row in rows:
        one = found.setdefault(row.agent, {"agent": row.agent, "status": {"status": "offline"}, "cameras": []})
        if row.kind == "status":
            one |= {"status": message_data(row), "received": row.received}
        else:
            health = message_data(row)
            one["cameras"].append({**health, "since": datetime.fromisoformat(health["since"])})
    for one in found.values():
        _add_pictures(one)
    last = select(events.c.captured, events.c.payload).order_by(events.c.number.desc()).limit(1)
    for name, one in found.items():
        model = one["status"].get("model")
        one["model"] = f"{model['name']} {model['version']}" if model else ""
        one["cameras"].sort(key=lambda camera: walking_order(camera["camera"]))
        seen = connection.execute(last.where(events.c.agent == name)).first()
        one["last"] = seen.captured if seen else None
        one["clock"] = message_data(seen)["clock_synchronised"] if seen else None
        one["trouble"] = one["status"]["status"] != "online" or any(c["status"] != "ok" for c in one["cameras"])
    return sorted(found.values(), key=lambda one: (not one["trouble"], walking_order(one["agent"])))


def _add_pictures(agent: dict[str, Any]) -> None:
    """When each camera's last good picture was taken, as the agent's status says."""
    told = agent["status"].get("last_pictures") or []
    moments = {one["camera"]: datetime.fromisoformat(one["captured"]) for one in told}
    for camera in agent["cameras"]:
        camera["last_picture"] = moments.get(camera["camera"])
