"""Takes pictures from one source at the configured pace, in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from edge_agent.camera.source import Source
from edge_agent.records import Ended, Frame, SignalLost
from kardus.support.backoff import backoff_s
from kardus.support.worker import Worker

ReaderItem = Frame | SignalLost | Ended
STOP_POLL_S = 0.1
log = logging.getLogger("kardus.camera")


class CameraReader(Worker):
    """Hands one picture at a time to the pipeline; takes the next when that has been dealt with.

    So the pipeline always gets the newest picture of a live source, however slow it is.
    """

    def __init__(self, camera: str, source: Source, interval_s: float, hand_over: Callable[[ReaderItem], None]) -> None:
        """Prepare; `start` begins. `hand_over` must return quickly."""
        super().__init__(f"camera {camera}")
        self.camera = camera
        self.live = source.live
        self._source = source
        self._interval_s = interval_s
        self._hand_over = hand_over
        self._hurry = threading.Event()
        self._abandoned = threading.Event()
        self._taken = threading.Event()

    def taken(self) -> None:
        """The pipeline has dealt with the last item."""
        self._taken.set()

    def use_interval(self, interval_s: float) -> None:
        """Another pace, from the next picture on."""
        self._interval_s = interval_s

    def abandon(self) -> None:
        """Stop, and hand over nothing more: not even the end."""
        self._abandoned.set()
        self.stop()

    def hurry(self) -> None:
        """Take the next picture now, and not after the interval."""
        self._hurry.set()

    def stop(self, timeout_s: float | None = 2.0) -> None:
        """Stop reading; a source that doesn't return in time is left behind."""
        self._stopping.set()
        self._hurry.set()
        self._taken.set()
        self._source.close()
        super().stop(timeout_s)

    def _run(self) -> None:
        try:
            self._read_all()
        except Exception:  # the thread's outermost guard: a camera that fails must say so, and stop no other
            log.exception("camera %s: reading failed", self.camera)
            self._give(SignalLost(self.camera, datetime.now(UTC), "reading failed: see the agent's log"))
        self._put(Ended(self.camera, datetime.now(UTC)))

    def _put(self, item: ReaderItem) -> None:
        if not self._abandoned.is_set():
            self._hand_over(item)

    def _read_all(self) -> None:
        failures = 0
        due = time.monotonic()
        for number, picture in enumerate(self._source.pictures(), start=1):
            if self._stopping.is_set():
                return
            now = datetime.now(UTC)
            if isinstance(picture, str):
                failures += 1
                self._give(SignalLost(self.camera, now, picture))
            else:
                failures = 0
                self._give(Frame(self.camera, number, now, time.monotonic(), picture))
            pause = backoff_s(failures) if failures and self.live else self._interval_s
            due = max(due + pause, time.monotonic())
            if self._hurry.wait(due - time.monotonic()):
                self._hurry.clear()
                due = time.monotonic()
            if self._stopping.is_set():
                return

    def _give(self, item: ReaderItem) -> None:
        """Hand over and wait until it has been dealt with; a stopping reader waits for nothing."""
        self._taken.clear()
        self._put(item)
        while not self._taken.wait(STOP_POLL_S):
            if self._stopping.is_set():
                return
