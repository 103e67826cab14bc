"""When a broker has given all that it retains: MQTT doesn't say so.

Whoever reads it publishes a message of his own (the echo) behind his subscription: once that has come back, all that
was retained has, but for brokers that don't keep the order of messages.
"""

import threading
import time
from collections.abc import Callable

ECHO_TIMEOUT_S, MAX_RETRY_AFTER_S = 15.0, 120.0
"""How long the broker may say nothing while it has more to deliver, and may take until the echo comes."""
SETTLE_S, MAX_SETTLE_S = 0.2, 30.0
"""A broker that doesn't keep the order of messages may still give some after the echo: until nothing comes for so long.
What others publish meanwhile comes too, and may never pause."""


class RetainedAnswer:
    """What comes of one subscription, until it is complete. `note` is called by the connection's thread."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._arrived, self._echoed = threading.Event(), threading.Event()

    def note(self, *, is_echo: bool = False) -> None:
        """A message has come."""
        if is_echo:
            self._echoed.set()
        self._arrived.set()

    def wait(self, has_all: Callable[[], bool] = lambda: False) -> bool:
        """Wait until nothing more comes, or `has_all`; whether the echo has come, so that nothing is lacking."""
        self._wait_while(lambda: not self._echoed.is_set() and not has_all(), ECHO_TIMEOUT_S, MAX_RETRY_AFTER_S)
        if self._echoed.is_set():
            self._wait_while(lambda: not has_all(), SETTLE_S, MAX_SETTLE_S)
        return self._echoed.is_set()

    def _wait_while(self, more: Callable[[], bool], silence_s: float, longest_s: float) -> None:
        """Until nothing has come for `silence_s`, or `longest_s` are over."""
        ends_s = time.monotonic() + longest_s
        while more() and time.monotonic() < ends_s and self._arrived.wait(silence_s):
            self._arrived.clear()
