"""Laying a camera out: its picture, what holds, labels found, another layout saved, an earlier one gone back to.

The agent keeps what is laid out, and judges it: this page asks it, and shows its answer.
"""

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection, select
from starlette.responses import JSONResponse

from kardus.contract.base import Record
from kardus.contract.commands import Command, FindLabels, ReadLayout, RestoreLayout, SetLayout, Snapshot
from kardus.contract.layouts import Layout, Revision
from kardus.contract.topics import Id
from warehouse.console.agents.asking import AgentQuestion, AgentQuestions, Unanswered
from warehouse.console.context import Console, Served, entry_of
from warehouse.console.identity.sessions import Visit
from warehouse.console.pages.access import SupervisorVisit
from warehouse.console.pages.content.label_searches import LABELS_S, LabelSearches, Search
from warehouse.console.pages.rendering import HEADERS, page, translator
from warehouse.console.pages.words.languages import N_
from warehouse.console.pages.words.unanswered import unanswered
from warehouse.console.problems import ProblemError
from warehouse.report.aisles import walking_order
from warehouse.store.tables import latest

router = APIRouter()
JPEG = "image/jpeg"
MAX_NEIGHBOURS = 200
"""So many cameras are offered to copy a layout from."""


class _OfCamera(Record):
    """What a person asks of a camera's agent."""

    agent: Id
    camera: Id


class _Find(_OfCamera):
    side: str = Field("below", pattern="^(below|above)$")


class _Stop(Record):
    search: str = Field(max_length=40)


class _Save(_OfCamera):
    based_on: Revision
    layout: Layout
    keep_view: bool = True


class _Restore(_OfCamera):
    based_on: Revision
    revision: Revision


@router.get("/commission", response_class=Response)
def show_commission(request: Request, console: Served, __: SupervisorVisit, agent: Id, camera: Id) -> Response:
    """The page; what stands in it comes from the agent."""
    _ = translator(request)
    with console.reading() as connection:
        others = _neighbours(connection, agent, camera)
    title = _("Lay out camera %(name)s") % {"name": camera}
    zone = request.app.state.page.zone.name
    return page(request, "commission.html.jinja", title=title, agent=agent, camera=camera, others=others, zone=zone)


def _neighbours(connection: Connection, agent: str, camera: str) -> list[tuple[str, list[str]]]:
    """Cameras to copy from, by agent: the same agent's first, then those of the agents that are nearest by name."""
    known = connection.execute(select(latest.c.agent, latest.c.subject).where(latest.c.kind == "health"))
    every = {(agent, camera), *((row.agent, row.subject) for row in known)}
    order = sorted(every, key=lambda one: (walking_order(one[0]), walking_order(one[1])))
    here = order.index((agent, camera))
    near = sorted(range(len(order)), key=lambda place: (order[place][0] != agent, abs(place - here)))
    found: dict[str, list[str]] = {}
    for name, each in [order[place] for place in near if place != here][:MAX_NEIGHBOURS]:
        found.setdefault(name, []).append(each)
    return list(found.items())


@router.get("/commission/picture", response_class=Response)
def newest_picture(request: Request, console: Served, visit: SupervisorVisit, agent: Id, camera: Id) -> Response:
    """The camera's newest picture, whatever it is good for. It is noted who looked."""
    console.audit.note(entry_of(request, visit.principal, "picture", f"{agent}/{camera}"))
    found = _ask(console, agent, "snapshot", Snapshot(camera=camera, newest=True))
    if isinstance(found, Response):
        return found
    try:
        jpeg = base64.b64decode(str(found["jpeg"]), validate=True)
    except (KeyError, binascii.Error) as error:
        raise ProblemError(502, N_("The agent's answer can't be read: update it.")) from error
    return Response(jpeg, headers=HEADERS, media_type=JPEG)


@router.get("/commission/layout", response_class=Response)
def layout(console: Served, __: SupervisorVisit, agent: Id, camera: Id) -> Response:
    """What holds, and its history, as the agent says it."""
    return _as_json(_ask(console, agent, "layout", ReadLayout(camera=camera)))


@router.post("/commission/find", response_class=Response)
def find(request: Request, console: Served, __: SupervisorVisit, body: _Find) -> Response:
    """Begin to look for labels in the picture, and for the outlines that they propose: see `found`."""
    command = FindLabels.model_validate({"camera": body.camera, "side": body.side})
    searches: LabelSearches = request.app.state.page.searches
    return _progress(searches.begin(_asking(console), body.agent, command), 202)


@router.get("/commission/found", response_class=Response)
def found_labels(request: Request, __: SupervisorVisit, search: Annotated[str, Query(max_length=40)]) -> Response:
    """How far a search is, or what came of it."""
    one = request.app.state.page.searches.get(search)
    if not one.is_over:
        return _progress(one, 202)
    if one.problem is not None:
        raise one.problem
    return _as_json(one.result if one.result is not None else _refused(one.refusal))


@router.post("/commission/stop", response_class=Response)
def stop_finding(request: Request, console: Served, __: SupervisorVisit, body: _Stop) -> Response:
    """Wait for a search no more."""
    request.app.state.page.searches.stop(body.search, _asking(console))
    return Response(status_code=204, headers=HEADERS)


def _progress(search: Search, status: int) -> Response:
    told = {"search": search.id, "seconds": round(search.lasted_s), "limit_s": LABELS_S}
    return JSONResponse(told, status, HEADERS)


@router.post("/commission/save", response_class=Response)
def save(request: Request, console: Served, visit: SupervisorVisit, body: _Save) -> Response:
    """Have a layout hold; noted before it is asked, with who does it."""
    detail = f"{len(body.layout.locations)} locations, based on revision {body.based_on}"
    _note(request, console, visit, body, detail)
    command = SetLayout(
        camera=body.camera,
        based_on=body.based_on,
        layout=body.layout,
        keep_view=body.keep_view,
        by=visit.person.name[:200],
    )
    return _as_json(_ask(console, body.agent, "set-layout", command))


@router.post("/commission/restore", response_class=Response)
def restore(request: Request, console: Served, visit: SupervisorVisit, body: _Restore) -> Response:
    """Have an earlier revision hold again."""
    _note(request, console, visit, body, f"back to revision {body.revision}, from {body.based_on}")
    command = RestoreLayout(
        camera=body.camera, based_on=body.based_on, revision=body.revision, by=visit.person.name[:200]
    )
    return _as_json(_ask(console, body.agent, "restore-layout", command))


def _note(request: Request, console: Console, visit: Visit, body: _OfCamera, detail: str) -> None:
    console.audit.note(entry_of(request, visit.principal, "lay-out", f"{body.agent}/{body.camera}", detail))


def _as_json(found: dict[str, Any] | Response) -> Response:
    return found if isinstance(found, Response) else JSONResponse(found, headers=HEADERS)


def _ask(console: Console, agent: str, name: str, command: Command) -> dict[str, Any] | Response:
    """What an agent answers; or, as a response, why it doesn't do it: in its own words, whatever the language.

    Raises:
        ProblemError: 503, 504: it can't be asked, is offline, or silent.
    """
    (reply,) = _asking(console).ask([AgentQuestion(agent, name, command)])
    if isinstance(reply, Unanswered):
        raise unanswered(reply)
    if not reply.ok:
        return _refused(reply.error)
    return reply.result


def _refused(words: str) -> Response:
    return Response(words, 409, HEADERS, "text/plain; charset=utf-8")


def _asking(console: Console) -> AgentQuestions:
    if console.asking is None:
        raise ProblemError(503, N_("The server was started without a broker: agents can't be asked."))
    return console.asking
