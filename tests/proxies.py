"""A TCP proxy between a client and a server of the tests, that delays what the server says."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def slow_link(server_port: int, delay_s: float) -> Iterator[int]:
    """Listen on a port of 127.0.0.1; what the server answers arrives `delay_s` later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, server_port, delay_s), daemon=True).start()
        yield int(listener.getsockname()[1])


def _accept(listener: socket.socket, server_port: int, delay_s: float) -> None:
    with contextlib.suppress(OSError):  # the listener was closed: the test is over
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            threading.Thread(target=_pass_on, args=(client, server, 0.0), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, delay_s), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    """The delay is the link's own length, not something to wait for."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            time.sleep(delay_s)
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
