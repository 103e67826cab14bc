"""PostgreSQL 15 or newer: connections, COPY, the months' partitions."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from kardus.support.errors import DataError
from warehouse.store.address import DatabaseAddress
from warehouse.store.columns import require_columns
from warehouse.store.database import LAST_NUMBER, Database, EventRow, StoreError, driver_reason
from warehouse.store.migrating import NEWER, is_current, is_newer, upgrade
from warehouse.store.migrations.server import grant, grant_console
from warehouse.store.tables import events, meta

try:
    import psycopg
except ImportError as error:
    raise DataError("--database postgresql://...: needs psycopg: install Kardus with the extra `postgresql`") from error

CONNECT_TIMEOUT_S = 5
MIN_VERSION = 150000
"""As the server counts: PostgreSQL 15."""
SESSION = {
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "quote_all_identifiers": "off",
}
"""A receiver whose machine is gone holds up the others for as long as the server takes to notice. What is read doesn't
depend on what somebody has set for the server, the database or the role."""
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_UNLIMITED = """SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'"""
"""The one would end connections that only wait for work, the other (from PostgreSQL 17 on) a long migration."""
_ONE_NOTES = text("SELECT pg_advisory_xact_lock(hashtext('kardus: one notes'))")
"""Until the transaction has ended: locks of rows alone leave out those that aren't there, or aren't chosen, yet."""
_ONLY_READS = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.FeatureNotSupported)
"""What a server that only reads answers; the second one, a standby that is asked for a transaction that may write."""
_STANDBY_SINCE_S = "kardus standby since"
_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")
STANDBY_S = 5.0
"""So long a connection to a standby is used: the address may lead to the server that writes by then."""
SIZE_EVERY_S = 10.0
_LOCK = select(meta.c.value).where(meta.c.key == LAST_NUMBER).with_for_update()
_COPY = f"COPY events ({', '.join(column.name for column in events.columns)}) FROM STDIN"


class PostgresDatabase(Database):
    """A few connections, for any thread."""

    not_storable = (*Database.not_storable, psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
    driver_errors = (psycopg.Error,)

    def __init__(self, address: DatabaseAddress, *, check: bool = True) -> None:
        """Connect; `check`: the tables must be there, and as this version has them.

        Raises:
            DataError: the server can't be reached, refuses us, or has other tables.
        """
        super().__init__(address)
        self.engine = _engine(address)
        self._months: set[tuple[int, int]] = set()
        self._size = (0, -SIZE_EVERY_S)
        try:
            with self.reading() as connection:
                _require_version(connection, address)
                if check:
                    self._require_tables(connection)
        except StoreError as error:
            self.engine.dispose()
            raise DataError(f"{address}: can't be used ({error}): {_remedy(error)}") from error
        except DataError:
            self.engine.dispose()
            raise

    def lift_limits(self, connection: Connection) -> None:
        """Of this transaction alone; a lock is waited for no longer than otherwise."""
        for name in _LIMITS:
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")

    def add_events(self, connection: Connection, rows: Sequence[EventRow]) -> None:
        """By COPY; the partition of their month is made where there is none yet."""
        for moment in {(row[8].year, row[8].month): row[8] for row in rows}.values():
            self._require_month(connection, moment)
        driver = cast("psycopg.Connection", connection.connection.driver_connection)
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)

    def months(self, connection: Connection) -> list[str]:
        """The partitions of events without an alert, `events_2026_03` and so on, the oldest first."""
        found = connection.execute(
            text(
                "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                "WHERE i.inhparent = 'events_by_month'::regclass ORDER BY c.relname"
            )
        )
        return [str(name) for (name,) in found]

    def drop_month(self, connection: Connection, name: str) -> None:
        """Give a month's events without an alert back to the disk, all at once."""
        connection.execute(text("SELECT kardus_drop_month(:name)"), {"name": name})
        self._months.clear()

    @property
    def size_bytes(self) -> int:
        """Of the whole database, as it was some seconds ago."""
        size, asked_s = self._size
        if time.monotonic() - asked_s >= SIZE_EVERY_S:
            with contextlib.suppress(StoreError), self.reading() as connection:
                size = int(connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one())
            self._size = (size, time.monotonic())
        return size

    def close(self) -> None:
        """Close the connections that nobody uses. May be called twice."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        with contextlib.ExitStack() as failed:
            failed.callback(self._months.clear)  # a month that was made in it isn't there
            with self.engine.connect() as connection, connection.begin():
                connection.execute(_LOCK)
                yield connection
            failed.pop_all()

    @contextlib.contextmanager
    def _note(self) -> Iterator[Connection]:
        """Without the lock that numbers are taken under: whoever only notes has no right to it, but to this one."""
        with self.engine.begin() as connection:
            connection.execute(_ONE_NOTES)
            yield connection

    @contextlib.contextmanager
    def _read(self) -> Iterator[Connection]:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def _require_month(self, connection: Connection, moment: datetime) -> None:
        month = (moment.year, moment.month)
        if month not in self._months:
            connection.execute(select(func.kardus_add_month(moment)))
            self._months.add(month)

    def _require_tables(self, connection: Connection) -> None:
        if is_newer(connection):
            raise DataError(f"{self.address}: {NEWER}")
        if not is_current(connection):
            raise DataError(
                f"{self.address}: has no tables of this version: run `kardus-wms database migrate` as their owner"
            )
        require_columns(connection, str(self.address))


def _engine(address: DatabaseAddress) -> Engine:
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    words = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "kardus", "options": options}
    words["client_encoding"] = "utf8"  # another one would lack characters, and their events be set aside
    password = address.password()
    if password is not None:
        words["password"] = password
    try:
        engine = create_engine(
            address.url, connect_args=words, isolation_level="READ COMMITTED", pool_size=4, max_overflow=4
        )
    except (SQLAlchemyError, NoSuchModuleError) as error:
        raise DataError(f"{address}: can't be used ({driver_reason(error)}): correct the address") from error
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "checkout", _give_up_standby)
    event.listen(engine, "handle_error", _give_up_reader)
    return engine


def _prepare(driver: psycopg.Connection, record: ConnectionPoolEntry) -> None:
    """What is acknowledged is on the disk, whatever the server's configuration says of other work."""
    driver.execute(_DURABLE)
    driver.execute(_UNLIMITED)
    if driver.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        record.info[_STANDBY_SINCE_S] = time.monotonic()
    driver.commit()


def _give_up_standby(_driver: object, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Who only reads gets no refusal from a standby, and would be shown for good what that has.

    Raises:
        DisconnectionError: the connection is an old one; SQLAlchemy makes another.
    """
    if time.monotonic() - record.info.get(_STANDBY_SINCE_S, math.inf) > STANDBY_S:
        raise DisconnectionError


def _give_up_reader(context: ExceptionContext) -> None:
    """After a failover an address may lead to a server that only reads, for a while: its connections are given up.

    Kept, they would be used for ever, although new ones lead to the server that writes.
    """
    if isinstance(context.original_exception, _ONLY_READS):
        context.is_disconnect = True


def _require_version(connection: Connection, address: DatabaseAddress) -> None:
    found = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if found < MIN_VERSION:
        raise DataError(f"{address}: PostgreSQL {found // 10_000}: 15 or newer is needed: update the server")


def _remedy(error: StoreError) -> str:
    words = str(error)
    if "password" in words or "authentication" in words or "role" in words:
        return "check the user's name, --database-password-file and the server's pg_hba.conf"
    if "certificate" in words or "SSL" in words:
        return "check sslrootcert in the address, and the name in the server's certificate"
    if "database" in words and "does not exist" in words:
        return "make it with createdb, then run `kardus-wms database migrate`"
    if "permission denied" in words:
        return "run `kardus-wms database migrate --grant` for this user, as the tables' owner"
    return "check the address, and whether the server runs"


def migrate_server(address: DatabaseAddress, role: str, console_role: str = "") -> bool:
    """Make a server's tables, or bring them up to date, and give roles their rights; whether tables were changed.

    Raises:
        DataError: it can't be done; nothing is changed.
    """
    with contextlib.closing(PostgresDatabase(address, check=False)) as database:
        try:
            with database.engine.connect() as connection, connection.begin():
                database.lift_limits(connection)  # a large table may be written anew
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('kardus'))"))  # two may come at once
                if is_newer(connection):
                    raise DataError(f"{address}: {NEWER}")
                changed = not is_current(connection)
                if changed:
                    upgrade(connection, "")
                if role:
                    grant(connection, role)
                if console_role:
                    grant_console(connection, console_role)
                require_columns(connection, str(address))
        except (SQLAlchemyError, psycopg.Error) as error:
            cause = driver_reason(getattr(error, "orig", None) or error)
            raise DataError(
                f"{address}: can't be brought up to date ({cause}): migrate as the tables' owner"
            ) from error
    return changed
