"""A changed configuration: what can be applied while the agent runs, and noticing that the file has changed."""

import logging
from collections.abc import Callable
from pathlib import Path

from edge_agent.config import Config
from kardus.support.errors import ConfigError
from kardus.support.file_stamp import file_stamp
from kardus.support.worker import Poller

POLL_S = 2.0
"""How often the file is looked at; every file system can tell when it was changed."""
FIXED = ("agent", "model", "mqtt", "outbox", "health")
"""Tables that make the agent what it is: another process is needed for another agent."""
log = logging.getLogger("kardus.reload")


def require_reloadable(old: Config, new: Config) -> None:
    """Refuse a configuration that needs another start.

    Raises:
        ConfigError: a key of a fixed table differs; the message names it.
    """
    for table in FIXED:
        before, after = getattr(old, table), getattr(new, table)
        if before is None or after is None:
            if before is not after:
                raise ConfigError(f"{table}: can't be changed while the agent runs: restart it")
            continue
        for key in type(before).model_fields:
            if getattr(before, key) != getattr(after, key):
                raise ConfigError(f"{table}.{key}: can't be changed while the agent runs: restart it")


class FileWatch(Poller):
    """Calls back when a file has changed, in a thread of its own."""

    def __init__(self, path: Path, changed: Callable[[], None], poll_s: float = POLL_S) -> None:
        """Remember the file as it is; `start` begins."""
        super().__init__("configuration", poll_s)
        self._path = path
        self._changed = changed
        self._known = file_stamp(path)

    def poll(self) -> None:
        """Call back if the file has changed since the last time."""
        stamp = file_stamp(self._path)
        if stamp not in (None, self._known):  # a file that is gone is being replaced
            self._known = stamp
            log.info("%s has changed", self._path)
            self._changed()
