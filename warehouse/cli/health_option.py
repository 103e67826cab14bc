"""Where a command that runs for good serves its health page."""

from typing import Annotated

import typer

from kardus.support.errors import UsageError

HealthOption = Annotated[
    str, typer.Option(help="Serve a health page and metrics there, as 127.0.0.1:9470; by default nowhere.")
]


def listen_address(health: str) -> tuple[str, int] | None:
    """Address and port of the option; None: it isn't given.

    Raises:
        UsageError: it isn't written as an address and a port.
    """
    if not health:
        return None
    address, _, port = health.rpartition(":")
    if not address or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise UsageError(f"--health '{health}': write ADDRESS:PORT, as 127.0.0.1:9470")
    return address.strip("[]"), int(port)
