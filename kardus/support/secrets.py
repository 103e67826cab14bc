"""Secrets come from files that nobody else can read, from systemd's credentials, or from the environment."""

import os
from pathlib import Path

from kardus.support.errors import ConfigError
from kardus.support.input_files import read_file

CREDENTIALS = "$CREDENTIALS_DIRECTORY"
"""What a path may begin with: the folder in which systemd lays a service's credentials (`LoadCredential=`)."""
PASSWORD_VARIABLE = "KARDUS_MQTT_PASSWORD"  # noqa: S105 - where a password is looked for
"""Holds the broker's password where no file is named."""
_OTHERS = 0o007
_GROUP = 0o070


def secret_file(path: Path) -> Path:
    """A path with `$CREDENTIALS_DIRECTORY` at its beginning put in; any other as it is.

    Raises:
        ValueError: the variable isn't set.
    """
    if path.parts[:1] != (CREDENTIALS,):
        return path
    folder = os.environ.get(CREDENTIALS.removeprefix("$"), "")
    if not folder:
        raise ValueError(f"{CREDENTIALS} is not set: run it as a systemd service with LoadCredential=, or name a file")
    return Path(folder).joinpath(*path.parts[1:])


def require_private(name: str, path: Path) -> None:
    """Refuse a secret that others can read. A file of root's that a service's group may read is private too.

    Args:
        name: the key or option that names the file.
        path: the file. systemd itself looks after the rights of its credentials.

    Raises:
        ConfigError: the file isn't there, or others can read it.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(f"{name} = {path}: cannot be read ({error.strerror}): name the right file") from error
    shared = found.st_mode & (_OTHERS | (_GROUP if found.st_uid == os.getuid() else 0))
    if shared and not _is_credential(path):
        raise ConfigError(f"{name} = {path}: others can read it: chmod 600 {path}")


def read_secret(name: str, path: Path) -> str:
    """The text of a private file, without the white space around it, and the mark that editors write before UTF-8.

    Raises:
        ConfigError: it cannot be read, is no text, or others can read it; the message names the key, never the text.
    """
    require_private(name, path)
    try:
        return read_file(path).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{name} = {path}: cannot be read ({reason}): name a file with the password") from error


def broker_password(name: str, path: Path | None) -> str | None:
    """The password for the broker: from its file, else from the environment, else none.

    Raises:
        ConfigError: as for `read_secret`.
    """
    if path is not None:
        return read_secret(name, path)
    return os.environ.get(PASSWORD_VARIABLE) or None


def _is_credential(path: Path) -> bool:
    folder = os.environ.get(CREDENTIALS.removeprefix("$"), "")
    return bool(folder) and path.absolute().is_relative_to(folder)
