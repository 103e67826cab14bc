"""The watched folder: a bundle that is copied into it is a request for an update."""

import logging
from collections.abc import Callable
from pathlib import Path

from edge_agent.models.updates import UpdateRequest
from kardus.support.file_stamp import FileStamp, file_stamp
from kardus.support.worker import Poller

POLL_S = 2.0
log = logging.getLogger("kardus.models")


class WatchFolder(Poller):
    """Calls back for every new bundle in a folder that is unchanged between two polls; in a thread of its own."""

    def __init__(self, folder: Path, requested: Callable[[UpdateRequest], None], poll_s: float = POLL_S) -> None:
        """What is there already isn't new; `start` begins. The folder may come later."""
        super().__init__("bundles", poll_s)
        self._folder = folder
        self._requested = requested
        self._reported = self._stamps()
        self._before: dict[Path, FileStamp] = {}

    def poll(self) -> None:
        """Report bundles that are new and unchanged since the last poll."""
        stamps = self._stamps()
        for path, stamp in sorted(stamps.items()):
            if self._before.get(path) == stamp and self._reported.get(path) != stamp:
                self._reported[path] = stamp
                log.info("%s: a new bundle", path)
                self._requested(UpdateRequest(file=path))
        self._before = stamps

    def _stamps(self) -> dict[Path, FileStamp]:
        stamps = {path: file_stamp(path) for path in self._folder.glob("*.bundle")}
        return {path: stamp for path, stamp in stamps.items() if stamp}  # without those that have just gone
