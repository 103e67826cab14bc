"""The address of a database, as `--database` says it: a SQLite file, or a PostgreSQL server's database."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from kardus.support.errors import UsageError
from kardus.support.secrets import read_secret

PASSWORD_VARIABLE = "KARDUS_DATABASE_PASSWORD"  # noqa: S105 - where a password is looked for
_SQLITE = "sqlite:///"
_SERVERS = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True)
class DatabaseAddress:
    """The address of a database, as `--database` says it."""

    url: URL
    """As SQLAlchemy has it, without a password."""
    path: Path | None = None
    """The file, where it is SQLite's."""
    password_file: Path | None = None

    def __str__(self) -> str:
        """As people write it."""
        return str(self.path) if self.path else self.url.set(drivername="postgresql").render_as_string()

    def password(self) -> str | None:
        """From its file, else from the environment; None: none, as with a socket or a certificate.

        Raises:
            ConfigError: the file can't be read, or others can.
        """
        if self.password_file is not None:
            return read_secret("--database-password-file", self.password_file)
        return os.environ.get(PASSWORD_VARIABLE) or None


def address_of(given: str | Path, password_file: Path | None = None) -> DatabaseAddress:
    """Read an address: a path, `sqlite:///PATH` or `postgresql://USER@HOST/NAME?OPTION=VALUE`.

    A server that isn't on this machine has to prove who it is (`sslmode=verify-full`) unless the address says
    otherwise; its authority is the system's unless `sslrootcert` names one.

    Raises:
        UsageError: it is none, or holds a password.
    """
    text = str(given)
    scheme, found, rest = text.partition("://")
    if not found:
        return _file(Path(given))
    if text.startswith(_SQLITE) and rest.lstrip("/"):
        return _file(Path(rest.removeprefix("/")))
    if scheme not in _SERVERS:
        raise UsageError(
            f"--database: no address of a database begins with '{scheme}://': give postgresql:// or a path"
        )
    try:
        url = make_url(text).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:
        raise UsageError("--database: not an address: give postgresql://USER@HOST:PORT/NAME") from error
    if url.password is not None or "password" in url.query:
        raise UsageError(
            "--database: other users of this machine can read a command's arguments: give the password by "
            "--database-password-file"
        )
    return DatabaseAddress(_verified(url), None, password_file)


def _file(path: Path) -> DatabaseAddress:
    return DatabaseAddress(URL.create("sqlite", database=str(path)), path)


def _verified(url: URL) -> URL:
    """The same, with the server's proof wanted where the network lies in between and nothing else is said."""
    hosts = [url.host, url.query.get("host"), url.query.get("hostaddr")]
    is_near = all(
        host is None or str(host).startswith("/") or host in ("localhost", "127.0.0.1", "::1") for host in hosts
    )
    if is_near or "sslmode" in url.query or "service" in url.query:
        return url
    more = {} if "sslrootcert" in url.query else {"sslrootcert": "system"}
    return url.update_query_dict({"sslmode": "verify-full", **more})
