"""Files that a database's address names: a relative one begins at the folder of the settings it stands in."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_FILES = frozenset({"sqlite", "duckdb"})
"""Databases that are a file."""
_OPTIONS = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "ssl_ca", "ssl_cert", "ssl_key"})
"""Options that name a file, of libpq and of MySQL's drivers."""
_WORDS = frozenset({"", "system", ":memory:"})
"""What stands in place of a file's name."""
_URI = "file:"


def address_below(text: str, folder: Path) -> str:
    """An address whose relative paths are below `folder`; one that can't be read stays, and is refused on use."""
    try:
        url = make_url(text)
    except ArgumentError:
        return text
    options = {
        name: _below(value, folder) if name in _OPTIONS and isinstance(value, str) else value
        for name, value in url.query.items()
    }
    database = url.database
    if url.get_backend_name() in _FILES and database:
        database = _below(database, folder)
    if (options, database) == (dict(url.query), url.database):
        return text
    return url.set(query=options, database=database).render_as_string(hide_password=False)


def _below(name: str, folder: Path) -> str:
    if name.startswith(_URI):
        return _URI + _below(name.removeprefix(_URI), folder)
    return name if name in _WORDS else str(folder / name)
