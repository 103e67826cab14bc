"""What time it is: the machine's, or, when a recording is played again, the recording's."""

import time
from datetime import UTC, datetime
from typing import Protocol

from kardus.support.identifiers import clock_synchronised


class Clock(Protocol):
    """Two clocks in one: a calendar, which may be set, and seconds, which never jump."""

    def now(self) -> datetime:
        """The calendar's time, UTC. To be told, and never to be counted with."""

    def monotonic_s(self) -> float:
        """Seconds that only grow; of meaning only beside others of this run."""

    def is_synchronised(self) -> bool:
        """Whether the calendar is kept right."""


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    monotonic_s = staticmethod(time.monotonic)
    """Seconds since some moment before the agent's start."""

    is_synchronised = staticmethod(clock_synchronised)
    """As the kernel says."""


class SetClock:
    """Stands still until it is set."""

    def __init__(self, now: datetime, monotonic_s: float = 0.0, *, synchronised: bool = True) -> None:
        """Begin at a moment."""
        self._now, self._monotonic_s, self._synchronised = now, monotonic_s, synchronised

    def set(self, now: datetime, monotonic_s: float) -> None:
        """Another moment. The seconds don't go back, whatever is asked for."""
        self._now, self._monotonic_s = now, max(monotonic_s, self._monotonic_s)

    def now(self) -> datetime:
        """As it was set."""
        return self._now

    def monotonic_s(self) -> float:
        """As it was set."""
        return self._monotonic_s

    def is_synchronised(self) -> bool:
        """The time that it was made with."""
        return self._synchronised


SYSTEM_CLOCK = SystemClock()
