"""The writing thread: what has come goes to the disk, as much as there is in one transaction; then the broker hears."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from warehouse.receiving.inbox import DeadLetter, Parsed, parse
from warehouse.receiving.session import RECEIVE_MAXIMUM, Incoming
from warehouse.receiving.store import Store, Written

QUEUED = 10_000
"""Messages read ahead of the disk; when they are so many, the broker waits."""
WAIT_S = 0.2
MAX_RETRY_S = 5.0
_POISON = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError, UnicodeError)
"""What SQLite and its binding raise for a value that they can't keep, as opposed to a disk that doesn't take it."""
log = logging.getLogger("kardus.receiver")


@dataclass
class Counts:
    """What was stored in this run."""

    events: int = 0
    duplicates: int = 0
    pictures: int = 0
    dead_letters: int = 0
    transactions: int = 0

    def add(self, written: Written) -> None:
        """One more transaction."""
        self.events += written.events
        self.duplicates += written.duplicates
        self.pictures += written.pictures
        self.dead_letters += written.dead_letters
        self.transactions += 1


class Storing:
    """Owns the queue between the session and the disk, and the thread that empties it."""

    def __init__(self, site: str, store: Store, on_stored: Callable[[Written], None]) -> None:
        """`on_stored` is called after every transaction, from the thread."""
        self._site = site
        self._store = store
        self._on_stored = on_stored
        self._queue: queue.Queue[Incoming] = queue.Queue(QUEUED)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storing", daemon=True)
        self.counts = Counts()
        self.problem = ""
        """Why the disk takes nothing; empty where it does."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Store what has come, and end. What the disk doesn't take, the broker sends again."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How many messages have come and aren't stored yet."""
        return self._queue.qsize()

    def take(self, message: Incoming) -> None:
        """From paho's thread. Waits where the disk is far behind, so that the broker does too."""
        while not self._stopping.is_set():
            try:
                self._queue.put(message, timeout=WAIT_S)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        while batch := self._next_batch():
            if not self._write([parse(self._site, message.topic, message.payload) for message in batch]):
                return
            for message in batch:
                message.acknowledge()

    def _next_batch(self) -> list[Incoming]:
        """What has come, at most one transaction's worth; empty when it is time to end."""
        batch: list[Incoming] = []
        while not batch and not (self._stopping.is_set() and self._queue.empty()):
            try:
                batch.append(self._queue.get(timeout=WAIT_S))
                while len(batch) < RECEIVE_MAXIMUM:
                    batch.append(self._queue.get_nowait())
            except queue.Empty:
                continue
        return batch

    def _write(self, items: Sequence[Parsed]) -> bool:
        """Write a batch, again and again until the disk takes it; False where it is time to end instead."""
        pause_s = WAIT_S
        while True:
            try:
                self._write_once(items)
            except sqlite3.Error as error:
                if not self.problem:
                    log.error("nothing can be stored (%s): check the disk; the broker keeps what comes", error)  # noqa: TRY400 - the message says it all
                self.problem = f"nothing can be stored: {error}"
            else:
                self.problem = ""
                return True
            if self._stopping.wait(pause_s):
                return False
            pause_s = min(MAX_RETRY_S, 2 * pause_s)

    def _write_once(self, items: Sequence[Parsed]) -> None:
        """One transaction; where something in it can't be kept at all, one for each, and a dead letter for that."""
        try:
            self._account(self._store.write(items))
        except _POISON:
            for item in items:
                self._write_alone(item)

    def _write_alone(self, item: Parsed) -> None:
        try:
            self._account(self._store.write([item]))
        except _POISON as error:
            log.warning("a message can't be kept as it is: %s", error)
            self._account(self._store.write([DeadLetter("", repr(item).encode(errors="replace"), str(error))]))

    def _account(self, written: Written) -> None:
        self.counts.add(written)
        if written.dead_letters:
            log.warning("%d messages don't fit the contract: see the table dead_letters", written.dead_letters)
        self._on_stored(written)
