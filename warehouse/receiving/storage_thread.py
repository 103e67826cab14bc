"""The thread that stores messages: one transaction per batch, then the acknowledgement to the broker."""

import logging
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kardus.mqtt.incoming import Incoming, acknowledge_all
from kardus.support.backoff import backoff_s
from kardus.support.control_characters import escaped
from kardus.support.worker import Worker
from warehouse.receiving.parsing import parse_message
from warehouse.store.database import NotStorableError, StoreError
from warehouse.store.records import DeadLetter, EventMessage, ParsedMessage
from warehouse.store.writer import StoreWriter, WriteResult

TRANSACTION_EVENTS = 500
"""What one transaction takes at most."""
IN_FLIGHT = 2 * TRANSACTION_EVENTS
"""The broker (MQTT 5) sends no more before the first of them is acknowledged: while one transaction's are stored, the
next one's come."""
QUEUE_SIZE = 10_000
"""Messages held in memory; when the queue is full, the broker waits."""
QUEUE_POLL_S = 0.2
MAX_RETRY_S = 5.0
log = logging.getLogger("kardus.receiver")


@dataclass
class ReceiverCounts:
    """What was stored since the start."""

    events: int = 0
    duplicates: int = 0
    pictures: int = 0
    dead_letters: int = 0
    transactions: int = 0

    def add(self, written: WriteResult) -> None:
        """Add one transaction."""
        self.events += written.events
        self.duplicates += written.duplicates
        self.pictures += written.pictures
        self.dead_letters += written.dead_letters
        self.transactions += 1


class StorageThread(Worker):
    """Owns the queue between MQTT session and database, and the thread that empties it.

    `stop` stores what is queued; what can't be stored, the broker sends again.
    """

    def __init__(self, site: str, store: StoreWriter, on_stored: Callable[[WriteResult], None]) -> None:
        """`on_stored` is called after every transaction, from the thread.

        Raises:
            StoreError: the database can't be read.
        """
        super().__init__("storing")
        self._site = site
        self._store = store
        self._on_stored = on_stored
        self._queue: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
        self._now = store.newest() or datetime.now(UTC)
        self.counts = ReceiverCounts()
        self.problem = ""
        """Why nothing can be stored; empty where it can."""
        self._knows_strays = False

    @property
    def waiting(self) -> int:
        """How many messages are queued."""
        return self._queue.qsize()

    def take(self, message: Incoming) -> None:
        """Queue a message, from paho's thread. Blocks while the queue is full, so that the broker waits too."""
        while self._queue.qsize() >= QUEUE_SIZE and not self._stopping.wait(QUEUE_POLL_S):
            pass
        if not self._stopping.is_set():
            self._queue.put(message)

    def _run(self) -> None:
        while batch := self._next_batch():
            now = self._latest()
            parsed = [parse_message(self._site, message.topic, message.payload, now) for message in batch]
            self._look_for_strays(batch, parsed)
            if not self._write(parsed):
                return
            acknowledge_all(batch)

    def _latest(self) -> datetime:
        """The present; a clock that was set back lets nothing appear to come from the future."""
        self._now = max(self._now, datetime.now(UTC))
        return self._now

    def _look_for_strays(self, batch: Sequence[Incoming], parsed: Sequence[ParsedMessage]) -> None:
        """Say once that topics come which nobody subscribed to. A cleared one has nothing to be read."""
        strays = [
            message.topic for message, item in zip(batch, parsed, strict=True) if item is None and message.payload
        ]
        if strays and not self._knows_strays:
            self._knows_strays = True
            log.warning(
                "a message on %s, and others like it, are passed over: does the broker change topics? "
                "See docs/brokers.md",
                escaped(strays[0]),
            )

    def _next_batch(self) -> list[Incoming]:
        """What has come, at most one transaction's worth; empty when it is time to end."""
        batch: list[Incoming] = []
        while not batch and not (self._stopping.is_set() and self._queue.empty()):
            try:
                batch.append(self._queue.get(timeout=QUEUE_POLL_S))
                while len(batch) < TRANSACTION_EVENTS:
                    batch.append(self._queue.get_nowait())
            except queue.Empty:
                continue
        return batch

    def _write(self, items: Sequence[ParsedMessage]) -> bool:
        """Write a batch, again and again until the disk takes it; False where it is time to end instead."""
        failures = 0
        while True:
            try:
                self._write_once(items)
            except StoreError as error:
                if not self.problem:
                    log.error("nothing can be stored (%s): check the disk; the broker keeps what comes", error)  # noqa: TRY400 - the message says it all
                self.problem = f"nothing can be stored: {error}"
            else:
                self.problem = ""
                return True
            if self._stopping.wait(QUEUE_POLL_S + backoff_s(failures, first_s=QUEUE_POLL_S, cap_s=MAX_RETRY_S)):
                return False
            failures += 1

    def _write_once(self, items: Sequence[ParsedMessage]) -> None:
        """One transaction; where something in it can't be kept at all, one for each, and a dead letter for that."""
        try:
            self._account(self._store.write(items))
        except NotStorableError:
            for item in items:
                self._write_alone(item)

    def _write_alone(self, item: ParsedMessage) -> None:
        try:
            self._account(self._store.write([item]))
        except NotStorableError as error:
            log.warning("a message can't be kept as it is: %s", error)
            self._account(self._store.write([_set_aside(item, str(error))]))

    def _account(self, written: WriteResult) -> None:
        self.counts.add(written)
        if written.dead_letters:
            log.warning("%d messages don't fit the contract: see the table dead_letters", written.dead_letters)
        self._on_stored(written)


def _set_aside(item: ParsedMessage, reason: str) -> DeadLetter:
    """What the database can't hold as it is; an event's text is kept whole."""
    if isinstance(item, EventMessage):
        return DeadLetter(item.topic, item.payload.encode(), reason, item.agent)
    return DeadLetter("", repr(item).encode(errors="replace"), reason)
