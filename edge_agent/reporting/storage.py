"""While the disk takes nothing the agent goes on looking, says so, and tries again."""

import contextlib
import logging
from collections.abc import Callable, Iterator

from edge_agent.config import Config
from edge_agent.config.data_folder import OUTBOX_FILE
from edge_agent.reporting.outbox.message import OutboxLimits
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.support.errors import StorageError

log = logging.getLogger("kardus.storage")


class Storage:
    """Knows whether what is decided can be stored. Owned by the agent's thread."""

    def __init__(self, outbox: Outbox, changed: Callable[[], None], recovered: Callable[[], None]) -> None:
        """Nothing is tried yet: the first write shows whether it can be stored.

        Args:
            outbox: what is written to.
            changed: called when it fails, and when it is well again: the WMS side is to be told.
            recovered: called then, after `changed`: what wasn't stored has to be found again.
        """
        self._outbox = outbox
        self._changed = changed
        self._recovered = recovered
        self.reason = ""
        """Why nothing can be stored; empty: it can."""

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Go on where what is done inside can't be stored; nothing of it counts as told."""
        try:
            yield
        except StorageError as error:
            if not self.reason:
                log.error("nothing can be stored, the agent goes on looking: %s", error)  # noqa: TRY400
                self.reason = str(error)
                self._changed()

    def tick(self) -> None:
        """Try whether the disk takes something again."""
        if not self.reason:
            return
        with contextlib.suppress(StorageError):
            self._outbox.probe()
            log.warning("the disk takes what is decided again")
            self.reason = ""
            self._changed()
            self._recovered()


def open_outbox(config: Config) -> Outbox:
    """The agent's outbox, with the limits of its configuration.

    Raises:
        KardusError: the file can't be opened, or belongs to a newer version.
    """
    limits = OutboxLimits(config.outbox.max_events, config.outbox.max_evidence_mb * 1e6)
    return Outbox(config.agent.data_dir / OUTBOX_FILE, limits, config.outbox.delivery)
