"""Passwords of other systems: files that nobody else can read."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from kardus.support.secrets import read_secret, secret_file

SecretPath = Annotated[Path, AfterValidator(secret_file)]
"""A file; `$CREDENTIALS_DIRECTORY` at its beginning is put in."""


def secret(key: str, path: Path) -> str:
    """The text of a secret's file.

    Raises:
        ConfigError: it can't be read, or others can read it too.
    """
    return read_secret(key, path)
