"""Takes pictures from one source at the configured pace, in a thread of its own."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from edge_agent.camera.attention import Attention
from edge_agent.camera.source import AttentiveSource, Connecting, PictureSource, RestingSource
from edge_agent.records import Frame, SignalLost, SourceEnded
from kardus.inference.part_decoded import GivenPicture
from kardus.support.backoff import backoff_s
from kardus.support.errors import KardusError
from kardus.support.worker import Worker

ReaderItem = Frame | SignalLost | SourceEnded
STOP_POLL_S = 0.1
log = logging.getLogger("kardus.camera")


class CameraReader(Worker):
    """Hands one picture at a time to the pipeline; takes the next when that has been dealt with.

    So the pipeline always gets the newest picture of a live source, however slow it is.
    """

    def __init__(
        self, camera: str, source: PictureSource, interval_s: float, hand_over: Callable[[ReaderItem], None]
    ) -> None:
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
        self._failure: type[Exception] | None = None
        """What the source has raised since its last picture."""
        self._last_s = float("-inf")
        """When its last picture had come, or was missed."""

    def connect(self) -> None:
        """Let the source connect already; `start` asks it for pictures, and tells what fails."""
        if isinstance(self._source, Connecting):
            with contextlib.suppress(OSError):
                self._source.connect()

    def taken(self, attention: Attention = "moving") -> None:
        """The pipeline has dealt with the last item; what it made of it says how much the source may rest."""
        self.attend(attention)
        self._taken.set()

    @property
    def rests(self) -> bool | None:
        """Whether of a live stream no frame is decoded but what is given; None: there is no stream. From any thread."""
        return self._source.rests if self.live and isinstance(self._source, RestingSource) else None

    def use_interval(self, interval_s: float) -> None:
        """Another pace, from the next picture on."""
        self._interval_s = interval_s

    def abandon(self) -> None:
        """Stop soon, and hand over nothing more: not even the end. Waits for nothing."""
        self._abandoned.set()
        self.ask_to_stop()

    def attend(self, attention: Attention) -> None:
        """What is wanted of the next picture: the source may do less while all rests."""
        if isinstance(self._source, AttentiveSource):
            self._source.attention = attention

    def hurry(self) -> None:
        """Take the next picture now, and not after the interval."""
        self.attend("wanted")
        self._hurry.set()

    def ask_to_stop(self) -> None:
        """Stop reading soon; waits for nothing."""
        self._stopping.set()
        self._hurry.set()
        self._taken.set()
        self._source.close()

    def stop(self, timeout_s: float | None = 2.0) -> None:
        """Stop reading; a source that doesn't return in time is left behind."""
        self.ask_to_stop()
        super().stop(timeout_s)

    def _run(self) -> None:
        try:
            self._read_all()
        finally:
            self._put(SourceEnded(self.camera, datetime.now(UTC)))

    def _pictures(self) -> Iterator[GivenPicture | str]:
        """The source's pictures; one that raises is asked again from its beginning."""
        while True:
            try:
                yield from self._source.pictures()
            except Exception as error:  # noqa: BLE001 - the outermost guard: no failure may end a camera
                yield self._failed(error)
            else:
                return

    def _failed(self, error: Exception) -> str:
        """A reason; the log has the traceback of what nobody foresaw, once for the same failure in a row."""
        if isinstance(error, KardusError):
            self._failure = type(error)
            return str(error)
        if type(error) is not self._failure and not self._stopping.is_set():
            log.error("camera %s: reading failed", self.camera, exc_info=error)
        self._failure = type(error)
        return f"reading failed ({type(error).__name__}): see the agent's log"

    def _put(self, item: ReaderItem) -> None:
        if not self._abandoned.is_set():
            self._hand_over(item)

    def _read_all(self) -> None:
        failures = 0
        due = time.monotonic()
        for number, picture in enumerate(self._pictures(), start=1):
            if self._stopping.is_set():
                return
            now = datetime.now(UTC)
            if isinstance(picture, str):
                failures += 1
                self._last_s = time.monotonic()
                self._give(SignalLost(self.camera, now, picture))
            else:
                failures, self._failure = 0, None
                self._give(self._frame(number, now, picture))
            pause = backoff_s(failures) if failures and (self.live or self._failure) else self._interval_s
            due = max(due + pause, time.monotonic())
            if self._hurry.wait(due - time.monotonic()):
                self._hurry.clear()
                due = time.monotonic()
            if self._stopping.is_set():
                return

    def _frame(self, number: int, now: datetime, picture: GivenPicture) -> Frame:
        """A picture, dated as of when it came: one that waited is older, but than nothing that was given."""
        age_s = self._source.age_s if isinstance(self._source, RestingSource) else 0.0
        at_s = max(time.monotonic() - age_s, self._last_s)
        self._last_s = at_s
        return Frame(self.camera, number, now - timedelta(seconds=time.monotonic() - at_s), at_s, picture)

    def _give(self, item: ReaderItem) -> None:
        """Hand over and wait until it has been dealt with; a stopping reader waits for nothing."""
        self._taken.clear()
        self._put(item)
        while not self._taken.wait(STOP_POLL_S):
            if self._stopping.is_set():
                return
