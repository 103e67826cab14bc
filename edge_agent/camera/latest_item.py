"""Hands the newest item of a live stream from the thread that reads it to the one that gives its pictures."""

import threading
from typing import Generic, TypeVar

from edge_agent.camera.errors import StreamEndedError

Item = TypeVar("Item")


class LatestItem(Generic[Item]):
    """The newest of what a live stream gives, or why it ended."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._end: str | None = None

    def put(self, item: Item) -> None:
        """Replace what was there."""
        with self._changed:
            self._item = item
            self._changed.notify()

    def end(self, reason: str) -> None:
        """Nothing more will come."""
        with self._changed:
            self._end = reason
            self._changed.notify()

    def take(self) -> Item:
        """Wait for one that wasn't taken yet.

        Raises:
            StreamEndedError: none will come.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._end is not None)
            item, self._item = self._item, None
            if item is None:
                raise StreamEndedError(self._end or "")
            return item
