"""Measures how long a WMS takes to answer `sync`: an answer that is late is told before its limit ends it."""

import contextlib
import time
from collections.abc import Iterator

LATE_S = 60.0
"""An answer may take so long ..."""
TIMES_LONGEST = 3
"""... and so many times as long as the longest one so far: a Tryton with 10,000 locations needs minutes each time."""


class AnswerClock:
    """Measures the answers of one WMS. The thread that asks it runs this; others may ask for the problem."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._since_s: float | None = None
        self._longest_s = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While the WMS is asked. A question that fails says nothing of how long an answer takes."""
        self._since_s = began_s = time.monotonic()
        try:
            yield
            self._longest_s = max(self._longest_s, time.monotonic() - began_s)
        finally:
            self._since_s = None

    def problem(self) -> str:
        """What is said of an answer that is late; empty: there is none. From any thread."""
        since_s = self._since_s
        waited_s = time.monotonic() - since_s if since_s is not None else 0.0
        if waited_s <= max(LATE_S, TIMES_LONGEST * self._longest_s):
            return ""
        return f"no answer for {waited_s:.0f} s: look how the WMS is, and the way to it"
