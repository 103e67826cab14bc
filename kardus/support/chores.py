"""What may take its time: done in order by a thread of its own, so that no verdict waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

MOST = 16
"""So many wait at most, since each may hold a picture; whoever brings one more waits himself."""
log = logging.getLogger("kardus.chores")


class Chores:
    """Any thread may bring one."""

    def __init__(self) -> None:
        """Begin."""
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(MOST)
        self._thread = threading.Thread(target=self._work, name="chores", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], object]) -> None:
        """Have it done, after those that were brought before."""
        self._jobs.put(job)

    def settle(self) -> None:
        """Wait until everything that was brought is done."""
        self._jobs.join()

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Do what is left, and end. May be called twice."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # the thread's outermost guard: the next ones are done all the same
                log.exception("a chore failed")
            finally:
                self._jobs.task_done()
        self._jobs.task_done()
