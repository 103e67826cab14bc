"""Opens a database, whichever it is."""

from pathlib import Path

from kardus.support.errors import UsageError
from warehouse.store.address import DatabaseAddress, address_of
from warehouse.store.database import Database
from warehouse.store.sqlite import SqliteDatabase


def open_database(where: DatabaseAddress | str | Path, *, make: bool, pictures: str = "") -> Database:
    """Open it. A SQLite file is brought up to date, and made where there is none and `make` says so.

    A server's tables are made and brought up to date by `kardus-wms database migrate` alone: what stores and reads
    needs no right to change them.

    Raises:
        DataError: it can't be opened, isn't a receiver's, or belongs to another version.
        TransactionInterruptedError: the process was asked to end while it was brought up to date.
        UsageError: that is no address.
    """
    address = where if isinstance(where, DatabaseAddress) else address_of(where)
    if address.path is not None:
        return SqliteDatabase(address, make=make, pictures=pictures)
    from warehouse.store.postgres import PostgresDatabase  # noqa: PLC0415 - psycopg is an extra of its own

    return PostgresDatabase(address)


def migrate_database(address: DatabaseAddress, *, pictures: str = "", grant: str = "", grant_console: str = "") -> bool:
    """Make the tables, or bring them up to date; whether anything had to be done.

    Args:
        address: the database.
        pictures: where the pictures of an earlier version's file are brought to; empty: beside it.
        grant: a role of the server that gets the rights that receiving and reporting need; empty: none.
        grant_console: a role that gets those that the API needs; empty: none.

    Raises:
        DataError: it can't be done; nothing is changed.
        UsageError: a role for a file, or for a role that isn't there.
    """
    if address.path is not None:
        if grant or grant_console:
            raise UsageError(f"{'--grant' if grant else '--grant-console'}: a file knows no roles: leave it out")
        before = _file_version(address.path)
        SqliteDatabase(address, make=True, pictures=pictures).close()
        return before != _file_version(address.path)
    from warehouse.store.postgres import migrate_server  # noqa: PLC0415 - psycopg is an extra of its own

    return migrate_server(address, grant, grant_console)


def _file_version(path: Path) -> bytes:
    """The file's `user_version`, as it stands in its header (https://sqlite.org/fileformat.html)."""
    try:
        with path.open("rb") as file:
            return file.read(64)[60:64]
    except OSError:
        return b""
