"""Tells systemd, and whoever reads its lines of JSON, that a connector that runs for good still works."""

import threading
from collections.abc import Callable
from typing import Any

from kardus.support.status_lines import write_status_line
from kardus.support.systemd import notify, watchdog_s


class SignsOfLife:
    """Speaks from a thread of its own: a question to another system may take a minute."""

    INTERVAL_S = 10.0

    def __init__(self, status: Callable[[], tuple[str, Any]], *, as_json: bool) -> None:
        """Prepare.

        Args:
            status: gives a line for systemd, and what is printed as JSON.
            as_json: whether the latter is printed.
        """
        self._status, self._as_json = status, as_json
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """End, with a last word."""
        self._over.set()
        self._thread.join()
        self._say()

    def _run(self) -> None:
        interval_s = min(self.INTERVAL_S, (watchdog_s() or self.INTERVAL_S) / 3)
        while not self._over.wait(interval_s):
            if watchdog_s() is not None:
                notify("WATCHDOG=1")
            self._say()

    def _say(self) -> None:
        line, told = self._status()
        notify(f"STATUS={line}")
        if self._as_json:
            write_status_line(told)
