"""What comes to the agent's thread from all the others, in its order. Belongs to the wiring."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Collection

from edge_agent.control.commands import Request
from edge_agent.models.orders import Brought, Order
from edge_agent.records import Ended, ExpectedMessage, Frame, HomeAssistantOnline, ReloadWanted, SignalLost

Item = Frame | SignalLost | Ended | ExpectedMessage | Request | ReloadWanted | HomeAssistantOnline | Order | Brought


class Inbox:
    """Any thread may put something in; one takes it out. None asks for the end."""

    def __init__(self) -> None:
        """Nothing is in it."""
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()

    def put(self, item: Item | None) -> None:
        """Leave something. Never waits."""
        self._items.put(item)

    def take(self, timeout_s: float) -> list[Item | None]:
        """What has come, in order; nothing, once in a while, where nothing comes."""
        with contextlib.suppress(queue.Empty):
            return [self._items.get(timeout=timeout_s), *self._waiting()]
        return []

    def drop(self, cameras: Collection[str]) -> None:
        """Forget what the former readers of these cameras have handed over."""
        for item in self._waiting():
            if not (isinstance(item, Frame | SignalLost | Ended) and item.camera in cameras):
                self._items.put(item)

    def _waiting(self) -> list[Item | None]:
        items: list[Item | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self._items.get_nowait())
        return items
