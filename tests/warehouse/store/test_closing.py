"""The alerts of an agent that is forgotten end with an event that says so, and says nothing else of its picture."""

import json
from datetime import UTC, datetime, timedelta

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.receiving.making import write
from warehouse.store.closing import forget_stored
from warehouse.store.database import Database
from warehouse.store.reader import StoreReader


def test_the_last_event_of_an_alert_that_is_closed(database: Database) -> None:
    box, began = Publisher(), datetime.now(UTC).replace(microsecond=0)
    opened = began - timedelta(hours=1)
    topic, payload = box.event("A-1", Verdict.MISMATCH, Alert(id="alert-1", status="open", opened=opened))
    message = json.loads(payload)
    message["data"] |= {"evidence": True, "corrected": True, "historical": True, "expected_likelihood": 0.1}
    message["data"]["seen_at"] = ["A-2"]
    write(database, (topic, json.dumps(message).encode()))
    with database.writing() as connection:
        assert forget_stored(database, connection, "box") == 1
    former, last = (event.event for event in StoreReader(database).events())
    assert (former.evidence, former.corrected, former.historical, former.seen_at) == (True, True, True, ("A-2",))
    assert (last.evidence, last.corrected, last.historical, last.seen_at) == (False, False, False, ())
    assert (last.location, last.camera, last.expected) == (former.location, former.camera, former.expected)
    assert (last.verdict, last.previous, last.seen, last.expected_likelihood) == (
        Verdict.STALE,
        Verdict.MISMATCH,
        None,
        None,
    )
    assert began <= last.captured <= datetime.now(UTC)
    assert last.alert is not None
    assert (last.alert.id, last.alert.status, last.alert.resolved) == ("alert-1", "resolved", last.captured)
    assert last.alert.duration_s == (last.captured - last.alert.opened).total_seconds()


def test_an_alert_that_was_opened_by_a_clock_that_was_ahead_lasted_no_time(database: Database) -> None:
    ahead = Alert(id="alert-1", status="open", opened=datetime.now(UTC) + timedelta(hours=1))
    write(database, Publisher().event("A-1", Verdict.MISMATCH, ahead))
    with database.writing() as connection:
        forget_stored(database, connection, "box")
    alert = StoreReader(database).events()[-1].event.alert
    assert alert is not None
    assert alert.duration_s == 0
