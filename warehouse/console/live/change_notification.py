"""Notifies the server that something was stored, by whichever process.

SQLite's file is polled four times a second: two rows by their keys. PostgreSQL notifies (`LISTEN kardus_changes`), and
is polled every few seconds all the same: a lost connection, or a pooler in between, loses notifications without a word.
"""

import contextlib
import threading
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from warehouse.store.database import Database

FILE_POLL_S = 0.25
SERVER_POLL_S = 5.0
STOP_POLL_S = 0.5
AGAIN_S = 1.0
"""After a connection to the server was lost."""
CHANNEL = "kardus_changes"


class ChangeNotifier(Protocol):
    """Waits until something new may be stored."""

    def wait(self, stopping: threading.Event, *, soon: bool = False) -> None:
        """Wait until there may be something, or it is time to end; `soon`: something waits for its time."""

    def close(self) -> None:
        """Close what is open."""


class FilePolling:
    """Polls SQLite's file."""

    def wait(self, stopping: threading.Event, *, soon: bool = False) -> None:  # noqa: ARG002 - it is always soon
        """Wait a moment."""
        stopping.wait(FILE_POLL_S)

    def close(self) -> None:
        """Nothing is open."""


class ServerListening:
    """Listens to PostgreSQL's notifications."""

    def __init__(self, engine: Engine, errors: tuple[type[Exception], ...]) -> None:
        """Connects when it waits first; `errors` are the driver's own."""
        self._engine = engine
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, *errors)
        self._connection: Connection | None = None

    def wait(self, stopping: threading.Event, *, soon: bool = False) -> None:
        """Wait until a notification comes, or a few seconds are over."""
        try:
            for _ in range(1 if soon else int(SERVER_POLL_S / STOP_POLL_S)):
                if stopping.is_set() or self._notified():
                    return
        except self._errors:
            self.close()
            stopping.wait(AGAIN_S)

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            with contextlib.suppress(*self._errors):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None

    def _notified(self) -> bool:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            return True  # what came before anybody listened
        driver: Any = self._connection.connection.driver_connection
        return any(True for _ in driver.notifies(timeout=STOP_POLL_S, stop_after=1))


def change_notifier(database: Database) -> ChangeNotifier:
    """The notifier for this kind of database."""
    if database.engine.dialect.name == "sqlite":
        return FilePolling()
    return ServerListening(database.engine, database.driver_errors)
