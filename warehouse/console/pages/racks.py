"""The racks."""

from fastapi import APIRouter, Request, Response

from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.entries import Entry
from warehouse.console.pages.languages import N_
from warehouse.console.pages.rendering import page, text_of
from warehouse.console.roles import Role

router = APIRouter()
ENTRY = Entry("/", N_("Racks"), Role.VIEWER, 10)


@router.get("/", response_class=Response)
def show(request: Request, __: ViewerVisit) -> Response:
    """All racks."""
    _ = text_of(request)
    return page(request, "racks.html.jinja", title=_("Racks"))
