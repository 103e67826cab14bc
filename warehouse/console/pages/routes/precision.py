"""The page that shows how often the cameras are right, of what people judged: by camera and product, with intervals."""

from fastapi import APIRouter, Request, Response

from warehouse.console.context import Served
from warehouse.console.pages.access import ViewerVisit
from warehouse.console.pages.content.precision_now import CLAIMS, PrecisionNow
from warehouse.console.pages.list_parts import PartNumber, part_of, written
from warehouse.console.pages.rendering import page, translator
from warehouse.teaching.precision import ClaimPrecision

router = APIRouter()
ROW_BYTES = 300
"""Of a line of the table, about, without its name."""


@router.get("/precision", response_class=Response)
def show_precision(request: Request, console: Served, __: ViewerVisit, number: PartNumber = 1) -> Response:
    """A sentence for each claim, and a table by camera and product."""
    _ = translator(request)
    precision: PrecisionNow = request.app.state.page.precision
    with console.reading() as connection:
        found = precision.all(connection)
    rows = part_of([one for one in found if one.by != "all"], number, _bytes_of)
    overall = [one for one in found if one.by == "all"]
    title = _("How often the cameras are right")
    return page(request, "precision.html.jinja", title=title, claims=overall, rows=rows, words=CLAIMS)


def _bytes_of(one: ClaimPrecision) -> int:
    return ROW_BYTES + written(one.key)
