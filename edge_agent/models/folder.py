"""Notices bundles that appear in a folder, when they have come to rest there."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from edge_agent.models.orders import Order

POLL_S = 2.0
Stamp = tuple[int, int, int]
log = logging.getLogger("kardus.models")


class BundleFolder:
    """Calls back for every bundle that is new in a folder and hasn't changed between two looks; in its own thread."""

    def __init__(self, folder: Path, wanted: Callable[[Order], None], poll_s: float = POLL_S) -> None:
        """What is there already isn't new; `start` begins. The folder may come later."""
        self._folder = folder
        self._wanted = wanted
        self._poll_s = poll_s
        self._told = self._stamps()
        self._before: dict[Path, Stamp] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bundles", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking. A folder on a server that hangs isn't waited for."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._poll_s)

    def look(self) -> None:
        """Tell of what is new, and is as it was at the look before."""
        stamps = self._stamps()
        for path, stamp in sorted(stamps.items()):
            if self._before.get(path) == stamp and self._told.get(path) != stamp:
                self._told[path] = stamp
                log.info("%s: a new bundle", path)
                self._wanted(Order(file=path))
        self._before = stamps

    def _watch(self) -> None:
        while not self._stopping.wait(self._poll_s):
            self.look()

    def _stamps(self) -> dict[Path, Stamp]:
        stamps = {}
        for path in self._folder.glob("*.bundle"):
            with contextlib.suppress(OSError):  # it has just gone
                stat = path.stat()
                stamps[path] = stat.st_mtime_ns, stat.st_size, stat.st_ino
        return stamps
