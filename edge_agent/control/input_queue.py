"""The queue of the agent's thread: pictures, expected stock and commands from all other threads, in their order."""

import contextlib
import queue
from collections.abc import Collection
from typing import Generic, TypeVar

from edge_agent.records import Frame, SignalLost, SourceEnded

InputT = TypeVar("InputT")


class InputQueue(Generic[InputT]):
    """Any thread puts items in, one takes them out. None asks it to stop."""

    def __init__(self) -> None:
        """Begin empty."""
        self._items: queue.SimpleQueue[InputT | None] = queue.SimpleQueue()
        self.is_asked_to_end = False
        """Whether None was put in, taken out or not."""

    def put(self, item: InputT | None) -> None:
        """Add an item. Never blocks."""
        self.is_asked_to_end |= item is None
        self._items.put(item)

    def take(self, timeout_s: float) -> list[InputT | None]:
        """All items so far, in order; an empty list when none came within `timeout_s` seconds."""
        with contextlib.suppress(queue.Empty):
            return [self._items.get(timeout=timeout_s), *self._waiting()]
        return []

    def drop(self, cameras: Collection[str]) -> None:
        """Remove the items of these cameras: their readers were replaced."""
        for item in self._waiting():
            if not (isinstance(item, Frame | SignalLost | SourceEnded) and item.camera in cameras):
                self._items.put(item)

    def _waiting(self) -> list[InputT | None]:
        items: list[InputT | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self._items.get_nowait())
        return items
