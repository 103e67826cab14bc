"""Tells the WMS side which events were lost, and will never come."""

from collections.abc import Callable
from datetime import UTC, datetime

from edge_agent.records import Message
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.ranges import Range
from kardus.contract.receipts import Lost
from kardus.support.errors import KardusError


class LossReporter:
    """Owned by the agent's thread."""

    def __init__(self, outbox: Outbox, lost_message: Callable[[Lost, datetime], tuple[str, bytes]]) -> None:
        """`lost_message` gives topic and payload."""
        self._outbox = outbox
        self._lost_message = lost_message
        self._reported: dict[str, list[Range]] = {}

    def tick(self) -> None:
        """Store a message on every epoch that has lost more events since the last time.

        Raises:
            StorageError: the outbox can't be written; the next time it is tried again.
        """
        if not self._outbox.lost_more.is_set():
            return
        self._outbox.lost_more.clear()
        try:
            self._announce_losses()
        except KardusError:
            self._outbox.lost_more.set()
            raise

    def _announce_losses(self) -> None:
        news = {epoch: lost for epoch, lost in self._outbox.lost().items() if self._reported.get(epoch) != lost}
        messages = [
            Message("event", *self._lost_message(Lost(epoch=epoch, ranges=tuple(lost)), datetime.now(UTC)), retain=True)
            for epoch, lost in news.items()
        ]
        if messages:
            self._outbox.append(messages, {}, self._outbox.last_sequence)
            self._reported |= news
