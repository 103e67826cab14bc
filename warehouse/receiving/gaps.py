"""Which events lack, and when an agent is asked for them again.

What is asked for is written into the database, so that of several receivers one asks.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kardus.contract.commands import Resend
from warehouse.receiving.database import Database
from warehouse.receiving.ranges import gaps
from warehouse.receiving.store import covered_of

GRACE_S = 10.0
"""A gap may close by itself: another receiver is about to store it, or the agent's backlog is on its way."""
MOST_S = 3600.0
"""An agent that doesn't answer is asked again after twice as long each time, up to this."""
PORTION = 500
"""So many events at a time, since a broker drops what it can't queue."""
_CANDIDATES = """
SELECT e.number, e.agent, e.epoch, e.highest, e.missing, e.asked, e.asked_to, e.ask_at FROM epochs e
WHERE e.number = (SELECT max(number) FROM epochs WHERE agent = e.agent)
AND NOT EXISTS (SELECT 1 FROM ranges WHERE epoch = e.number AND first = 1 AND last >= e.highest)
AND NOT EXISTS (SELECT 1 FROM latest WHERE agent = e.agent AND kind = 'status' AND subject = ''
                AND json_extract(payload, '$.data.status') = 'offline')"""


@dataclass(frozen=True)
class Request:
    """What an agent is asked for."""

    agent: str
    command: Resend


@dataclass(frozen=True)
class _Gap:
    """The first gap of an epoch, and what was asked for before."""

    number: int
    agent: str
    epoch: str
    first: int
    last: int
    missing: int | None
    asked: int
    asked_to: int
    ask_at: float


def requests_due(database: Database, now_unix_s: float) -> list[Request]:
    """What has to be asked for now; whoever gets it must ask, since nobody else will before the next time.

    Raises:
        sqlite3.Error: the file can't be read or written.
    """
    with database.reading() as connection:
        if not _gaps(connection):
            return []
    with database.writing() as connection:
        return [request for gap in _gaps(connection) if (request := _step(connection, gap, now_unix_s))]


def _gaps(connection: sqlite3.Connection) -> list[_Gap]:
    found = []
    for number, agent, epoch, highest, *asked in connection.execute(_CANDIDATES).fetchall():
        lacking = gaps(covered_of(connection, number), highest)
        if lacking:
            found.append(_Gap(number, agent, epoch, *lacking[0], *asked))
    return found


def _step(connection: sqlite3.Connection, gap: _Gap, now: float) -> Request | None:
    """A new gap gets its grace; the next portion of one that closes is asked for at once."""
    is_next_portion = gap.asked_to > 0 and gap.first == gap.asked_to + 1
    if gap.missing != gap.first and not is_next_portion:
        connection.execute(
            "UPDATE epochs SET missing = ?, asked = 0, ask_at = ? WHERE number = ?",
            (gap.first, now + GRACE_S, gap.number),
        )
        return None
    if gap.ask_at > now and not is_next_portion:
        return None
    asked = 1 if is_next_portion else gap.asked + 1
    last = min(gap.last, gap.first + PORTION - 1)
    connection.execute(
        "UPDATE epochs SET missing = ?, asked = ?, asked_to = ?, ask_at = ? WHERE number = ?",
        (gap.first, asked, last, now + min(MOST_S, GRACE_S * 2 ** min(asked, 20)), gap.number),
    )
    expires = datetime.fromtimestamp(now, UTC) + timedelta(seconds=MOST_S)
    return Request(gap.agent, Resend(epoch=gap.epoch, first=gap.first, last=last, expires=expires))
