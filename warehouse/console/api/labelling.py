"""The API's routes by which people label pictures: a verdict is corrected, and the crop teaches the next model."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, Row, insert, select

from kardus.contract.messages import Envelope, LocationEvent
from kardus.support.errors import UsageError
from kardus.support.identifiers import uuid7
from warehouse.console.api.acting import by_whom
from warehouse.console.api.corrections import correction_question, send_correction
from warehouse.console.api.events import EventId
from warehouse.console.api.label_records import (
    CorrectionOutcome,
    Drawn,
    DrawnItem,
    Labelling,
    LabelPage,
    LabelWithOutcome,
    PictureLabel,
    PrecisionItem,
    Precisions,
    Queue,
    QueueItem,
)
from warehouse.console.api.locations import AgentFilter, LocationFilter
from warehouse.console.context import Console, Cursor, Limit, Reader, Served, Teacher, entry_of, json_answer
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.identity.auditing import insert_entries
from warehouse.console.identity.tokens import Principal
from warehouse.console.problems import ProblemError
from warehouse.store.labels import SAID_OF_PICTURE, STANDS, StatedTruth
from warehouse.store.tables import comments, labels, present
from warehouse.teaching.label_statements import LabelStatement, NoSuchEventError, add_label, verdict_of
from warehouse.teaching.precision import drawn_today, precisions
from warehouse.teaching.queue import next_to_label

router = APIRouter()


@router.post(
    "/events/{event}/label", response_model=LabelWithOutcome, status_code=201, summary="Say what a picture shows"
)
def label(request: Request, console: Served, who: Teacher, event: EventId, said: Labelling) -> Response:
    """The event is corrected by it, and its crop is kept for training. The last label of an event counts.

    201; and 200 where a label with this id is there already. An alert gets a comment that says so. The agent is told
    where it is the last event of the location; `told` says what came of it.
    """
    new = said.model_dump(exclude={"id", "by"}) | {"by": by_whom(who, said.by), "id": said.id or uuid7()}
    row, is_new, told = store_label(request, console, who, LabelStatement(event=event, **new))
    labelled = LabelWithOutcome(**label_of(row).model_dump(), told=told)
    return Response(labelled.model_dump_json(), 201 if is_new else 200, media_type="application/json")


@router.get("/labels", response_model=LabelPage, summary="What people have said of pictures")
def list_labels(
    request: Request,
    console: Served,
    _: Reader,
    event: Annotated[str | None, Query(max_length=200, description="Only this event's.")] = None,
    location: LocationFilter = None,
    agent: AgentFilter = None,
    which: Annotated[
        Literal["standing", "all"], Query(description="`all`: also what was corrected since.")
    ] = "standing",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The labels of pictures, the newest first."""
    after = key_from_cursor("labels", cursor, (int,))
    equal = {labels.c.event: event, labels.c.location: location, labels.c.agent: agent}
    chosen = [column == wanted for column, wanted in equal.items() if wanted is not None]
    chosen += [STANDS] if which == "standing" else []
    chosen += [labels.c.number < after[0]] if after else []
    with console.reading() as connection:
        ordered = select(labels).where(*chosen).order_by(labels.c.number.desc())
        rows = connection.execute(ordered.limit(limit + 1)).all()
    items = [label_of(row).model_dump(mode="json") for row in rows[:limit]]
    following = cursor_of("labels", [rows[limit - 1].number]) if len(rows) > limit else None
    return json_answer(request, {"items": items, "next": following})


@router.get("/labels/drawn", response_model=Drawn, summary="Matches to check today")
def list_drawn(request: Request, console: Served, _: Reader, limit: Limit = 100) -> Response:
    """A share of the matching locations that chance draws each day: say what stands there, so that matches count."""
    with console.reading() as connection:
        found = drawn_today(connection, limit)
    items = []
    for agent, location, event, payload in found:
        expected = Envelope[LocationEvent].model_validate_json(payload).data.expected
        items.append(DrawnItem(agent=agent, location=location, event=event, expected=expected and expected.sku))
    return json_answer(request, Drawn(items=tuple(items)).model_dump(mode="json"))


@router.get("/labels/queue", response_model=Queue, summary="Pictures to label")
def list_queue(request: Request, console: Served, _: Reader, limit: Limit = 100) -> Response:
    """Of the newest 1,000 that nobody has labelled, what teaches most: doubts, unknown products, contradictions."""
    with console.reading() as connection:
        found = next_to_label(connection, limit)
    items = tuple(
        QueueItem(
            event=one.event,
            agent=one.agent,
            location=one.location,
            verdict=one.verdict,
            expected=one.expected,
            choices=one.choices,
        )
        for one in found
    )
    return json_answer(request, Queue(items=items).model_dump(mode="json"))


@router.get("/precision", response_model=Precisions, summary="How often the cameras were right")
def list_precision(request: Request, console: Served, _: Reader) -> Response:
    """Of the events that people judged, and no others: alerts are judged because somebody walks there."""
    with console.reading() as connection:
        found = precisions(connection)
    items = tuple(PrecisionItem.model_validate(vars(one)) for one in found)
    return json_answer(request, Precisions(items=items).model_dump(mode="json"))


def store_label(
    request: Request, console: Console, who: Principal, said: LabelStatement
) -> tuple[Row[Any], bool, CorrectionOutcome]:
    """Store what somebody says, with an entry of the audit log and a comment on the alert, and tell the agent.

    Gives the row, whether it is new, and what the agent answered.

    Raises:
        ProblemError: 404, 409 or 422: it can't be said so.
    """
    with console.database.noting() as connection:
        try:
            row, is_new = add_label(connection, said)
        except NoSuchEventError as error:
            raise ProblemError(404, str(error)) from error
        except UsageError as error:
            raise ProblemError(409 if str(error).startswith("id:") else 422, str(error)) from error
        if is_new:
            insert_entries(connection, [entry_of(request, who, "label", said.event, label_text(row))])
            _comment(connection, row)
        question = correction_question(connection, row)
    return row, is_new, send_correction(console, question)


def label_of(row: Row[Any]) -> PictureLabel:
    """A row of `labels`."""
    told = {key: value for key, value in row._mapping.items() if key != "confidence"}  # noqa: SLF001 - its public name
    return PictureLabel(**told, corrected=verdict_of(StatedTruth(row.truth), row.sku, row.expected))


def label_text(row: Row[Any]) -> str:
    """What was said, in a line."""
    found = f"{row.truth}: {row.sku}" if row.sku else row.truth
    return f"{found} ({row.note})" if row.note else found


def _comment(connection: Connection, row: Row[Any]) -> None:
    """Who looks at the alert reads that somebody says otherwise."""
    if row.alert is None:
        return
    said = {"id": uuid7(), "alert": row.alert, "at": present(), "by": row.by}
    connection.execute(insert(comments).values(**said, text=SAID_OF_PICTURE + label_text(row)))
