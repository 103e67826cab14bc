"""Takes pictures from one source at the configured pace, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from edge_agent.camera.source import Source
from edge_agent.records import Ended, Frame, SignalLost

Item = Frame | SignalLost | Ended
STOP_POLL_S = 0.1
log = logging.getLogger("kardus.camera")


class CameraReader:
    """Hands one picture at a time to the pipeline; takes the next when that has been dealt with."""

    def __init__(self, camera: str, source: Source, interval_s: float, hand_over: Callable[[Item], None]) -> None:
        """Prepare; `start` begins. `hand_over` must return quickly."""
        self.camera = camera
        self._source = source
        self._interval_s = interval_s
        self._hand_over = hand_over
        self._stopping = threading.Event()
        self._taken = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"camera {camera}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def taken(self) -> None:
        """The pipeline has dealt with the last item."""
        self._taken.set()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop reading; a source that doesn't return in time is left behind."""
        self._stopping.set()
        self._taken.set()
        self._thread.join(timeout_s)

    def _read(self) -> None:
        try:
            self._read_all()
        except Exception:  # the thread's outermost guard: a camera that fails must say so, and stop no other
            log.exception("camera %s: reading failed", self.camera)
            self._give(SignalLost(self.camera, datetime.now(UTC), "reading failed: see the agent's log"))
        self._hand_over(Ended(self.camera, datetime.now(UTC)))

    def _read_all(self) -> None:
        for number, picture in enumerate(self._source.pictures(), start=1):
            now = datetime.now(UTC)
            if isinstance(picture, str):
                self._give(SignalLost(self.camera, now, picture))
            else:
                self._give(Frame(self.camera, number, now, picture))
            if self._stopping.wait(self._interval_s):
                return

    def _give(self, item: Item) -> None:
        """Hand over and wait until it has been dealt with; a stopping reader waits for nothing."""
        self._taken.clear()
        self._hand_over(item)
        while not self._taken.wait(STOP_POLL_S):
            if self._stopping.is_set():
                return
