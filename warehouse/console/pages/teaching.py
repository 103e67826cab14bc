"""People say what pictures show, one after the other: by a click, or by the keyboard alone."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, select
from starlette.responses import RedirectResponse

from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Envelope, LocationEvent
from kardus.support.identifiers import uuid7
from warehouse.console.context import Served, entry_of, tagged
from warehouse.console.labelling import store_label
from warehouse.console.pages.access import FormFields, SupervisorVisit
from warehouse.console.pages.entries import LocationEntry
from warehouse.console.pages.hearing import Hearing, hearing_of
from warehouse.console.pages.languages import N_
from warehouse.console.pages.rendering import HEADERS, page, translator
from warehouse.console.problems import ProblemError
from warehouse.console.roles import Role
from warehouse.store.labels import STANDS, StatedTruth
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.store.tables import events, labels, pictures
from warehouse.teaching.queue import UnlabelledPicture, candidate_of, next_to_label
from warehouse.teaching.saying import Statement

router = APIRouter()
ENTRY = LocationEntry("/teaching", N_("Teaching"), Role.SUPERVISOR, 60)
MAX_SKU = 200
MAX_PRODUCTS = 1000
"""So many products are offered for what isn't among the likely ones."""


@dataclass(frozen=True)
class ProductChoice:
    """A product that it may be."""

    sku: str
    example: str
    """The event of a picture that somebody said shows it; empty: there is none yet."""


@dataclass(frozen=True)
class AskedPicture:
    """What the page asks about."""

    one: UnlabelledPicture
    choices: tuple[ProductChoice, ...]
    products: tuple[str, ...]
    """Every product that somebody has named or the WMS expected where people labelled."""
    has_picture: bool


@router.get("/teaching", response_class=Response)
def show(request: Request, console: Served, __: SupervisorVisit, last: str = "") -> Response:
    """The picture that teaches most; `last`: the event that was labelled before, to be undone."""
    with console.reading() as connection:
        found = next_to_label(connection, 1)
        shown = _shown(connection, found[0]) if found else None
        hearing = hearing_of(connection)
    return _page(request, shown, last, hearing)


@router.get("/teaching/{event}", response_class=Response)
def show_one(request: Request, console: Served, __: SupervisorVisit, event: str) -> Response:
    """This event: whoever looks at an alert says that it is wrong."""
    with console.reading() as connection:
        row = connection.execute(select(events.c.agent, events.c.payload).where(events.c.id == event)).first()
        if row is None:
            raise ProblemError(404, N_("There is no such event, or it was deleted."))
        one = candidate_of(row.agent, Envelope[LocationEvent].model_validate_json(row.payload))
        shown = _shown(connection, one)
        hearing = hearing_of(connection)
    return _page(request, shown, "", hearing)


@router.post("/teaching/{event}", response_class=Response)
def say(request: Request, console: Served, visit: SupervisorVisit, event: str, form: FormFields) -> Response:
    """What it shows; and on to the next one."""
    said = _said(event, visit.person.name, form)
    store_label(request, console, visit.principal, said)
    return RedirectResponse(_after(said), 303, HEADERS)


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


def _shown(connection: Connection, one: UnlabelledPicture) -> AskedPicture:
    example = select(labels.c.event).join(pictures, pictures.c.event == labels.c.event).where(STANDS)
    newest = example.order_by(labels.c.number.desc()).limit(1)
    choices = tuple(
        ProductChoice(
            sku, connection.execute(newest.where(labels.c.sku == sku, labels.c.event != one.event)).scalar() or ""
        )
        for sku in one.choices
    )
    known = select(labels.c.sku).where(labels.c.sku != "").distinct().order_by(labels.c.sku).limit(MAX_PRODUCTS)
    products = tuple(sku for (sku,) in connection.execute(known))
    has_picture = connection.execute(select(pictures.c.number).where(pictures.c.event == one.event)).first() is not None
    return AskedPicture(one, choices, products, has_picture)


def _page(request: Request, shown: AskedPicture | None, last: str, hearing: Hearing) -> Response:
    _ = translator(request)
    words: dict[str, Any] = {"shown": shown, "last": last, "id": uuid7(), "hearing": hearing}
    return page(request, "teaching.html.jinja", title=_("Teaching"), **words)


def _said(event: str, by: str, form: dict[str, str]) -> Statement:
    sku, id_ = form.get("sku", "").strip(), form.get("id", "")
    try:
        truth = StatedTruth.PRODUCT if sku else StatedTruth(form.get("truth", ""))
        id_ = str(UUID(id_)) if id_ else uuid7()
    except ValueError as error:
        raise ProblemError(422, N_("The form can't be read: load the page again.")) from error
    if len(sku) > MAX_SKU or not sku.isprintable() or sku.lower() == EMPTY_CLASS:
        raise ProblemError(422, N_("This is no name of a product."))
    return Statement(event, truth, sku, by=by, id=id_)


def _after(said: Statement) -> str:
    return "/teaching" if said.truth == StatedTruth.WITHDRAWN else f"/teaching?last={quote(said.event, safe='')}"
