"""A plausible time of day for deciding what is old: a clock that goes ahead by years at once deletes nothing.

Where the kernel says that the clock is kept right, it is believed. Any other is believed as far as it goes on from what
was noted before, and catches up slowly: whoever sees it in the log has time to set it right.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from kardus.support.clock import SYSTEM_CLOCK, Clock
from warehouse.store.database import Database, read_meta, write_meta
from warehouse.store.tables import events, latest, moment_text

PACE = 2.0
"""A clock that went ahead catches up so much faster than time passes: a day more for every day."""
NOTED_EVERY = timedelta(minutes=10)
"""A start goes on from what was noted last."""
DOUBTED = timedelta(hours=1)
"""A clock that is ahead by more is told."""
_KEY = "reckoned"
log = logging.getLogger("kardus.retention")


class PlausibleTime:
    """A clock that goes on from what the database has of earlier runs. Made before anything new is stored."""

    def __init__(self, database: Database, clock: Clock = SYSTEM_CLOCK) -> None:
        """Read what was noted.

        Raises:
            StoreError: it can't be read.
        """
        self._database = database
        self._clock = clock
        with database.reading() as connection:
            noted = read_meta(connection, _KEY)
            before = datetime.fromisoformat(noted) if noted else _newest(connection)
        self._noted = before if noted else None
        self._time = before or clock.now()
        self._at_s = clock.monotonic_s()
        self._has_warned = False

    def now(self) -> datetime:
        """The time, never ahead of the clock."""
        passed_s, self._at_s = self._clock.monotonic_s() - self._at_s, self._clock.monotonic_s()
        shown = self._clock.now()
        if self._clock.is_synchronised():
            self._time = shown
        else:
            self._time = min(shown, self._time + timedelta(seconds=PACE * passed_s))
        self._warn_of_lead(shown)
        return self._time

    def note(self) -> None:
        """Note it for the next start, where it isn't yet.

        Raises:
            StoreError: it can't be noted.
        """
        if self._noted is None or abs(self._time - self._noted) >= NOTED_EVERY:
            with self._database.writing() as connection:
                write_meta(connection, _KEY, moment_text(self._time))
            self._noted = self._time

    def _warn_of_lead(self, shown: datetime) -> None:
        if shown - self._time < DOUBTED:
            self._has_warned = False
        elif not self._has_warned:
            self._has_warned = True
            log.warning(
                "the clock isn't kept right, and says %s, where this database goes on from %s: what is too old to be "
                "kept is reckoned from there, and catches up a day for every day: let NTP set the clock",
                moment_text(shown),
                moment_text(self._time),
            )


def _newest(connection: Connection) -> datetime | None:
    """When something came last, of a database in which nothing was noted."""
    last = select(events.c.received, events.c.captured).order_by(events.c.number.desc()).limit(100)
    times = [time for row in connection.execute(last) for time in row]
    times.append(connection.execute(select(func.max(latest.c.received))).scalar())
    return max((time for time in times if time is not None), default=None)
