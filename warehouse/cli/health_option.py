"""The option that says where a command that runs for good serves its health page."""

from typing import Annotated

import typer

from kardus.support.errors import UsageError
from kardus.support.whole_numbers import MAX_PORT, whole_number

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
    number = whole_number(port, MAX_PORT)
    if not address or number is None:
        raise UsageError(f"--health '{health}': write ADDRESS:PORT, as 127.0.0.1:9470")
    return address.strip("[]"), number
