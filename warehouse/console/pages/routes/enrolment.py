"""A new product from a few crops: the page makes the request, `kardus-export answer` enrols and signs elsewhere."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from kardus.contract.enrolment import MAX_PHOTOS, MIN_ADVISED_PHOTOS
from kardus.support.errors import KardusError
from kardus.support.identifiers import uuid7
from warehouse.console.agents.enrolments import Enrolment, enrolments_in, newest_events, products_with_crops, zipped
from warehouse.console.context import Served, entry_of
from warehouse.console.pages.access import FormFields, SupervisorVisit
from warehouse.console.pages.list_parts import PART_BYTES, PartNumber, part_of, written
from warehouse.console.pages.rendering import HEADERS, page, translator
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.teaching.requesting import request_enrolment

router = APIRouter()
LINE_BYTES, REQUEST_BYTES = 100, 800
"""Of a product or a warning, and of a request, about, without names."""
CHOSEN = "event:"
"""Before an event's id, in the form."""
OFF = N_("To ask for new products from here, start the server with --requests.")
NOTHING_CHOSEN = N_(
    "This can't be asked for: choose at least one picture that is still there, and a name for the product."
)
Sku = Annotated[str, Query(max_length=200)]


@router.get("/enrolment", response_class=Response)
def show(request: Request, console: Served, __: SupervisorVisit, sku: Sku = "", number: PartNumber = 1) -> Response:
    """Products that people have shown the cameras, the pictures of one of them, and what was asked for."""
    _ = translator(request)
    folder: Path | None = request.app.state.page.requests
    with console.reading() as connection:
        products = products_with_crops(connection)
        crops = newest_events(connection, sku, MAX_PHOTOS) if sku else []
    return page(
        request,
        "enrolment.html.jinja",
        title=_("A new product"),
        sku=sku,
        products=part_of(products, 1, lambda one: LINE_BYTES + 4 * written(one[0]), PART_BYTES // 3).entries,
        crops=crops,
        few=MIN_ADVISED_PHOTOS,
        is_on=folder is not None,
        enrolments=part_of(enrolments_in(folder) if folder else [], number, _bytes_of, PART_BYTES // 3),
    )


@router.post("/enrolment", response_class=Response)
def ask(request: Request, console: Served, visit: SupervisorVisit, form: FormFields) -> Response:
    """Make a request of the chosen pictures."""
    folder = _folder(request)
    events = [name.removeprefix(CHOSEN) for name in form if name.startswith(CHOSEN)]
    if not events:
        raise ProblemError(422, NOTHING_CHOSEN)
    store = PictureStore(console.pictures or pictures_of(console.database))
    sku, name = form.get("sku", ""), form.get("name", "")
    try:
        made = request_enrolment(console.database, store, folder / uuid7(), sku, name=name, events=events)
    except KardusError as error:
        raise ProblemError(422, NOTHING_CHOSEN) from error
    told = f"{len(made.photos)} photos"
    console.audit.note(entry_of(request, visit.principal, "request-product", made.sku, told))
    return RedirectResponse("/enrolment", 303, HEADERS)


@router.get("/enrolment/{id_}/request.zip", response_class=Response)
def download(request: Request, console: Served, visit: SupervisorVisit, id_: str) -> Response:
    """A request as one file, to be carried to the signing workstation; it is noted who took its pictures."""
    content = zipped(_folder(request), id_)
    if content is None:
        raise ProblemError(404, N_("There is nothing at this address."))
    console.audit.note(entry_of(request, visit.principal, "download-request", id_))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{id_}.zip"'}
    return Response(content, headers=headers, media_type="application/zip")


def _bytes_of(one: Enrolment) -> int:
    """About how long a request is as HTML."""
    warnings = one.answer.warnings if one.answer else ()
    return (
        REQUEST_BYTES + 2 * written(one.request.name, one.request.by) + sum(LINE_BYTES + written(w) for w in warnings)
    )


def _folder(request: Request) -> Path:
    folder: Path | None = request.app.state.page.requests
    if folder is None:
        raise ProblemError(404, OFF)
    return folder
