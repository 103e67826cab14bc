"""`[source]` of an SFTP drop; the source itself needs the extra `sftp`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from warehouse.connectors.secret import SecretPath
from warehouse.connectors.sync.lists import ListSettings


class SftpSettings(ListSettings):
    """`[source]` with `kind = "sftp"`."""

    kind: Literal["sftp"]
    """Lists that are uploaded to an SFTP server."""
    host: Annotated[str, Field(min_length=1)]
    """The server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Its port."""
    user: Annotated[str, Field(min_length=1)]
    """Who fetches."""
    known_hosts: Path
    """File with the server's key, as `ssh-keyscan` writes it: compare it with the server's own before you trust it."""
    key_file: SecretPath | None = None
    """Private key without a passphrase, for you alone; or `password_file`."""
    password_file: SecretPath | None = None
    """File that holds the password, for you alone."""
    folder: str = "."
    """The folder on the server. A list names every managed location; the newest counts."""
    marker: str = ""
    """What the WMS adds to a list's name for the file that says it is whole, as `.done`; empty: there is none."""
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """Seconds for which a list must have kept its size and time before it is fetched."""
