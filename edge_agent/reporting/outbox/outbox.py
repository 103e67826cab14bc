"""The outbox: a durable queue of messages with the last state of each location, in one SQLite file.

WAL, synchronous=FULL, exclusive, with one connection, owned by one thread. WAL with NORMAL loses commits at a power
cut; several connections meet a rare corruption fixed in SQLite 3.51.3.
"""

import contextlib
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge_agent.records import Message
from edge_agent.reporting.outbox import rows
from edge_agent.reporting.outbox.epoch import epoch_of, furthest_of, keep, leave
from edge_agent.reporting.outbox.message import Depth, Losses, NumberedMessage, OutboxLimits
from edge_agent.reporting.outbox.pressure import Pressure
from edge_agent.reporting.outbox.salvage import begin_anew
from edge_agent.reporting.outbox.schema import is_damage, open_database, unusable
from edge_agent.reporting.outbox.space import make_room, require_room
from kardus.contract.ranges import Range, gaps
from kardus.support.errors import KardusError, StorageError

Delivered = Literal["broker", "confirmed"]
"""When an event is forgotten: when the broker has it, or when the WMS side has said that it is stored for good."""
ROWS_PER_TRANSACTION = 200
"""So many rows are changed in one transaction, where many may be: the write-ahead log holds what that changes."""
ASKED_AT_MOST = 10_000
"""Of an epoch that the file doesn't know, one request announces at most so many events as lost: a receiver asks for the
rest, portion after portion."""
ReturnT = TypeVar("ReturnT")


class Outbox:
    """A durable queue of messages, and the last state of each location. Any thread may call it."""

    def __init__(self, path: Path, limits: OutboxLimits | None = None, delivery: Delivered = "broker") -> None:
        """Open or make the outbox; one that is damaged is set aside, and what can be read of it is taken over.

        Raises:
            KardusError: the file cannot be opened, or belongs to a newer version.
        """
        self._path = path
        self._delivery = delivery
        self.on_news: Callable[[], None] = lambda: None
        """Called from the outbox's own thread when there is something new to send."""
        self.losses = Losses()
        """What was given up."""
        self.lost_more = threading.Event()
        """Set when `lost` may have grown: whoever tells of it clears it, and needn't ask before."""
        self._pressure = Pressure(limits or OutboxLimits(), self.losses)
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[sqlite3.Connection], Any]] | None]
        self._work = queue.SimpleQueue()
        self.epoch = ""
        """What its events are counted in."""
        self.last_sequence = 0
        """The sequence of the last event that was stored; 0 before the first."""
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._own, args=(opened,), name="outbox", daemon=True)
        self._thread.start()
        opened.result()

    def append(
        self, messages: Sequence[Message], states: Mapping[str, str | None], last_sequence: int, epoch: str = ""
    ) -> None:
        """Store messages and the locations' new states in one transaction; durable when this returns.

        A state of None forgets the location. A retained message without a payload clears its topic on the broker.
        `epoch` is that which they are counted in; by default the one of now.

        Raises:
            StorageError: the disk doesn't take it, or the file turned out to be damaged, so that another epoch has
                begun; nothing of it is stored.
        """
        epoch = epoch or self.epoch

        def write(database: sqlite3.Connection) -> None:
            if epoch != self.epoch:
                raise StorageError(
                    f"{self._path}: is a new one, since the former was damaged: what is told is counted anew"
                )
            require_room(database, self._path)
            with database:
                rows.insert(database, messages, self.epoch)
                rows.keep_states(database, states)
                keep(database, self.epoch, last_sequence)
                relieved = self._pressure.relieve(database, messages)
            self._pressure.settle(relieved)
            if relieved:
                self.lost_more.set()
            self.on_news()

        self._call(write)
        self.last_sequence = last_sequence

    def probe(self) -> None:
        """Write something that changes nothing.

        Raises:
            StorageError: the disk doesn't take it.
        """

        def write(database: sqlite3.Connection) -> None:
            require_room(database, self._path)
            with database:
                database.execute("INSERT OR REPLACE INTO meta VALUES ('probed_unix_s', ?)", (str(time.time()),))

        self._call(write)

    def pending(self, limit: int, exclude: Collection[int] = ()) -> list[NumberedMessage]:
        """The next messages to send, at most `limit`; `exclude` are the numbers of those that were read before."""
        return self._call(lambda database: rows.waiting(database, limit, exclude))

    def delivered(self, ids: Sequence[int]) -> None:
        """The broker has acknowledged these."""

        def write(database: sqlite3.Connection) -> None:
            make_room(database, self._path)
            with database:
                (rows.forget if self._delivery == "broker" else rows.mark_sent)(database, ids)
            self._pressure.recount(database, max(1, len(ids)))

        self._call(write)

    def set_aside(self, number: int) -> None:
        """The broker hangs up on this message: it is never sent again. An event counts as lost."""

        def write(database: sqlite3.Connection) -> None:
            make_room(database, self._path)
            with database:
                rows.give_up(database, number)
            self.losses.hung_up_on += 1
            self.lost_more.set()
            self._pressure.recount(database, 1)

        self._call(write)

    def confirm(self, epoch: str, ranges: Sequence[Range]) -> bool:
        """The WMS side has stored these events of an epoch for good.

        Returns whether that may be: what goes beyond anything that an epoch can have come to is of another agent or a
        mistake, and changes nothing.
        """

        def write(database: sqlite3.Connection) -> bool:
            known_to = furthest_of(database, epoch, self.epoch)
            if known_to is not None and any(last > known_to for _, last in ranges):
                return False
            for ends in ranges:
                self._in_portions(database, lambda ends=ends: rows.confirm(database, epoch, ends, ROWS_PER_TRANSACTION))  # type: ignore[misc]
            self._pressure.recount(database, 1)
            return True

        return self._call(write)

    def send_again(self, epoch: str, first: int, last: int) -> list[Range]:
        """The WMS side lacks these events: let them be sent again. Those that are gone are lost; which were there."""

        def write(database: sqlite3.Connection) -> list[Range]:
            with database:
                found = rows.send_again(database, epoch, first, last)
                known_to = furthest_of(database, epoch, self.epoch)
                until = min(last, first + ASKED_AT_MOST - 1 if known_to is None else known_to)
                gone = gaps(found, first, until) if first <= until else []
                rows.add_lost(database, [(epoch, ends) for ends in gone])
            if gone:
                self.lost_more.set()
            self.on_news()
            return found

        return self._call(write)

    def send_unconfirmed_again(self, older_than_s: float) -> int:
        """Let events be sent again that the broker took so long ago, and nobody has confirmed; how many."""
        now_unix_s = time.time()
        before_unix_s = now_unix_s - older_than_s

        def write(database: sqlite3.Connection) -> int:
            return self._in_portions(
                database, lambda: rows.send_unconfirmed_again(database, before_unix_s, now_unix_s, ROWS_PER_TRANSACTION)
            )

        return self._call(write)

    def depth(self) -> Depth:
        """What waits."""
        return self._call(rows.depth)

    def free_bytes(self) -> int:
        """The room that is left on its disk.

        Raises:
            OSError: the disk doesn't say.
        """
        return shutil.disk_usage(self._path.parent).free

    def lost(self) -> dict[str, list[Range]]:
        """Events that will never come, by their epoch."""
        return self._call(rows.lost)

    def states(self) -> dict[str, str]:
        """The last stored state of each location, as JSON."""
        return self._call(lambda database: dict(database.execute("SELECT location, payload FROM states").fetchall()))

    def retained(self) -> set[str]:
        """Every topic that a retained message was stored for, and that hasn't been cleared since."""
        return self._call(lambda database: {row[0] for row in database.execute("SELECT topic FROM retained")})

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what was asked for and close the file. May be called twice."""
        self._work.put(None)
        self._thread.join()

    def _in_portions(self, database: sqlite3.Connection, work: Callable[[], int]) -> int:
        """Do it as often as it finds a whole portion, each in a transaction that finds room on a full disk."""
        total, done = 0, ROWS_PER_TRANSACTION
        while done == ROWS_PER_TRANSACTION:
            make_room(database, self._path)
            with database:
                done = work()
            total += done
        return total

    def _call(self, work: Callable[[sqlite3.Connection], ReturnT]) -> ReturnT:
        if not self._thread.is_alive():
            raise KardusError(f"{self._path}: the outbox is closed")
        future: Future[ReturnT] = Future()
        self._work.put((future, work))
        try:
            return future.result()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{self._path}: the outbox failed ({error}): check the disk's space and rights"
            ) from error

    def _own(self, opened: Future[None]) -> None:
        """The owning thread: the only one that touches the connection."""
        try:
            database = self._open()
        except sqlite3.Error as error:
            opened.set_exception(unusable(self._path, error))
            return
        except Exception as error:  # noqa: BLE001 - the thread's outermost guard: whoever opens it is told
            opened.set_exception(error)
            return
        opened.set_result(None)
        while (job := self._work.get()) is not None:
            future, work = job
            try:
                try:
                    result = work(database)
                except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    if not is_damage(error):
                        raise
                    database = self._renewed(database)
                    result = work(database)
                future.set_result(result)
            except Exception as error:  # noqa: BLE001 - the thread's outermost guard: whoever asked is told
                future.set_exception(error)
        with contextlib.suppress(sqlite3.Error):  # a new epoch costs less than a start that fails
            leave(database)
        database.close()

    def _open(self) -> sqlite3.Connection:
        """Open the file, or a new one beside it where it is damaged."""
        try:
            database = open_database(self._path)
        except (sqlite3.DatabaseError, UnicodeDecodeError, KardusError) as error:
            if not is_damage(error):
                raise
            database = self._begin_anew()
        return self._take_up(database)

    def _renewed(self, database: sqlite3.Connection) -> sqlite3.Connection:
        """A new file in place of one that turned out to be damaged."""
        database.close()
        return self._take_up(self._begin_anew())

    def _begin_anew(self) -> sqlite3.Connection:
        self.losses.damaged += 1
        return begin_anew(self._path)

    def _take_up(self, database: sqlite3.Connection) -> sqlite3.Connection:
        self.epoch, self.last_sequence = epoch_of(database)
        self._pressure.count(database)
        self.lost_more.set()  # what an earlier run, or a damaged file, has lost is told once more
        return database
