"""Closes the alerts of an agent that was forgotten.

Whoever reads the stored events sees every alert end: the closing event isn't the agent's, has an epoch of its own, and
says why.
"""

import json
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, outerjoin, select, update

from kardus.contract.messages import Alert, Envelope, LocationEvent
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from warehouse.store.alerts import note_alerts
from warehouse.store.database import Database
from warehouse.store.epoch_order import latest_first
from warehouse.store.events import add_events
from warehouse.store.tables import epochs, events, latest, models, present, webhooks

REASON = "the agent was forgotten"
CLOSING = "forgotten-"
"""What the epoch of closing events begins with."""


def forget_stored(database: Database, connection: Connection, agent: str) -> int:
    """Close an agent's alerts and delete its latest messages, in the transaction of the caller; how many were open.

    Its events stay, and are known when they come again; what is missing of them is missed no longer.
    """
    now, epoch = present(), f"{CLOSING}{uuid7()}"
    open_alerts = [
        (alert, payload)
        for alert, payload in _last_of_alerts(connection, agent)
        if json.loads(payload)["data"]["alert"]["status"] != "resolved"
    ]
    closing = [_closing(payload, epoch, place, now) for place, (_, payload) in enumerate(open_alerts, start=1)]
    add_events(database, connection, [(agent, event, event.model_dump_json()) for event in closing], now)
    note_alerts(connection, [event.id for event in closing])
    if open_alerts:
        connection.execute(delete(webhooks).where(webhooks.c.id.in_([alert for alert, _ in open_alerts])))
    connection.execute(delete(latest).where(latest.c.agent == agent))
    connection.execute(delete(models).where(models.c.agent == agent))
    connection.execute(update(epochs).where(epochs.c.agent == agent).values(forgotten=1))
    return len(open_alerts)


def _last_of_alerts(connection: Connection, agent: str) -> list[tuple[str, str]]:
    """The last event of each of an agent's alerts, by epoch and sequence: alert and message.

    A closing event, whose epoch is nobody's, is the last of all.
    """
    known = outerjoin(events, epochs, and_(epochs.c.agent == events.c.agent, epochs.c.epoch == events.c.epoch))
    place = func.row_number().over(partition_by=events.c.alert, order_by=latest_first())
    of_agent = (
        select(events.c.number, events.c.alert, events.c.payload, place.label("place"))
        .select_from(known)
        .where(events.c.alert.is_not(None), events.c.agent == agent)
        .subquery()
    )
    found = select(of_agent.c.alert, of_agent.c.payload).where(of_agent.c.place == 1).order_by(of_agent.c.number)
    return [(alert, payload) for alert, payload in connection.execute(found)]


def _closing(payload: str, epoch: str, sequence: int, now: datetime) -> Envelope[LocationEvent]:
    """The event that ends the alert of an event."""
    former = Envelope[LocationEvent].model_validate_json(payload)
    alert = former.data.alert
    data = former.data.model_copy(
        update={
            "epoch": epoch,
            "sequence": sequence,
            "verdict": Verdict.STALE,
            "previous": former.data.verdict,
            "seen": None,
            "seen_at": (),
            "expected_likelihood": None,
            "reason": REASON,
            "captured": now,
            "evidence": False,
            "corrected": False,
            "historical": False,
            "alert": alert and _resolved(alert, now),
        }
    )
    return former.model_copy(update={"id": uuid7(), "time": now, "data": data})


def _resolved(alert: Alert, now: datetime) -> Alert:
    seconds = max(0.0, (now - alert.opened).total_seconds())
    return alert.model_copy(update={"status": "resolved", "resolved": now, "duration_s": seconds})
