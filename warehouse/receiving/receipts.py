"""When an agent is told what is stored: soon after it was, not for every event, and once more when it has settled."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from warehouse.receiving.store import Epoch

PACE_S = 1.0
"""Between two `ack` messages to an agent under load."""
SETTLED_S = 30.0
"""Then it is told once more: of two receivers of one database, the one that read first may have published last."""


class Receipts:
    """Which epochs are to be acknowledged, and when. For any thread."""

    def __init__(self) -> None:
        """Nothing is due."""
        self._lock = threading.Lock()
        self._due: dict[Epoch, float] = {}
        self._told: dict[Epoch, float] = {}
        self._changed: set[Epoch] = set()
        """What has changed since it was told last."""
        self._everything = False

    def changed(self, epochs: Iterable[Epoch], now_s: float) -> None:
        """More of these is stored."""
        with self._lock:
            for epoch in epochs:
                self._changed.add(epoch)
                soon = max(now_s, self._told.get(epoch, now_s - PACE_S) + PACE_S)
                self._due[epoch] = min(soon, self._due.get(epoch, soon))

    def all_again(self) -> None:
        """A connection has been made: the last receiver may have been killed before it told what it had stored."""
        self._everything = True

    def take_everything(self) -> bool:
        """Whether all has to be told, once."""
        wanted, self._everything = self._everything, False
        return wanted

    def take_due(self, now_s: float) -> list[Epoch]:
        """What has to be told now."""
        with self._lock:
            due = [epoch for epoch, at_s in self._due.items() if at_s <= now_s]
            for epoch in due:
                del self._due[epoch]
                self._told[epoch] = now_s
                if epoch in self._changed:
                    self._due[epoch] = now_s + SETTLED_S
            self._changed.difference_update(due)
        return due
