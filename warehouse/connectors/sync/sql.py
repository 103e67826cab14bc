"""A WMS's database, asked by SQL: any that SQLAlchemy knows. PostgreSQL may tell by NOTIFY that something changed."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import sqlalchemy
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from kardus.support.errors import UsageError
from warehouse.connectors.relative_paths import NamesFile
from warehouse.connectors.secret import SecretPath, secret
from warehouse.connectors.sync.database_files import address_below
from warehouse.connectors.sync.source import SourceError, StockSnapshot, managed_codes, stock_rows
from warehouse.connectors.sync.timed_question import TimedQuestion

STOP_POLL_S = 0.25
POSTGRESQL = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""For libpq. Texts are texts, also of a database that has no encoding. A server that has vanished from the network is
found out within a minute, by whoever listens as well."""
COLUMNS = ("location", "sku", "quantity")
FETCH_ROWS = 1000
"""Rows that are asked for at a time."""
_OF_DRIVERS = (SQLAlchemyError, ValueError, ArithmeticError, LookupError, RuntimeError, OSError)
"""A driver may fail to read a value in its own words, or to connect: PyMySQL raises RuntimeError where it lacks what a
password's form takes."""
_LATE = "look whether something locks the tables, and what the query costs"
log = logging.getLogger("kardus.sync")
Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class SqlSettings(BaseModel):
    """`[source]` with `kind = "sql"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["sql"]
    """A database."""
    url: Annotated[Query, NamesFile(address_below)]
    """Where it is, as SQLAlchemy writes it, without a password: `postgresql+psycopg://reader@db.local/wms`."""
    password_file: SecretPath | None = None
    """File that holds the password, for you alone."""
    managed: Query
    """SQL that gives a column `location`: every location that is managed, whether something stands there or not."""
    stock: Query
    """SQL that gives the columns `location`, `sku` and, if it is known, `quantity`: what stands where."""
    limit_s: Annotated[float, Field(ge=1, le=3600)] = 120.0
    """Seconds within which both queries must be answered."""
    listen: str = ""
    """PostgreSQL only: a channel; a NOTIFY on it is followed at once. Empty: it is asked at intervals."""


class SqlSource:
    """Asks in one transaction that only reads."""

    def __init__(self, settings: SqlSettings) -> None:
        """Prepare; connects when it is asked.

        Raises:
            UsageError: the address can't be used, or its driver isn't installed.
        """
        self._settings = settings
        self._url = _with_password(settings)
        self.name = self._url.render_as_string(hide_password=True)
        if settings.listen and self._url.get_backend_name() != "postgresql":
            raise UsageError(
                f"source.listen: only PostgreSQL notifies, not {self._url.get_backend_name()}: leave it out"
            )
        self._engine = _engine(self._url)
        self._listener: Connection | None = None
        self._deaf = ""
        """Why it can't be listened, as it was said last."""
        self._question = TimedQuestion(self._asked, settings.limit_s, _LATE)

    def read(self) -> StockSnapshot:
        """Both queries, of one moment where the database can give it."""
        try:
            return self._question.answer()
        except SourceError as error:
            raise SourceError(f"{self.name}: {error}") from error
        except _OF_DRIVERS as error:
            raise SourceError(f"{self.name}: {_first_line(error)}{_remedy(error)}") from error

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """Until a notification, if any are listened to.

        A connection that is lost while it listens is a reason to ask soon; where the server refuses to be listened to
        (as a hot standby does), the interval counts.
        """
        if not self._settings.listen:
            stopping.wait(seconds)
            return
        deadline_s = time.monotonic() + seconds
        try:
            while not stopping.is_set() and time.monotonic() < deadline_s:
                if self._notified(min(STOP_POLL_S, max(0.0, deadline_s - time.monotonic()))):
                    return
        except (SQLAlchemyError, _driver_error()) as error:
            has_listened = self._listener is not None
            self._forget_listener()
            left_s = max(0.0, deadline_s - time.monotonic())
            stopping.wait(min(left_s, 1.0) if has_listened else self._deafened(error, left_s))

    def stop(self) -> None:
        """Wait for no answer any more."""
        self._question.stop()

    def close(self) -> None:
        """Close what is open."""
        self._forget_listener()
        self._engine.dispose()

    def _asked(self) -> StockSnapshot:
        with self._engine.connect() as connection:
            if self._url.get_backend_name() == "sqlite":  # its driver begins no transaction for what only reads
                connection.exec_driver_sql("BEGIN")
            if self._url.get_backend_name() == "postgresql":  # its server gives up too; it holds through pgbouncer
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(1000 * self._settings.limit_s)}")
                connection.exec_driver_sql("SET LOCAL datestyle = 'ISO'")  # psycopg reads dates of no other
            managed = managed_codes(_rows(connection, self._settings.managed, "source.managed"), "source.managed")
            stock = stock_rows(_rows(connection, self._settings.stock, "source.stock"), "source.stock")
            return StockSnapshot(managed, stock)

    def _notified(self, seconds: float) -> bool:
        if self._listener is None:
            self._listener = self._listening()
            self._deaf = ""
            return True  # what was told before anybody listened is in the next answer
        driver: Any = self._listener.connection.driver_connection
        return any(True for _ in driver.notifies(timeout=seconds, stop_after=1))

    def _listening(self) -> Connection:
        found = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        quoted = self._engine.dialect.identifier_preparer.quote_identifier(self._settings.listen)
        try:
            found.exec_driver_sql(f"LISTEN {quoted}")
        except SQLAlchemyError:
            found.close()
            raise
        return found

    def _deafened(self, error: Exception, left_s: float) -> float:
        """Say once why nothing is heard; how long to wait instead."""
        if (reason := _first_line(error)) != self._deaf:
            log.warning("%s: source.listen: %s: it is asked at intervals", self.name, reason)
        self._deaf = reason
        return left_s

    def _forget_listener(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._listener.invalidate()
                self._listener.close()
            self._listener = None


def _rows(connection: Connection, query: str, question: str) -> Iterator[dict[str, Any]]:
    """What a query gives. It is sent as it is written: a colon or a percent sign in it stands for itself."""
    found = connection.execution_options(no_parameters=True).exec_driver_sql(query)
    names = [str(name).lower() for name in found.keys()]  # noqa: SIM118 - of the result, and not of a dictionary
    for name in COLUMNS:
        if names.count(name) > 1:
            raise SourceError(f"{question}: has two columns '{name}': name one of them otherwise")
    for part in found.partitions(FETCH_ROWS):  # asked for one by one, 150,000 rows cost half a second more
        for row in part:
            yield dict(zip(names, row, strict=True))


def _with_password(settings: SqlSettings) -> URL:
    try:
        url = make_url(settings.url)
    except ArgumentError as error:
        raise UsageError(
            "source.url: no address of a database: write it as postgresql+psycopg://user@host/name"
        ) from error
    if url.password is not None:
        raise UsageError(
            "source.url: leave the password out of the address: put it into a file, and name it password_file"
        )
    return url.set(password=secret("source.password_file", settings.password_file)) if settings.password_file else url


def _engine(url: URL) -> sqlalchemy.Engine:
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        arguments = {"isolation_level": "REPEATABLE READ", "connect_args": POSTGRESQL}
    try:
        return sqlalchemy.create_engine(url, poolclass=NullPool, **arguments)  # nothing grows old between two questions
    except (NoSuchModuleError, ImportError) as error:
        raise UsageError(f"source.url: no driver for {url.drivername} ({error}): install it beside kardus") from error
    except (SQLAlchemyError, TypeError) as error:
        raise UsageError(f"source.url: {_first_line(error)}") from error


def _remedy(error: Exception) -> str:
    """What to do, as far as the words of PostgreSQL, MySQL, SQL Server and SQLite tell."""
    words = str(error).lower()
    remedies = {
        ("password", "authentication", "access denied for user", "login failed"): (
            "correct the user in source.url, and source.password_file"
        ),
        ("permission denied", "command denied", "permission was denied"): "give the user the right to read it",
        ('database "', "unknown database", "cannot open database"): "correct the database's name in source.url",
        ("connection failed", "connection refused", "can't connect", "could not connect", "could not translate"): (
            "check source.url, and whether the server runs"
        ),
        ("no such", "does not exist", "doesn't exist", "syntax error", "invalid object", "invalid column"): (
            "correct source.managed or source.stock"
        ),
        ("after year 10k", "before year 1", "can't parse"): "leave that column out of the query, or cast it to text",
    }
    return next((f": {text}" for signs, text in remedies.items() if any(sign in words for sign in signs)), "")


def _driver_error() -> type[Exception]:
    import psycopg  # noqa: PLC0415 - only whoever listens has it

    return psycopg.Error


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300] or type(cause).__name__
