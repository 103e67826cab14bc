"""People say what pictures show, one after the other: by a click, or by the keyboard alone."""

import hashlib
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, select
from starlette.responses import RedirectResponse

from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Envelope, LocationEvent
from kardus.support.identifiers import uuid7
from warehouse.console.api.labelling import store_label
from warehouse.console.context import Served, entry_of, tagged
from warehouse.console.identity.roles import Role
from warehouse.console.pages.access import FormFields, SupervisorVisit
from warehouse.console.pages.content.agent_presence import agent_presence
from warehouse.console.pages.content.precision_now import CLAIMS, PrecisionNow
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rendering import HEADERS, page, translator
from warehouse.console.pages.return_links import AskedReturnLink, ReturnLink
from warehouse.console.pages.routes.asked_picture import AskedPicture, asked_picture
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError
from warehouse.store.labels import StatedTruth
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.store.tables import events, pictures
from warehouse.teaching.label_statements import LabelStatement
from warehouse.teaching.precision import By
from warehouse.teaching.queue import candidate_of, next_to_label

router = APIRouter()
MENU_ENTRY = MenuEntry("/teaching", N_("Teaching"), Role.SUPERVISOR, 60, ("/enrolment",))
MAX_SKU = 200


@router.get("/teaching", response_class=Response)
def show(request: Request, console: Served, __: SupervisorVisit, last: str = "") -> Response:
    """The picture that teaches most; `last`: the event that was labelled before, to be undone."""
    _ = translator(request)
    with console.reading() as connection:
        found = next_to_label(connection, 1)
        shown = asked_picture(connection, request.app.state.page, found[0]) if found else None
        words = {**_words(connection, request, shown), "last": last}
    return page(request, "teaching.html.jinja", title=_("Teaching"), **words)


@router.get("/teaching/{event}", response_class=Response)
def show_one(request: Request, console: Served, __: SupervisorVisit, event: str, back: AskedReturnLink) -> Response:
    """This event: whoever looks at a tile, a location or a task says that it is wrong, and comes back to it."""
    _ = translator(request)
    with console.reading() as connection:
        row = connection.execute(select(events.c.agent, events.c.payload).where(events.c.id == event)).first()
        if row is None:
            raise ProblemError(404, N_("There is no such event, or it was deleted."))
        one = candidate_of(row.agent, Envelope[LocationEvent].model_validate_json(row.payload))
        shown = asked_picture(connection, request.app.state.page, one)
        words = {**_words(connection, request, shown), "last": event if shown.is_said else "", "back": back}
    return page(request, "teaching.html.jinja", title=_("Teaching"), **words)


@router.post("/teaching/{event}", response_class=Response)
def say(request: Request, console: Served, visit: SupervisorVisit, event: str, form: FormFields) -> Response:
    """What it shows; and on to the next one, or back to where somebody saw that it is wrong."""
    said = _label_statement(event, visit.person.name, form)
    row, _, _ = store_label(request, console, visit.principal, said)
    back = ReturnLink.of(form).address(console, request.app.state.page, row.location)
    return RedirectResponse(back or _after(said), 303, HEADERS)


@router.get("/teaching/{event}/picture", response_class=Response)
def picture(request: Request, console: Served, visit: SupervisorVisit, event: str) -> Response:
    """The crop; it is noted who looked."""
    with console.reading() as connection:
        file = connection.execute(select(pictures.c.file).where(pictures.c.event == event)).scalar()
    jpeg = PictureStore(console.pictures or pictures_of(console.database)).read(file) if file else None
    if jpeg is None:
        raise ProblemError(404, N_("There is no picture of this event, or it was deleted."))
    console.audit.note(entry_of(request, visit.principal, "picture", event))
    return tagged(request, jpeg, "image/jpeg", hashlib.sha256(jpeg).hexdigest()[:32])


def _words(connection: Connection, request: Request, shown: AskedPicture | None) -> dict[str, Any]:
    precision: PrecisionNow = request.app.state.page.precision
    return {
        "shown": shown,
        "back": ReturnLink(),
        "claim_words": CLAIMS,
        "id": uuid7(),
        "presence": agent_presence(connection),
        "claims": precision.of(connection, _kinds(shown)),
    }


def _kinds(shown: AskedPicture | None) -> list[tuple[By, str]]:
    """Whose precision is told: of all, and of the camera and the product that are asked about."""
    if shown is None:
        return [("all", "")]
    one = shown.one
    return [("all", ""), ("camera", f"{one.agent}/{one.camera}"), ("product", one.expected or EMPTY_CLASS)]


def _label_statement(event: str, by: str, form: dict[str, str]) -> LabelStatement:
    sku, id_ = form.get("sku", "").strip(), form.get("id", "")
    try:
        truth = StatedTruth.PRODUCT if sku else StatedTruth(form.get("truth", ""))
        id_ = str(UUID(id_)) if id_ else uuid7()
    except ValueError as error:
        raise ProblemError(422, N_("The form can't be read: load the page again.")) from error
    if len(sku) > MAX_SKU or not sku.isprintable() or sku.lower() == EMPTY_CLASS:
        raise ProblemError(422, N_("This is no name of a product."))
    return LabelStatement(event, truth, sku, by=by, id=id_)


def _after(said: LabelStatement) -> str:
    return "/teaching" if said.truth == StatedTruth.WITHDRAWN else f"/teaching?last={quote(said.event, safe='')}"
