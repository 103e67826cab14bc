"""Passwords of cameras: read from files, so that they stand in no list of processes; not shown where addresses do."""

import re
from pathlib import Path

from kardus.support.errors import ConfigError
from kardus.support.input_files import read_file

HIDDEN_ADDRESS = "an address that isn't shown (it may hold a login)"
_MAX_LETTERS = 300
_ADDRESS = re.compile(
    r"""
    (?P<scheme> [a-z]{1,10}://)
    (?: [^/?\#]* @ )?                                  # the login
    (?P<host> (?: [a-z0-9._-]+ | \[[0-9a-f:.]+\] ) (?: :[0-9]{1,5} )?)
    (?P<path> (?: /[a-z0-9._/~+-]* )?)
    (?P<query> (?: \? [^@%\s\#]* )?)
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
"""What is plain enough to tell where a login would stand."""


def read_password(path: Path | None) -> str:
    """The file's content without the white space around it; empty where no file is named.

    Raises:
        ConfigError: the file cannot be read.
    """
    if path is None:
        return ""
    try:
        return read_file(path).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(
            f"password_file = {path}: cannot be read ({reason}): name a file with the password"
        ) from error


def without_login(address: str) -> str:
    """An address that a camera has named, as it may be shown; what it is asked for (`?...`) may hold a login, too."""
    found = _ADDRESS.fullmatch(address) if len(address) <= _MAX_LETTERS else None
    if found is None:
        return HIDDEN_ADDRESS
    return f"{found['scheme']}{found['host']}{found['path']}{'?...' if found['query'] else ''}"
