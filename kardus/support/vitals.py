"""Whether every thread of the agent still does its work."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping

STEPS_PER_HEARTBEAT = 64
"""So many short steps are between two beats."""
STUCK_S = 30.0
"""A thread that hasn't gone its round for so long doesn't do its work."""


class Heartbeat:
    """Shows that a thread is at work: it beats at every round, and whoever watches sees how long ago."""

    def __init__(self) -> None:
        """Counts as a beat."""
        self._last_s = time.monotonic()
        self._steps = itertools.count(1)
        self.doing = ""
        """How far it is with something long; empty: nothing takes long."""

    def beat(self, doing: str = "") -> None:
        """Still at work; `doing` says how far it is with something long."""
        self._last_s, self.doing = time.monotonic(), doing

    def step(self) -> None:
        """One of many short steps is done: it beats at every STEPS_PER_HEARTBEAT-th."""
        if next(self._steps) % STEPS_PER_HEARTBEAT == 0:
            self.beat()

    def age_s(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last_s


class Vitals:
    """Looks after threads: those with a heartbeat must beat, the others must be alive."""

    def __init__(
        self, heartbeats: Mapping[str, Heartbeat], alive: Mapping[str, Callable[[], bool]], limit_s: float = STUCK_S
    ) -> None:
        """`limit_s` is the longest time without a beat."""
        self._heartbeats = heartbeats
        self._alive = alive
        self._limit_s = limit_s
        self.is_ready = threading.Event()
        """Set once the agent has begun to look."""

    def waiting(self) -> list[str]:
        """What the agent is still to do before it has looked once, in words; nothing once it has."""
        if self.is_ready.is_set():
            return []
        doing = [heartbeat.doing for heartbeat in self._heartbeats.values() if heartbeat.doing]
        return ["the first look at all locations isn't over" + "".join(f": {each}" for each in doing)]

    def problems(self) -> list[str]:
        """Which threads don't do their work, in words; none where all is well."""
        stuck = [
            f"{name}: no sign of life for {age:.0f} s"
            for name, heartbeat in self._heartbeats.items()
            if (age := heartbeat.age_s()) > self._limit_s
        ]
        return stuck + [f"{name}: has died" for name, is_alive in self._alive.items() if not is_alive()]
