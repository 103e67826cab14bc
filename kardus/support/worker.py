"""A thread that is started once, works until it is asked to end, and is waited for."""

import threading
from abc import ABC, abstractmethod


class Worker(ABC):
    """What it does is its `_run`, which returns soon after `_stopping` is set."""

    def __init__(self, name: str) -> None:
        """Prepare; `start` begins. `name` is the thread's."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """End, and wait for it, at most so long where a time is given. May be called twice, and without a start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    @abstractmethod
    def _run(self) -> None:
        """The work, in the thread."""


class Poller(Worker):
    """Does something again and again, `interval_s` apart."""

    def __init__(self, name: str, interval_s: float) -> None:
        """Prepare; `start` begins."""
        super().__init__(name)
        self._interval_s = interval_s

    @abstractmethod
    def poll(self) -> None:
        """What is done each time."""

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self.poll()
