"""The page of the work list: what has to be done, by whom; what is clicked offline comes later, and counts once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, delete, insert, select

from kardus.contract.commands import Acknowledge, Capture, Reply
from kardus.contract.messages import Envelope, LocationState
from kardus.support.identifiers import uuid7
from warehouse.console.agents.asking import AgentQuestion, Unanswered
from warehouse.console.api.acting import outcome
from warehouse.console.api.records import Commenting
from warehouse.console.context import Console, Served, entry_of
from warehouse.console.identity.auditing import insert_entries
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import Visit
from warehouse.console.live.changes import newest
from warehouse.console.pages.access import FormFields, OperatorVisit, ViewerVisit
from warehouse.console.pages.content.agent_presence import agent_presence
from warehouse.console.pages.content.predecessors import predecessors
from warehouse.console.pages.content.standing_alerts import AlertPlace, alert_places
from warehouse.console.pages.content.task_notes import TakenError, known_of, note_action, note_known
from warehouse.console.pages.content.worklist import Task, tasks_of
from warehouse.console.pages.list_parts import PartNumber, part_of, written
from warehouse.console.pages.live_lists import AskedList, ListKind, ListRights
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rendering import HEADERS, fragment, page, translator
from warehouse.console.pages.routes.racks import tile_words
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.words.languages import N_
from warehouse.console.pages.words.unanswered import not_known
from warehouse.console.problems import ProblemError
from warehouse.store.tables import comments, latest, present, sent_once

router = APIRouter()
MENU_ENTRY = MenuEntry("/work", N_("To do"), Role.VIEWER, 20)
MAX_ALERTS = 20
TASK_BYTES, LINE_BYTES, SAID_BYTES = 800, 450, 150
"""Of a task, of each of its locations, of a comment, about, without names."""
MAX_TEXT = 2000
REMEMBERED = timedelta(days=30)
"""So long it is known what a browser has sent: one that comes back later sends it in vain."""
ACTIONS = ("take", "release", "acknowledge", "comment", "done", "undo")


@router.get("/work", response_class=Response)
def show(
    request: Request,
    console: Served,
    visit: ViewerVisit,
    mine: Annotated[str, Query(max_length=5)] = "",
    number: PartNumber = 1,
    at: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The list; `at`: the part of it where this location stands."""
    _, person = translator(request), visit.person
    with console.reading() as connection:
        place = newest(connection)
        words = work_words(connection, request.app.state.page, AskedList(person.name if mine else "", number, at))
    words |= {"place": place, "me": person.name, **vars(ListRights.of(person.role))}
    if "hx-request" in request.headers:
        return fragment(request, "work_part.html.jinja", **words)
    return page(request, "work.html.jinja", title=_("To do"), **words)


def work_words(connection: Connection, settings: PageSettings, asked: AskedList) -> dict[str, Any]:
    """What work_part.html.jinja shows, the same to everybody: of what somebody has or had taken, or of all.

    `me` is nobody: the browser shows its person what only he may do (static/work.js).
    """
    tasks = tasks_of(connection, settings.zone, settings.patterns.aisle)
    shown = [task for task in tasks if asked.of in ("", *task.holders, *task.former)]
    return {
        "tasks": part_of(shown, asked.part, _bytes_of, wanted=lambda task: asked.at in _places(task)),
        "total": len(tasks),
        "mine": "true" if asked.of else "",
        "me": "",
        "presence": agent_presence(connection),
        "words_of_tile": lambda tile: tile_words(tile, settings),
    }


def _places(task: Task) -> list[str]:
    return [tile.location for tile in task.tiles]


def _bytes_of(task: Task) -> int:
    """About how long a task is as HTML."""
    places = sum(
        LINE_BYTES
        + 6 * written(tile.location)  # in addresses, and in what is read aloud
        + 3 * written(tile.expected, tile.seen)
        + 2 * written(tile.agent, tile.camera)
        + written(line.conflict, *line.stands_at, *line.missing_at)
        for line, tile in zip(task.lines, task.tiles, strict=True)
    )
    return (
        TASK_BYTES
        + places
        + 2 * written(*task.alerts)
        + sum(SAID_BYTES + written(one.by, one.text) for one in task.said)
    )


LIST_KIND = ListKind("work_part.html.jinja", 1.0, work_words)


@router.post("/work", response_class=Response)
def act(request: Request, console: Served, visit: OperatorVisit, form: FormFields) -> Response:
    """Take, release, acknowledge, comment, done, undo: of all alerts of a task; with an `id` of the browser's, once.

    204: it has happened, now or before. 409: somebody else has the task, or an agent refuses; 412: it was clicked by
    another `person`; 503, 504: an agent is offline, or silent, and knows nothing of it: to be sent again.
    """
    action, ids = form.get("do", ""), list(dict.fromkeys(filter(None, form.get("alerts", "").split(" "))))
    key = form.get("id", "") or uuid7()
    if action not in ACTIONS or not 0 < len(ids) <= MAX_ALERTS or len(key) > 40:  # noqa: PLR2004 - a UUID has 36
        raise ProblemError(422, N_("The form can't be read: load the page again."))
    if form.get("person", visit.person.id) != visit.person.id:
        raise ProblemError(412, N_("Somebody else is signed in here now: load the page again."))
    with console.reading() as connection:
        if connection.execute(select(sent_once.c.id).where(sent_once.c.id == key)).first():
            return Response(status_code=204, headers=HEADERS)
        places = alert_places(connection, ids)
    told = _acknowledge(request, console, visit, places) if action == "acknowledge" else ""
    try:
        _note(request, console, visit, TaskAction(action, ids, key, form), told)
    except TakenError as error:
        return Response(translator(request)(error.detail) % {"name": error.holder}, 409, HEADERS, "text/plain")
    if action == "done":
        _request_captures(console, [(place.agent, place.location) for place in places])
    return Response(status_code=204, headers=HEADERS)


@dataclass(frozen=True)
class TaskAction:
    """What somebody does about the alerts of a task, as it was clicked."""

    action: str
    alerts: Sequence[str]
    key: str
    form: Mapping[str, str]


def _note(request: Request, console: Console, visit: Visit, clicked: TaskAction, told: str) -> None:
    """Once, with who did it."""
    with console.database.noting() as connection:
        if connection.execute(select(sent_once.c.id).where(sent_once.c.id == clicked.key)).first():
            return
        connection.execute(delete(sent_once).where(sent_once.c.at < present() - REMEMBERED))
        connection.execute(insert(sent_once).values(id=clicked.key, user_id=visit.person.id, at=present(), status=204))
        text = clicked.form.get("text", "").strip()[:MAX_TEXT]
        if clicked.action == "comment":
            _comment(connection, visit, clicked.alerts, text)
        elif clicked.action != "acknowledge":
            every = [*clicked.alerts, *chain.from_iterable(predecessors(connection, clicked.alerts).values())]
            note_action(connection, visit.person.name, every, clicked.action, clicked.form.get("holder", ""))
        holder = clicked.form.get("holder", "") if clicked.action == "take" else ""
        detail = told or text or (holder and f"from {holder}")[:MAX_TEXT]
        entries = [entry_of(request, visit.principal, clicked.action, id_, detail) for id_ in clicked.alerts]
        insert_entries(connection, entries)


def _acknowledge(request: Request, console: Console, visit: Visit, rows: Sequence[AlertPlace]) -> str:
    """Ask the agents of those that nobody has acknowledged yet; what came of it.

    Raises:
        ProblemError: 409: an agent refuses; 503, 504: there is no broker, or an agent is offline or silent.
    """
    with console.reading() as connection:
        known = known_of(connection, [row.id for row in rows])
    rows = [row for row in rows if row.status == "open" and row.id not in known]
    if not rows:
        return ""
    if console.asking is None:
        raise ProblemError(503, N_("The server has no broker: nothing can be asked of agents."))
    by = visit.person.name
    answers = console.asking.ask(
        [AgentQuestion(row.agent, "acknowledge", Acknowledge(location=row.location, by=by)) for row in rows]
    )
    heard = [row.id for row, answer in zip(rows, answers, strict=True) if isinstance(answer, Reply) and answer.ok]
    with console.database.noting() as connection:
        note_known(connection, by, heard)
    if any(isinstance(answer, Reply) and not answer.ok for answer in answers):
        raise ProblemError(409, N_("The agent refuses: the alert may be over. Load the list again."))
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, Unanswered):
            if answer is Unanswered.SILENT:
                console.audit.note(entry_of(request, visit.principal, "acknowledge", row.id, answer.value))
            raise not_known(answer)
    return "; ".join(map(outcome, answers))


def _request_captures(console: Console, places: Sequence[tuple[str, str]]) -> None:
    """Let the cameras look at once, so that what is right closes by itself; else they look later."""
    if console.asking is None:
        return
    cameras = set()
    with console.reading() as connection:
        for agent, location in places:
            chosen = select(latest.c.payload).where(
                latest.c.kind == "state", latest.c.agent == agent, latest.c.subject == location
            )
            if payload := connection.execute(chosen).scalar():
                cameras.add((agent, Envelope[LocationState].model_validate_json(payload).data.camera))
    try:
        console.asking.ask(
            [AgentQuestion(agent, "capture", Capture(camera=camera)) for agent, camera in sorted(cameras)]
        )
    except ProblemError:
        return  # the broker is away: the cameras look by themselves


def _comment(connection: Connection, visit: Visit, ids: Sequence[str], text: str) -> None:
    if not text:
        raise ProblemError(422, N_("Write something first."))
    said = Commenting(text=text)
    row = {"at": present(), "by": visit.person.name, "text": said.text}
    for id_ in ids:
        connection.execute(insert(comments).values(id=uuid7(), alert=id_, **row))
