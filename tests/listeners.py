"""A listening socket whose end is noticed: closing it alone wakes nobody who waits in `accept`."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def listener() -> Iterator[socket.socket]:
    """It listens on a port of 127.0.0.1; at the end, whoever waits in `accept` gets an OSError."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        try:
            yield listening
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
