"""Reads codes in a thread of its own, so that no verdict waits for it."""

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kardus.support.worker import Worker

MAX_JOBS = 64
"""So many pictures and crops wait at most; what comes then isn't read."""
log = logging.getLogger("kardus.codes")


@dataclass(frozen=True)
class CodesRead:
    """What came of reading codes: of a rack's labels, or of a carton."""


class CodeReader(Worker):
    """What is brought is done in order, and what comes of it handed over."""

    def __init__(self, hand_over: Callable[[Any], None]) -> None:
        """Prepare; `start` begins. `hand_over` is called from this thread with what a job returns."""
        super().__init__("codes")
        self._hand_over = hand_over
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(MAX_JOBS)

    def do(self, job: Callable[[], object]) -> bool:
        """Have something read; whether there was room for it."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def stop(self, timeout_s: float | None = None) -> None:
        """End after the job that is being done; the others are left."""
        self._stopping.set()
        self.do(_nothing)  # wakes it where it waits
        super().stop(timeout_s)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if self._stopping.is_set() or job is None:
                return
            try:
                self._hand_over(job())
            except Exception:  # the thread's outermost guard: a picture that can't be read is no reason to end
                log.exception("codes couldn't be read")


def _nothing() -> None:
    """No job."""
