"""Passwords of cameras, read from files, so that they stand in no configuration and no list of processes."""

from pathlib import Path

from kardus.support.errors import ConfigError
from kardus.support.input_files import read_file


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
