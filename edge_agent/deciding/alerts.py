"""The life of an alert: open, acknowledged, resolved. Pure functions.

An alert is what somebody has to walk to a location for. It stays the same one while the verdict changes from one alert
to another, and while doubt or a lost view keeps anyone from knowing better; only a verdict that all is well ends it.
"""

from __future__ import annotations

from datetime import datetime

from kardus.contract.messages import Alert
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.identifiers import uuid7

WELL = frozenset({Verdict.MATCH, Verdict.UNMANAGED})
"""The verdicts that end an alert."""


def next_alert(alert: Alert | None, verdict: Verdict, moment: datetime, open_s: float | None = None) -> Alert | None:
    """What becomes of a location's alert by a new verdict.

    Args:
        alert: the alert so far; None where there is none.
        verdict: what is found now.
        moment: when the picture was taken.
        open_s: for how long the alert has been open, by a clock that never jumps; None: by the calendar.
    """
    standing = alert if alert is not None and alert.status != "resolved" else None
    if verdict in ALERTS:
        return standing or Alert(id=uuid7(), status="open", opened=moment)
    if verdict in WELL and standing:
        lasted = open_s if open_s is not None else (moment - standing.opened).total_seconds()
        return standing.model_copy(
            update={"status": "resolved", "resolved": moment, "duration_s": round(max(0.0, lasted), 3)}
        )
    return standing


def acknowledged(alert: Alert, by: str, moment: datetime) -> Alert:
    """The alert, once somebody has said that it is known."""
    return alert.model_copy(update={"status": "acknowledged", "acknowledged": moment, "by": by})
