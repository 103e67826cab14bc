"""Tells the WMS side which events will never come. Belongs to the wiring."""

from __future__ import annotations

from datetime import UTC, datetime

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.reporting.outbox.message import Message
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.contract.ranges import Range
from kardus.contract.receipts import Lost


class LossTeller:
    """Owned by the agent's thread."""

    def __init__(self, outbox: Outbox, writer: MessageWriter) -> None:
        """Nothing was told yet in this run."""
        self._outbox = outbox
        self._writer = writer
        self._told: dict[str, list[Range]] = {}

    def tick(self) -> bool:
        """Tell what was lost since the last time; whether there was something.

        Raises:
            StorageError: the outbox can't be written.
        """
        lost = self._outbox.lost()
        news = {epoch: ranges for epoch, ranges in lost.items() if self._told.get(epoch) != ranges}
        messages = [
            Message(
                "event", *self._writer.lost(Lost(epoch=epoch, ranges=tuple(ranges)), datetime.now(UTC)), retain=True
            )
            for epoch, ranges in news.items()
        ]
        if messages:
            self._outbox.append(messages, {}, self._outbox.last_sequence)
            self._told |= news
        return bool(messages)
