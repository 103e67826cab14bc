"""What may take its time: done in order by a thread of its own, so that no verdict waits for it."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MAX_WAITING = 16
"""So many wait at most, since each may hold a picture; whoever brings one more waits himself."""
FIRST_S, DAY_S = 600.0, 86_400.0
"""When daily jobs are done: not at the start, when a clock may be months ahead and make everything old."""
log = logging.getLogger("kardus.chores")


class Chores:
    """Any thread may bring one."""

    def __init__(self) -> None:
        """Begin."""
        self._room = threading.Semaphore(MAX_WAITING + 1)  # one more than wait is being done
        self._daily: list[Callable[[], object]] = []
        self._due_s = time.monotonic() + FIRST_S
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chores")
        self._thread = self._pool.submit(threading.current_thread).result()

    def do(self, job: Callable[[], object]) -> None:
        """Have it done, after those that were brought before."""
        self._room.acquire()
        self._pool.submit(self._do, job)

    def daily(self, job: Callable[[], object]) -> None:
        """Have it done once a day, for the first time after FIRST_S, as long as `tick` is called."""
        self._daily.append(job)

    def tick(self) -> None:
        """Have daily jobs done that are due; waits for nothing that is being done, but for room."""
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + DAY_S
            for job in self._daily:
                self.do(job)

    def settle(self) -> None:
        """Wait until everything that was brought is done."""
        self._pool.submit(int).result()

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Do what is left, and end. May be called twice."""
        self._pool.shutdown()

    def _do(self, job: Callable[[], object]) -> None:
        try:
            job()
        except Exception:  # the thread's outermost guard: nobody asks for what became of it
            log.exception("a chore failed")
        finally:
            self._room.release()
