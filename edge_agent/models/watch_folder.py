"""The watched folder: a bundle that is copied into it is a request for an update."""

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from edge_agent.models.updates import UpdateRequest

POLL_S = 2.0
Stamp = tuple[int, int, int]
log = logging.getLogger("kardus.models")


class WatchFolder:
    """Calls back for every new bundle in a folder that is unchanged between two polls; in a thread of its own."""

    def __init__(self, folder: Path, requested: Callable[[UpdateRequest], None], poll_s: float = POLL_S) -> None:
        """What is there already isn't new; `start` begins. The folder may come later."""
        self._folder = folder
        self._requested = requested
        self._poll_s = poll_s
        self._reported = self._stamps()
        self._before: dict[Path, Stamp] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bundles", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop. A folder on a server that hangs isn't waited for."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._poll_s)

    def poll(self) -> None:
        """Report bundles that are new and unchanged since the last poll."""
        stamps = self._stamps()
        for path, stamp in sorted(stamps.items()):
            if self._before.get(path) == stamp and self._reported.get(path) != stamp:
                self._reported[path] = stamp
                log.info("%s: a new bundle", path)
                self._requested(UpdateRequest(file=path))
        self._before = stamps

    def _watch(self) -> None:
        while not self._stopping.wait(self._poll_s):
            self.poll()

    def _stamps(self) -> dict[Path, Stamp]:
        stamps = {}
        for path in self._folder.glob("*.bundle"):
            with contextlib.suppress(OSError):  # it has just gone
                stat = path.stat()
                stamps[path] = stat.st_mtime_ns, stat.st_size, stat.st_ino
        return stamps
