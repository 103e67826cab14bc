"""Finds where a database's pictures are: beside a file, unless it is noted otherwise."""

from kardus.support.errors import UsageError
from warehouse.store.address import DatabaseAddress
from warehouse.store.database import Database, read_meta, write_meta

_KEY = "pictures"


def beside(address: DatabaseAddress) -> str:
    """The folder that belongs to a SQLite file; empty: a server has none."""
    return f"{address.path}.pictures" if address.path else ""


def pictures_of(database: Database) -> str:
    """Where the pictures are.

    Raises:
        StoreError: the database can't be read.
        UsageError: nobody has said where yet.
    """
    with database.reading() as connection:
        return _chosen(database, read_meta(connection, _KEY) or "")


def settle_pictures(database: Database, wanted: str, *, needed: bool) -> str:
    """Note where the pictures are, so that reports find them; what is noted already stays where nothing is wanted.

    Where none is noted, and none `needed`, it is an empty text.

    Raises:
        StoreError: the database can't be written.
        UsageError: nobody has said where.
    """
    with database.writing() as connection:
        noted = read_meta(connection, _KEY) or ""
        if wanted and wanted != beside(database.address) and wanted != noted:
            write_meta(connection, _KEY, wanted)
            noted = wanted
    return _chosen(database, noted) if needed or noted else beside(database.address)


def _chosen(database: Database, noted: str) -> str:
    found = noted or beside(database.address)
    if not found:
        raise UsageError(
            "--pictures: say where pictures go, a folder or s3://BUCKET/PREFIX; or take none: --pictures-mb 0"
        )
    return found
