"""When an agent is asked to resend missing events.

Requests are recorded in the database, so that only one of several receivers asks.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, literal_column, or_, select, update

from kardus.contract.commands import Resend
from warehouse.store.database import Database
from warehouse.store.epochs import first_gap
from warehouse.store.reported_sequences import highest_believed, reported_sequences
from warehouse.store.rowsets import json_text
from warehouse.store.tables import epochs, latest
from warehouse.store.waits import is_over, waits

GAP_GRACE_S = 10.0
"""Before the first request: another receiver may be about to store the events, or the agent be sending its backlog."""
MAX_RESEND_INTERVAL_S = 3600.0
"""The interval doubles with every unanswered request, up to this."""
MAX_RESEND_EVENTS = 500
"""Per request, since a broker drops what it can't queue."""


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
        return self.is_new or self.is_next_portion or not waits(self.ask_at, now_unix_s, MAX_RESEND_INTERVAL_S)


def resend_requests_due(database: Database, now_unix_s: float) -> list[ResendRequest]:
    """The requests that are due now. The caller must send them: they are recorded as sent.

    Raises:
        StoreError: the database can't be read or written.
    """
    with database.reading() as connection:
        if not _gaps_due(connection, now_unix_s):
            return []
    with database.writing() as connection:  # another receiver may have asked since
        gaps = _gaps_due(connection, now_unix_s)
        return [request for gap in gaps if (request := _advance(connection, gap, now_unix_s))]


def _incomplete_epochs(connection: Connection, now_unix_s: float) -> Select[Any]:
    """One row for each agent at most, whatever the number of its epochs; none for a gap that waits as it did."""
    e, status = epochs.c, latest.c
    is_offline = (
        select(latest.c.agent)
        .where(status.agent == e.agent, status.kind == "status", status.subject == "")
        .where(json_text(connection, status.payload, "data", "status") == "offline")
    )
    return (
        select(e.number, e.agent, e.epoch, e.highest, e.contiguous_to, e.missing, e.asked, e.asked_to, e.ask_at)
        .where(e.present == literal_column("1"), e.contiguous_to < e.highest, e.forgotten == 0)
        .where(
            or_(e.missing.is_distinct_from(e.contiguous_to + 1), is_over(e.ask_at, now_unix_s, MAX_RESEND_INTERVAL_S))
        )
        .where(~is_offline.exists())
        .with_hint(epochs, "INDEXED BY epochs_present", "sqlite")
    )


def _gaps_due(connection: Connection, now_unix_s: float) -> list[_Gap]:
    found = []
    rows = connection.execute(_incomplete_epochs(connection, now_unix_s)).all()
    reported = reported_sequences(connection, [row.agent for row in rows]) if rows else {}
    for number, agent, epoch, highest, reached, *asked in rows:
        believed = highest_believed(highest, reached, reported.get((agent, epoch)))
        if missing := first_gap(connection, number, reached, believed):
            found.append(_Gap(number, agent, epoch, *missing, *asked))
    return [gap for gap in found if gap.is_due(now_unix_s)]


def _advance(connection: Connection, gap: _Gap, now: float) -> ResendRequest | None:
    """Start the grace period of a new gap; ask at once for the next portion of a gap that is closing."""
    this = update(epochs).where(epochs.c.number == gap.number)
    if gap.is_new:
        connection.execute(this.values(missing=gap.first, asked=0, ask_at=now + GAP_GRACE_S))
        return None
    asked = 1 if gap.is_next_portion else gap.asked + 1
    last = min(gap.last, gap.first + MAX_RESEND_EVENTS - 1)
    again_at = now + min(MAX_RESEND_INTERVAL_S, GAP_GRACE_S * 2 ** min(asked, 20))
    connection.execute(this.values(missing=gap.first, asked=asked, asked_to=last, ask_at=again_at))
    expires = datetime.fromtimestamp(now, UTC) + timedelta(seconds=MAX_RESEND_INTERVAL_S)
    return ResendRequest(gap.agent, Resend(epoch=gap.epoch, first=gap.first, last=last, expires=expires))
