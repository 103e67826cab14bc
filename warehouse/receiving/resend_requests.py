"""When an agent is asked to resend missing events.

Requests are recorded in the database, so that only one of several receivers asks.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kardus.contract.commands import Resend
from kardus.contract.ranges import gaps
from warehouse.receiving.database import Database
from warehouse.receiving.database_writer import read_covered

GAP_GRACE_S = 10.0
"""Before the first request: another receiver may be about to store the events, or the agent be sending its backlog."""
MAX_RESEND_INTERVAL_S = 3600.0
"""The interval doubles with every unanswered request, up to this."""
MAX_RESEND_EVENTS = 500
"""Per request, since a broker drops what it can't queue."""
_INCOMPLETE_EPOCHS = """
SELECT e.number, e.agent, e.epoch, e.highest, e.missing, e.asked, e.asked_to, e.ask_at FROM epochs e
WHERE e.number = (SELECT max(number) FROM epochs WHERE agent = e.agent)
AND NOT EXISTS (SELECT 1 FROM ranges WHERE epoch = e.number AND first = 1 AND last >= e.highest)
AND NOT EXISTS (SELECT 1 FROM latest WHERE agent = e.agent AND kind = 'status' AND subject = ''
                AND json_extract(payload, '$.data.status') = 'offline')"""


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


def resend_requests_due(database: Database, now_unix_s: float) -> list[ResendRequest]:
    """The requests that are due now. The caller must send them: they are recorded as sent.

    Raises:
        sqlite3.Error: the file can't be read or written.
    """
    with database.reading() as connection:
        if not _gaps(connection):
            return []
    with database.writing() as connection:
        return [request for gap in _gaps(connection) if (request := _advance(connection, gap, now_unix_s))]


def _gaps(connection: sqlite3.Connection) -> list[_Gap]:
    found = []
    for number, agent, epoch, highest, *asked in connection.execute(_INCOMPLETE_EPOCHS).fetchall():
        missing = gaps(read_covered(connection, number), 1, highest)
        if missing:
            found.append(_Gap(number, agent, epoch, *missing[0], *asked))
    return found


def _advance(connection: sqlite3.Connection, gap: _Gap, now: float) -> ResendRequest | None:
    """Start the grace period of a new gap; ask at once for the next portion of a gap that is closing."""
    is_next_portion = gap.asked_to > 0 and gap.first == gap.asked_to + 1
    if gap.missing != gap.first and not is_next_portion:
        connection.execute(
            "UPDATE epochs SET missing = ?, asked = 0, ask_at = ? WHERE number = ?",
            (gap.first, now + GAP_GRACE_S, gap.number),
        )
        return None
    if gap.ask_at > now and not is_next_portion:
        return None
    asked = 1 if is_next_portion else gap.asked + 1
    last = min(gap.last, gap.first + MAX_RESEND_EVENTS - 1)
    connection.execute(
        "UPDATE epochs SET missing = ?, asked = ?, asked_to = ?, ask_at = ? WHERE number = ?",
        (gap.first, asked, last, now + min(MAX_RESEND_INTERVAL_S, GAP_GRACE_S * 2 ** min(asked, 20)), gap.number),
    )
    expires = datetime.fromtimestamp(now, UTC) + timedelta(seconds=MAX_RESEND_INTERVAL_S)
    return ResendRequest(gap.agent, Resend(epoch=gap.epoch, first=gap.first, last=last, expires=expires))
