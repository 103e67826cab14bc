"""The API's routes that list and give pictures, and the audit log of who looked at them."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from warehouse.console.api.events import EventId
from warehouse.console.api.locations import AgentFilter, LocationFilter
from warehouse.console.api.records import AuditEntry, AuditPage, EvidenceItem, EvidencePage
from warehouse.console.context import Auditor, Cursor, Limit, Reader, Served, Viewer, entry_of, json_answer, tagged
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.problems import ProblemError
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.store.tables import audit, pictures

router = APIRouter()
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}, "description": "The JPEG"}
}


@router.get("/evidence", response_model=EvidencePage, summary="Which pictures there are")
def list_evidence(
    request: Request,
    console: Served,
    _: Reader,
    event: Annotated[str | None, Query(max_length=200, description="Only this event's.")] = None,
    location: LocationFilter = None,
    agent: AgentFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The pictures that are kept, the newest first."""
    after = key_from_cursor("evidence", cursor, (int,))
    equal = {pictures.c.event: event, pictures.c.location: location, pictures.c.agent: agent}
    chosen = [column == wanted for column, wanted in equal.items() if wanted is not None]
    if after:
        chosen.append(pictures.c.number < after[0])
    with console.reading() as connection:
        ordered = select(pictures).where(*chosen).order_by(pictures.c.number.desc())
        rows = connection.execute(ordered.limit(limit + 1)).all()
    items = tuple(
        EvidenceItem(event=row.event, agent=row.agent, location=row.location, size=row.size, received=row.received)
        for row in rows[:limit]
    )
    following = cursor_of("evidence", [rows[limit - 1].number]) if len(rows) > limit else None
    return json_answer(request, EvidencePage(items=items, next=following).model_dump(mode="json"))


@router.get("/evidence/{event}", response_class=Response, responses=_PICTURE, summary="A picture")
def get_picture(request: Request, console: Served, who: Viewer, event: EventId) -> Response:
    """The crop that an event rests on, without what the camera's configuration masks. It is noted who looked."""
    with console.reading() as connection:
        file = connection.execute(select(pictures.c.file).where(pictures.c.event == event)).scalar()
    jpeg = PictureStore(console.pictures or pictures_of(console.database)).read(file) if file else None
    if jpeg is None:
        raise ProblemError(404, "there is no picture of this event, or it was deleted")
    console.audit.note(entry_of(request, who, "picture", event))
    return tagged(request, jpeg, "image/jpeg", hashlib.sha256(jpeg).hexdigest()[:32])


@router.get("/audit", response_model=AuditPage, summary="Who has done what")
def list_audit(
    request: Request,
    console: Served,
    _: Auditor,
    action: Annotated[str | None, Query(max_length=100, description="Only this action.")] = None,
    subject: Annotated[str | None, Query(max_length=200, description="Only what was done to this.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The audit log, the newest entry first."""
    after = key_from_cursor("audit", cursor, (int,))
    equal = {audit.c.action: action, audit.c.subject: subject}
    chosen = [column == wanted for column, wanted in equal.items() if wanted is not None]
    if after:
        chosen.append(audit.c.number < after[0])
    with console.reading() as connection:
        rows = connection.execute(select(audit).where(*chosen).order_by(audit.c.number.desc()).limit(limit + 1)).all()
    items = tuple(AuditEntry.model_validate(dict(row._mapping)) for row in rows[:limit])  # noqa: SLF001 - its public name
    following = cursor_of("audit", [rows[limit - 1].number]) if len(rows) > limit else None
    return json_answer(request, AuditPage(items=items, next=following).model_dump(mode="json"))
