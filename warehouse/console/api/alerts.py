"""The API's routes that list alerts, and the comments on them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Row, select, tuple_

from warehouse.console.api.locations import AgentFilter, LocationFilter
from warehouse.console.api.records import AlertItem, AlertPage, AlertStatus, Comment, CommentPage
from warehouse.console.context import Console, Cursor, Limit, Reader, Served, json_answer
from warehouse.console.cursors import cursor_of, key_from_cursor
from warehouse.console.problems import ProblemError
from warehouse.console.shown import ShownRow, event_item, time_text
from warehouse.store.tables import alerts, comments, events

router = APIRouter()
AlertId = Annotated[str, Path(max_length=200, description="The alert's id.")]
_LAST = (events.c.number == alerts.c.last) & events.c.alert.is_not(None)
ALERT_COLUMNS = select(
    alerts.c.id,
    alerts.c.location,
    alerts.c.status,
    alerts.c.opened,
    events.c.number,
    events.c.agent,
    events.c.received,
    events.c.payload,
).join_from(alerts, events, _LAST)


@router.get("/alerts", response_model=AlertPage, summary="Alerts")
def list_alerts(
    request: Request,
    console: Served,
    _: Reader,
    status: Annotated[AlertStatus | None, Query(description="Only those that are so now.")] = None,
    location: LocationFilter = None,
    agent: AgentFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The latest first, by the moment of the first picture."""
    after = key_from_cursor("alerts", cursor, (int, str))
    equal = {alerts.c.status: status, alerts.c.location: location, alerts.c.agent: agent}
    chosen = [column == wanted for column, wanted in equal.items() if wanted is not None]
    statement = ALERT_COLUMNS.where(*chosen)
    if after:
        statement = statement.where(tuple_(alerts.c.opened, alerts.c.id) < tuple_(_moment(after[0]), after[1]))
    with console.reading() as connection:
        ordered = statement.order_by(alerts.c.opened.desc(), alerts.c.id.desc())
        rows = connection.execute(ordered.limit(limit + 1)).all()
    items = [_item(row) for row in rows[:limit]]
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = cursor_of("alerts", [round(last.opened.timestamp() * 1000), last.id])
    return json_answer(request, {"items": items, "next": following})


@router.get("/alerts/{alert}", response_model=AlertItem, summary="One alert")
def get_alert(request: Request, console: Served, _: Reader, alert: AlertId) -> Response:
    """One alert, by its id."""
    return json_answer(request, _item(find_alert(console, alert)))


@router.get("/alerts/{alert}/comments", response_model=CommentPage, summary="What was said about an alert")
def list_comments(
    request: Request, console: Served, _: Reader, alert: AlertId, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """The comments on an alert, the oldest first."""
    after = key_from_cursor("comments", cursor, (int,))
    find_alert(console, alert)
    chosen = select(comments).where(comments.c.alert == alert, comments.c.number > (after[0] if after else 0))
    with console.reading() as connection:
        rows = connection.execute(chosen.order_by(comments.c.number).limit(limit + 1)).all()
    items = [comment_of(row).model_dump(mode="json") for row in rows[:limit]]
    following = cursor_of("comments", [rows[limit - 1].number]) if len(rows) > limit else None
    return json_answer(request, {"items": items, "next": following})


def find_alert(console: Console, alert: str) -> Any:
    """An alert by its id: a row of `ALERT_COLUMNS`.

    Raises:
        ProblemError: 404: there is none.
    """
    with console.reading() as connection:
        row = connection.execute(ALERT_COLUMNS.where(alerts.c.id == alert)).first()
    if row is None:
        raise ProblemError(404, "there is no alert with this id")
    return row


def comment_of(row: Row[Any]) -> Comment:
    """A row of `comments`."""
    return Comment(id=row.id, alert=row.alert, at=row.at, by=row.by, text=row.text)


def _item(row: Any) -> ShownRow:
    return {
        "id": row.id,
        "agent": row.agent,
        "location": row.location,
        "status": row.status,
        "opened": time_text(row.opened),
        "event": event_item(row),
    }


def _moment(milliseconds: str | int) -> datetime:
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise ProblemError(400, "cursor: not one that this list gave: leave it out to begin anew") from error
