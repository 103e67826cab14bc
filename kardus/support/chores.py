"""What may take its time: done in order by a thread of its own, so that no verdict waits for it."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MAX_WAITING = 16
"""So many wait at most, since each may hold a picture; whoever brings one more waits himself."""
log = logging.getLogger("kardus.chores")


class Chores:
    """Any thread may bring one."""

    def __init__(self) -> None:
        """Begin."""
        self._room = threading.Semaphore(MAX_WAITING + 1)  # one more than wait is being done
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chores")
        self._thread = self._pool.submit(threading.current_thread).result()

    def do(self, job: Callable[[], object]) -> None:
        """Have it done, after those that were brought before."""
        self._room.acquire()
        self._pool.submit(self._do, job)

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
