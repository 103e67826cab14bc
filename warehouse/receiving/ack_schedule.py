"""When an agent gets an `ack` message: soon after storing, at a limited rate, and once more after a quiet time."""

import heapq
import math
import threading
from collections.abc import Iterable

from warehouse.store.epochs import AgentEpoch

MIN_ACK_INTERVAL_S = 1.0
"""Between two `ack` messages for one epoch."""
REPEAT_AFTER_S = 30.0
"""Then the `ack` is repeated: of two receivers of one database, the one that read first may have published last."""
MAX_AT_ONCE, REST_S = 100, 0.5
"""Where more are due, the others wait so long: to store a backlog of many agents comes first, and each is told of more
events at a time."""
MAX_WAIT_S = 20.0
"""But no longer than this: an agent sends again what isn't acknowledged within a minute."""


class AckSchedule:
    """Which epochs have to be acknowledged, and when. Thread-safe."""

    def __init__(self) -> None:
        """Start with nothing due."""
        self._lock = threading.Lock()
        self._due: dict[AgentEpoch, float] = {}
        self._acknowledged: dict[AgentEpoch, float] = {}
        self._changed: set[AgentEpoch] = set()
        """Epochs with stored events since their last `ack`."""
        self._all_requested, self._resting_until_s = False, -math.inf

    def changed(self, epochs: Iterable[AgentEpoch], now_s: float) -> None:
        """Note that more events of these epochs are stored."""
        with self._lock:
            for epoch in epochs:
                self._changed.add(epoch)
                soon = max(now_s, self._acknowledged.get(epoch, now_s - MIN_ACK_INTERVAL_S) + MIN_ACK_INTERVAL_S)
                self._due[epoch] = min(soon, self._due.get(epoch, soon))

    def request_all(self) -> None:
        """Acknowledge every agent after a new connection: the last receiver may have been killed before it could."""
        self._all_requested = True

    def take_all_requested(self) -> bool:
        """Whether every agent has to be acknowledged, by `request`; resets the request."""
        requested, self._all_requested = self._all_requested, False
        return requested

    def request(self, epochs: Iterable[AgentEpoch], now_s: float) -> None:
        """Acknowledge these once, though nothing more of them is stored."""
        with self._lock:
            for epoch in epochs:
                self._due[epoch] = min(now_s, self._due.get(epoch, now_s))

    def take_due(self, now_s: float) -> list[AgentEpoch]:
        """The epochs to acknowledge now, those that are due longest first; at infinity, all."""
        with self._lock:
            due = self._first_due(now_s)
            for epoch in due:
                del self._due[epoch]
                self._acknowledged[epoch] = now_s
                if epoch in self._changed:
                    self._due[epoch] = now_s + REPEAT_AFTER_S
            self._changed.difference_update(due)
            holding_s = now_s - MIN_ACK_INTERVAL_S  # an older one holds nothing back
            self._acknowledged = {epoch: at_s for epoch, at_s in self._acknowledged.items() if at_s > holding_s}
        return due

    def _first_due(self, now_s: float) -> list[AgentEpoch]:
        if now_s < self._resting_until_s:
            return []
        due = [epoch for epoch, at_s in self._due.items() if at_s <= now_s]
        most = max(MAX_AT_ONCE, sum(self._due[epoch] <= now_s - MAX_WAIT_S for epoch in due))
        if len(due) <= most:
            return due
        self._resting_until_s = now_s + REST_S
        return heapq.nsmallest(most, due, key=self._due.__getitem__)
