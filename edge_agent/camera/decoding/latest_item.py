"""Hands the newest item of a live stream from the thread that reads it to the one that gives its pictures."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from edge_agent.camera.errors import StreamEndedError

Item = TypeVar("Item")
FRESH_S = 1.0
"""What has come is of now for so long."""


class LatestItem(Generic[Item]):
    """The newest of what a live stream gives, or why it ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has come. `clock` gives seconds and never jumps."""
        self._changed = threading.Condition()
        self._clock = clock
        self._item: Item | None = None
        self._came_s = 0.0
        self.age_s = 0.0
        """How long what was last taken had waited."""
        self._end: str | None = None

    def put(self, item: Item) -> None:
        """Replace what was there."""
        with self._changed:
            self._item, self._came_s = item, self._clock()
            self._changed.notify()

    def end(self, reason: str) -> None:
        """Nothing more will come."""
        with self._changed:
            self._end = reason
            self._changed.notify()

    def take(self) -> Item:
        """Wait for one that wasn't taken yet, and isn't older than FRESH_S: of a camera that stalls it isn't of now.

        Raises:
            StreamEndedError: none will come.
        """
        with self._changed:
            if self._clock() - self._came_s > FRESH_S:
                self._item = None
            self._changed.wait_for(lambda: self._item is not None or self._end is not None)
            item, self._item = self._item, None
            if item is None:
                raise StreamEndedError(self._end or "")
            self.age_s = self._clock() - self._came_s
            return item
