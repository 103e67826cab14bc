"""A database in which people have said what pictures show."""

from datetime import UTC, datetime
from typing import Any

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher, jpeg
from tests.warehouse.receiving.making import write
from warehouse.store.database import Database
from warehouse.store.labels import StatedTruth
from warehouse.teaching.label_statements import LabelStatement, add_label


def say(database: Database, event: str, truth: StatedTruth, sku: str = "", **more: Any) -> None:
    """Somebody says what an event's picture shows."""
    with database.noting() as connection:
        add_label(connection, LabelStatement(event, truth, sku, by="Wati", **more))


def judge(
    database: Database,
    box: Publisher,
    location: str,
    truth: StatedTruth,
    sku: str = "",
    *,
    verdict: Verdict = Verdict.MISMATCH,
    has_picture: bool = True,
    **more: Any,
) -> str:
    """An event with an alert and a picture, of which somebody says this; its id."""
    alert = Alert(id=f"alert-{box.sequence}", status="open", opened=datetime.now(UTC))
    write(database, box.event(location, verdict, alert))
    event = box.ids[-1]
    if has_picture:
        write(database, box.picture(location, event, jpeg(box.sequence * 16 % 256)))
    say(database, event, truth, sku, **more)
    return event
