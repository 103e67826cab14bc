"""The audit log: who looked at which picture, who acknowledged what.

An entry is on the disk before the picture goes out: who can't be noted sees nothing. Requests that come together are
noted in one transaction, so that a rack's pictures don't cost one each.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from warehouse.store.database import Database, StoreError
from warehouse.store.tables import audit, present


@dataclass(frozen=True)
class AuditRow:
    """A line of the audit log."""

    actor: str
    address: str
    action: str
    subject: str
    detail: str


def insert_entries(connection: Connection, entries: Sequence[AuditRow]) -> None:
    """Note them, in the transaction of the caller."""
    now = present()
    connection.execute(insert(audit), [{"at": now, **vars(entry)} for entry in entries])


class _Batch:
    """Entries that are noted together."""

    def __init__(self) -> None:
        self.entries: list[AuditRow] = []
        self.done = threading.Event()
        self.problem: StoreError | None = None


class AuditLog:
    """Notes entries for any thread: the first of those that wait writes for all."""

    def __init__(self, database: Database) -> None:
        """Nothing is noted yet."""
        self._database = database
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._next: _Batch | None = None

    def note(self, entry: AuditRow) -> None:
        """Note an entry; it is on the disk when this returns.

        Raises:
            StoreError: the database doesn't take it.
        """
        with self._lock:
            leads = self._next is None
            batch = self._next = self._next or _Batch()
            batch.entries.append(entry)
        if leads:
            self._write(batch)
        batch.done.wait()
        if batch.problem is not None:
            raise StoreError(str(batch.problem)) from batch.problem

    def _write(self, batch: _Batch) -> None:
        with self._writing:  # whoever comes while another batch is written joins this one
            with self._lock:
                self._next = None
            try:
                with self._database.noting() as connection:
                    insert_entries(connection, batch.entries)
            except StoreError as error:
                batch.problem = error
            finally:
                batch.done.set()
