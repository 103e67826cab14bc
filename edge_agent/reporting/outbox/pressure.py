"""Keeps the outbox within its limits: what is least important goes first, and what goes is counted."""

import sqlite3
from collections.abc import Sequence

from edge_agent.records import Message, MessageKind
from edge_agent.reporting.outbox import rows
from edge_agent.reporting.outbox.message import MESSAGE_KINDS, Losses, OutboxLimits

SPARE = 0.01
"""So much more than needed is dropped, that not every event has to look for a place."""
RECOUNT_AFTER = 1000
"""After so many deletions the rows are counted again."""


class Pressure:
    """Knows about how much is stored. Owned by the outbox's thread."""

    def __init__(self, limits: OutboxLimits, losses: Losses) -> None:
        """Keep the limits, and where to count what is dropped."""
        self._limits, self._losses = limits, losses
        self._stored: dict[MessageKind, int] = dict.fromkeys(MESSAGE_KINDS, 0)
        self._evidence_bytes = 0.0
        self._deleted = 0

    def count(self, database: sqlite3.Connection) -> None:
        """Look at what is stored."""
        self._deleted = 0
        self._stored = dict.fromkeys(MESSAGE_KINDS, 0) | rows.stored_by_kind(database)
        self._evidence_bytes = float(
            database.execute(
                "SELECT coalesce(sum(length(payload)), 0) FROM messages WHERE kind = 'evidence'"
            ).fetchone()[0]
        )

    def recount(self, database: sqlite3.Connection, deleted: int) -> None:
        """Some rows were deleted: look again, where it is worth it."""
        self._deleted += deleted
        if self._deleted >= RECOUNT_AFTER or any(self._over(kind) for kind in MESSAGE_KINDS):
            self.count(database)

    def relieve(self, database: sqlite3.Connection, added: Sequence[Message]) -> dict[MessageKind, int]:
        """After these were added: give up what is too much, in the same transaction; how many of each kind."""
        for message in added:
            self._stored[message.kind] += message.kind != "event" or message.sequence is not None
            self._evidence_bytes += len(message.payload) if message.kind == "evidence" else 0
        if not any(self._over(kind) for kind in MESSAGE_KINDS):
            return {}
        self.count(database)  # states replace one another, and rows have gone since they were counted
        dropped = {}
        for kind in MESSAGE_KINDS:
            if self._over(kind):
                dropped[kind] = rows.drop_oldest(database, kind, self._too_many(kind))
        return dropped

    def settle(self, dropped: dict[MessageKind, int]) -> None:
        """The transaction that dropped them stands."""
        for kind, number in dropped.items():
            self._losses.dropped[kind] += number
            self._stored[kind] -= number
        if "evidence" in dropped:
            self._deleted = RECOUNT_AFTER  # their bytes aren't known

    def _over(self, kind: MessageKind) -> bool:
        if kind == "evidence":
            return self._evidence_bytes > self._limits.evidence_bytes
        return self._stored[kind] > self._most(kind)

    def _too_many(self, kind: MessageKind) -> int:
        if kind == "evidence":
            share = 1 - self._limits.evidence_bytes / self._evidence_bytes
            return max(1, round((share + SPARE) * self._stored[kind] + 0.5))
        return self._stored[kind] - self._most(kind) + int(SPARE * self._most(kind))

    def _most(self, kind: MessageKind) -> int:
        return self._limits.events if kind == "event" else self._limits.states
