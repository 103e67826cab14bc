"""Servers that are never quite silent and never done: real ones, one misbehaviour each."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

DRIP_S = 0.03
Behaviour = Callable[[socket.socket, threading.Event], None]
"""What is done with a connection, until the event is set."""


class DrippingServer:
    """Does the same with every connection; use it in a `with` statement."""

    def __init__(self, behaviour: Behaviour) -> None:
        """Listen at 127.0.0.1."""
        self.behaviour = behaviour
        self.asked = threading.Semaphore(0)
        """Released with every connection that has sent something."""
        self._stopping = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, scheme: str = "http") -> str:
        """Its address."""
        return f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}/x"

    def once_asked(self, call: Callable[[], object]) -> None:
        """Call when the next connection has sent something."""

        def wait() -> None:
            self.asked.acquire()
            call()

        threading.Thread(target=wait, daemon=True).start()

    def __enter__(self) -> Self:
        """It listens already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let all connections go."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        with taken, contextlib.suppress(OSError):
            taken.recv(65536)
            self.asked.release()
            self.behaviour(taken, self._stopping)


def drip(taken: socket.socket, stopping: threading.Event, byte: bytes) -> None:
    """The same byte for ever, so that no single read is late."""
    while not stopping.wait(DRIP_S):
        taken.sendall(byte)


def drips_headers(taken: socket.socket, stopping: threading.Event) -> None:
    """The status, and then a header without end."""
    taken.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    drip(taken, stopping, b"x")


def drips_status(taken: socket.socket, stopping: threading.Event) -> None:
    """Interim answers (1xx) for ever: each of them is whole."""
    drip(taken, stopping, b"HTTP/1.1 102 Processing\r\n\r\n")


def drips_body(taken: socket.socket, stopping: threading.Event) -> None:
    """A long body, slowly."""
    taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    drip(taken, stopping, b"x")


def drips_chunks(taken: socket.socket, stopping: threading.Event) -> None:
    """A body in chunks, without an end."""
    taken.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(taken, stopping, b"1\r\nx\r\n")


def drips_handshake(taken: socket.socket, stopping: threading.Event) -> None:
    """A TLS record that says that it is long, slowly."""
    taken.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xf0\x03\x03")
    drip(taken, stopping, b"\0")


def says_nothing(taken: socket.socket, stopping: threading.Event) -> None:
    """Accept, take what comes, and be silent."""
    stopping.wait()


def redirects(taken: socket.socket, stopping: threading.Event) -> None:
    """Always to itself."""
    taken.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


NEVER_DONE: dict[str, tuple[str, Behaviour]] = {
    "drips its headers": ("http", drips_headers),
    "drips interim answers": ("http", drips_status),
    "drips its body": ("http", drips_body),
    "drips chunks": ("http", drips_chunks),
    "says nothing": ("http", says_nothing),
    "drips the TLS handshake": ("https", drips_handshake),
    "says nothing to the TLS handshake": ("https", says_nothing),
}
"""Scheme and behaviour by name."""
