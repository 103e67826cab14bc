"""When an agent is asked to resend missing events.

Requests are recorded in the database, so that only one of several receivers asks.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kardus.contract.commands import Resend
from warehouse.receiving.database import Database
from warehouse.receiving.epochs import first_gap

GAP_GRACE_S = 10.0
"""Before the first request: another receiver may be about to store the events, or the agent be sending its backlog."""
MAX_RESEND_INTERVAL_S = 3600.0
"""The interval doubles with every unanswered request, up to this."""
MAX_RESEND_EVENTS = 500
"""Per request, since a broker drops what it can't queue."""
_INCOMPLETE_EPOCHS = """
SELECT e.number, e.agent, e.epoch, e.highest, e.contiguous_to, e.missing, e.asked, e.asked_to, e.ask_at
FROM epochs e INDEXED BY epochs_present
WHERE e.present = 1 AND e.contiguous_to < e.highest AND e.forgotten = 0
AND (e.missing IS NOT e.contiguous_to + 1 OR e.ask_at <= ?)
AND NOT EXISTS (SELECT 1 FROM latest WHERE agent = e.agent AND kind = 'status' AND subject = ''
                AND json_extract(payload, '$.data.status') = 'offline')"""
"""One row for each agent at most, whatever the number of its epochs; none for a gap that waits as it did."""


@dataclass(frozen=True)
class ResendRequest:
    """A resend command for one agent."""

    agent: str
    command: Resend


@dataclass(frozen=True)
class _Gap:
    """The first gap of an epoch, and the request made for it before."""

    number: int
    agent: str
    epoch: str
    first: int
    last: int
    missing: int | None
    asked: int
    asked_to: int
    ask_at: float

    @property
    def is_new(self) -> bool:
        """Whether it begins elsewhere than the one that was seen before."""
        return self.missing != self.first and not self.is_next_portion

    @property
    def is_next_portion(self) -> bool:
        """Whether what was asked for has come, and more is missing behind it."""
        return self.asked_to > 0 and self.first == self.asked_to + 1

    def is_due(self, now_unix_s: float) -> bool:
        """Whether something has to be noted or asked now."""
        return self.is_new or self.is_next_portion or self.ask_at <= now_unix_s


def resend_requests_due(database: Database, now_unix_s: float) -> list[ResendRequest]:
    """The requests that are due now. The caller must send them: they are recorded as sent.

    Raises:
        sqlite3.Error: the file can't be read or written.
    """
    with database.reading() as connection:
        if connection.execute(_INCOMPLETE_EPOCHS, (now_unix_s,)).fetchone() is None:
            return []
    with database.writing() as connection:  # another receiver may have asked since
        gaps = _gaps_due(connection, now_unix_s)
        return [request for gap in gaps if (request := _advance(connection, gap, now_unix_s))]


def _gaps_due(connection: sqlite3.Connection, now_unix_s: float) -> list[_Gap]:
    found = []
    for number, agent, epoch, highest, reached, *asked in connection.execute(
        _INCOMPLETE_EPOCHS, (now_unix_s,)
    ).fetchall():
        if missing := first_gap(connection, number, reached, highest):
            found.append(_Gap(number, agent, epoch, *missing, *asked))
    return [gap for gap in found if gap.is_due(now_unix_s)]


def _advance(connection: sqlite3.Connection, gap: _Gap, now: float) -> ResendRequest | None:
    """Start the grace period of a new gap; ask at once for the next portion of a gap that is closing."""
    if gap.is_new:
        connection.execute(
            "UPDATE epochs SET missing = ?, asked = 0, ask_at = ? WHERE number = ?",
            (gap.first, now + GAP_GRACE_S, gap.number),
        )
        return None
    asked = 1 if gap.is_next_portion else gap.asked + 1
    last = min(gap.last, gap.first + MAX_RESEND_EVENTS - 1)
    connection.execute(
        "UPDATE epochs SET missing = ?, asked = ?, asked_to = ?, ask_at = ? WHERE number = ?",
        (gap.first, asked, last, now + min(MAX_RESEND_INTERVAL_S, GAP_GRACE_S * 2 ** min(asked, 20)), gap.number),
    )
    expires = datetime.fromtimestamp(now, UTC) + timedelta(seconds=MAX_RESEND_INTERVAL_S)
    return ResendRequest(gap.agent, Resend(epoch=gap.epoch, first=gap.first, last=last, expires=expires))
