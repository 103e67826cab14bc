"""Deletes pictures and entries of the audit log by their age, a portion at a time."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, delete, select

from warehouse.store.database import Database
from warehouse.store.labels import IS_LABELLED
from warehouse.store.pictures import PictureStore
from warehouse.store.tables import audit, pictures

ROWS_PER_TRANSACTION = 200
"""So many rows are deleted in one transaction."""


class AgedRows:
    """What is kept for a time, whatever the events are kept for: it may show people, or tell what they did."""

    def __init__(
        self, database: Database, store: PictureStore, picture_days: float | None, audit_days: float | None
    ) -> None:
        """Keep for how many days each is kept; None: for good."""
        self._database = database
        self._store = store
        self._picture_days = picture_days
        self._audit_days = audit_days

    def delete_portion(self, now: datetime) -> bool:
        """Delete some of what is too old at that time; whether there may be more.

        Raises:
            StoreError: the disk doesn't take it.
        """
        entries = self._audit_days is not None and self._delete_entries(now - timedelta(days=self._audit_days))
        shown = self._picture_days is not None and self._delete_pictures(now - timedelta(days=self._picture_days))
        return entries or shown

    def _delete_entries(self, before: datetime) -> bool:
        aged = select(audit.c.number).where(audit.c.at < before).limit(ROWS_PER_TRANSACTION)
        if not self._has(aged):
            return False
        with self._database.writing() as connection:
            return connection.execute(delete(audit).where(audit.c.number.in_(aged))).rowcount == ROWS_PER_TRANSACTION

    def _delete_pictures(self, before: datetime) -> bool:
        aged = select(pictures.c.number).where(pictures.c.received < before, ~IS_LABELLED).limit(ROWS_PER_TRANSACTION)
        if not self._has(aged):
            return False
        with self._database.writing() as connection:
            files = _take_out(connection, aged)
        self._store.delete(files)
        return len(files) == ROWS_PER_TRANSACTION

    def _has(self, aged: Select[tuple[int]]) -> bool:
        with self._database.reading() as connection:
            return connection.execute(aged).first() is not None


def _take_out(connection: Connection, aged: Select[tuple[int]]) -> list[str]:
    gone = delete(pictures).where(pictures.c.number.in_(aged)).returning(pictures.c.file)
    return [str(file) for (file,) in connection.execute(gone)]
