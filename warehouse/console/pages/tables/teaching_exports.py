"""What people said of pictures, and how often the cameras are right by it, as table files."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from warehouse.console.api.labelling import label_of
from warehouse.console.context import Served
from warehouse.console.pages.access import SupervisorVisit, ViewerVisit
from warehouse.console.pages.content.precision_now import PrecisionNow
from warehouse.console.pages.tables.exports import latest_first
from warehouse.console.pages.tables.headings import exported_table
from warehouse.console.pages.tables.table_files import ExportedValue
from warehouse.store.labels import STANDS
from warehouse.store.tables import labels

router = APIRouter()
_LABELS = (
    *("number", "at", "by", "truth", "sku", "name", "note", "location", "agent", "camera", "captured", "verdict"),
    *("corrected", "expected", "seen", "alert", "event"),
)
_PRECISION = ("claim", "by", "key", "right", "judged", "share", "low", "high")


@router.get("/export/labels.{kind}", response_class=Response)
def export_labels(request: Request, console: Served, _: SupervisorVisit, kind: str) -> Response:
    """What holds of what people said, the latest first."""
    rows = latest_first(console, select(labels).where(STANDS), labels.c.number)
    return exported_table(request, "labels", kind, _LABELS, map(_label, rows))


@router.get("/export/precision.{kind}", response_class=Response)
def export_precision(request: Request, console: Served, _: ViewerVisit, kind: str) -> Response:
    """Every claim's, of all, by camera and by product, with its 95 % interval."""
    precision: PrecisionNow = request.app.state.page.precision
    with console.reading() as connection:
        found = precision.all(connection)
    rows = [
        (one.claim, one.by, one.key, one.right, one.judged, one.right / one.judged, one.low, one.high) for one in found
    ]
    return exported_table(request, "precision", kind, _PRECISION, rows)


def _label(row: Any) -> list[ExportedValue]:
    label = label_of(row)
    said = label.model_dump(mode="json") | {"at": label.at, "captured": label.captured}
    return [said[name] for name in _LABELS]
