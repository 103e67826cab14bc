"""Closes the alerts of an agent that was forgotten.

Whoever reads the stored events sees every alert end: the closing event isn't the agent's, has an epoch of its own, and
says why.
"""

import sqlite3
from datetime import UTC, datetime

from kardus.contract.messages import Alert, Envelope, LocationEvent
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from warehouse.receiving.events import add_event

REASON = "the agent was forgotten"
_OPEN_ALERTS = """
SELECT alert, payload FROM events
WHERE number IN (SELECT max(number) FROM events WHERE alert IS NOT NULL AND agent = ? GROUP BY alert)
AND json_extract(payload, '$.data.alert.status') <> 'resolved' ORDER BY number"""


def forget_stored(connection: sqlite3.Connection, agent: str) -> int:
    """Close an agent's alerts and delete its latest messages, in the transaction of the caller; how many were open.

    Its events stay, and are known when they come again; what is missing of them is missed no longer.
    """
    now, epoch = datetime.now(UTC), f"forgotten-{uuid7()}"
    rows = connection.execute(_OPEN_ALERTS, (agent,)).fetchall()
    for sequence, (alert, payload) in enumerate(rows, start=1):
        connection.execute("DELETE FROM webhooks WHERE id = ?", (alert,))
        closing = _closing(payload, epoch, sequence, now)
        add_event(connection, agent, closing, closing.model_dump_json(), now.isoformat(timespec="milliseconds"))
    connection.execute("DELETE FROM latest WHERE agent = ?", (agent,))
    connection.execute("UPDATE epochs SET forgotten = 1 WHERE agent = ?", (agent,))
    return len(rows)


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
            "historical": False,
            "alert": alert and _resolved(alert, now),
        }
    )
    return former.model_copy(update={"id": uuid7(), "time": now, "data": data})


def _resolved(alert: Alert, now: datetime) -> Alert:
    seconds = max(0.0, (now - alert.opened).total_seconds())
    return alert.model_copy(update={"status": "resolved", "resolved": now, "duration_s": seconds})
